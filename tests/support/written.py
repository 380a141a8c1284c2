"""Declared accounts written as manifests, in several styles that all mean the same."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from reconciler.model import DeclaredAccount


def document(account: DeclaredAccount, style: int = 0) -> str:
    """One YAML document: ``style`` 0 is JSON, 1 quotes every value, 2 none that can do without."""
    data = {"apiVersion": "payway/v1", "kind": "Account", **account.to_json()}
    return json.dumps(data) + "\n" if style == 0 else "".join(_block(data, "", quoted=style == 1))


def _block(data, indent, *, quoted):
    for key, value in data.items():
        if isinstance(value, dict) or value == []:
            yield f"{indent}{key}: {json.dumps(value)}\n"
        elif isinstance(value, list):
            yield f"{indent}{key}:\n"
            for item in value:
                lines = list(_block(item, indent + "    ", quoted=quoted)) or [f"{indent}    {{}}\n"]
                yield f"{indent}  - {lines[0].lstrip()}"
                yield from lines[1:]
        elif isinstance(value, bool):
            yield f"{indent}{key}: {json.dumps(value)}\n"
        else:
            yield f"{indent}{key}: {json.dumps(value) if quoted else value}\n"


def write(folder: Path, files: dict[str, Iterable[DeclaredAccount]], style: int = 0) -> None:
    """Make ``folder`` hold just these files; one that would hold what it holds already is left alone."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for name, accounts in files.items():
        text = "---\n".join(document(account, style) for account in accounts)
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
