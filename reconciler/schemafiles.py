"""Finds and loads the JSON schemas that belong to this program.

A wheel carries them as ``reconciler/schemas/``; in a checkout they stand in ``schemas/`` beside the
package. Nothing is ever fetched from a network.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

from reconciler.errors import InvalidInput, UsageError

_SUFFIX: Final = ".schema.json"


def schema_names() -> tuple[str, ...]:
    """The names that `schema_text` and `load_schema` take, such as ``account``, in order."""
    return tuple(sorted(_files()))


def schema_text(name: str) -> str:
    """The schema file ``name`` as it is, for people and editors. Raises `UsageError` for a name that isn't one."""
    file = _files().get(name)
    if file is None:
        raise UsageError(f"there is no schema {name!r}", hint=f"the schemas are: {', '.join(schema_names())}")
    return file.read_text(encoding="utf-8")


@cache
def load_schema(name: str) -> dict[str, object]:
    """The schema ``name``, parsed once; read it, don't change it. Raises `UsageError` as `schema_text` does."""
    schema = json.loads(schema_text(name))
    assert isinstance(schema, dict)
    return schema


@cache
def _files() -> dict[str, Path]:
    folder = _folder()
    return {
        file.name.removesuffix(_SUFFIX): file
        for file in folder.iterdir()
        if file.name.endswith(_SUFFIX) and not file.name.startswith(".")
    }


def _folder() -> Path:
    # Not by importlib.resources, whose import takes longer than everything else here.
    package = Path(__file__).resolve().parent
    for folder in (package / "schemas", package.parent / "schemas"):
        if folder.is_dir():
            return folder
    raise InvalidInput("the schemas that belong to this program are missing", hint="install payway-reconciler again")
