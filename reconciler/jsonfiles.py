"""JSON files of this program: written field by field as they are made, digested on the way, and read back strictly.

``fields`` are names and values in their order; those of ``lists`` are items that are made one by one, and each stands
on a line of its own. Such a file may be far larger than what should be held of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from reconciler import canonical
from reconciler.errors import InvalidInput


def pieces(fields: Iterable[tuple[str, Any]], lists: Collection[str]) -> Iterator[str]:
    """The file in pieces, in ASCII."""
    for number, (name, value) in enumerate(fields):
        yield "{" if number == 0 else ",\n "
        yield f'"{name}": '
        if name not in lists:
            yield canonical.dumps(value)
            continue
        index = -1
        for index, item in enumerate(value):
            yield ("[\n  " if index == 0 else ",\n  ") + canonical.dumps(item)
        yield "[]" if index < 0 else "]"
    yield "}\n"


def digest(fields: Iterable[tuple[str, Any]], lists: Collection[str], *, but: str) -> str:
    """The digest of all fields but ``but``: that of their canonical JSON, which is never held as a whole."""
    found = hashlib.sha256()
    separator = "{"
    for name, value in fields:
        if name == but:
            continue
        found.update(f'{separator}"{name}":'.encode("ascii"))
        separator = ","
        if name not in lists:
            found.update(canonical.dumps(value).encode("ascii"))
            continue
        found.update(b"[")
        for index, item in enumerate(value):
            found.update(("," * (index > 0) + canonical.dumps(item)).encode("ascii"))
        found.update(b"]")
    found.update(b"}")
    return canonical.DIGEST_PREFIX + found.hexdigest()


def parse(text: str, name: str, *, what: str, hint: str) -> dict[str, Any]:
    """The object that ``text`` holds: each key once, whole numbers only.

    Raises `InvalidInput`; for people the file is called ``name`` and should have been ``what``, such as ``a plan``.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return found

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=_no_number, parse_float=_no_number)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} isn't {what}: {error or 'too deep'}", hint=hint) from None
    if not isinstance(data, dict):
        raise InvalidInput(f"{name} isn't {what}: it holds no object", hint=hint)
    return data


def _no_number(text: str) -> None:
    raise ValueError(f"{text[:20]} is no whole number")
