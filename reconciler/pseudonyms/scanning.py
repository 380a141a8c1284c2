"""Finds what names readers in manifests, also in those that can't be used: a finding may quote any of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

from reconciler.pseudonyms.stand_ins import Pseudonyms

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic

_KEY: Final = (
    r"(?<![A-Za-z0-9_])[\"']?(?P<key>account_id|customer_number|user_product_id|subscription_number|product_id)"
)
_ENTRY: Final = re.compile(_KEY + r"[\"']?[ \t]*:\s*(?P<value>[^\r\n]*)", re.IGNORECASE)

#: What may stand before a value: marks of a block, tags, anchors.
_BEFORE: Final = re.compile(r"(?:[|>][+-]?[0-9]?\s*$|!\S*[ \t]+|&\S+[ \t]+|\[[ \t]*)+")

#: What may be a number, inside of something that is no plain value.
_PART: Final = re.compile(r"[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]*")
_LEAST: Final = 5
_QUOTED: Final = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^']|'')*)'")

#: A finding quotes no more of a value than this.
_QUOTE: Final = 60


def learn_from_manifests(paths: Sequence[str], names: Pseudonyms, stdin: BinaryIO | None = None) -> None:
    """Learn every id and number that manifests under ``paths`` hold, however broken they are.

    Paths that can't be read teach nothing: whoever loads them says so.
    """
    from reconciler.errors import InvalidInput
    from reconciler.manifests.files import read_manifest
    from reconciler.manifests.walk import find_manifests

    try:
        files = find_manifests(paths).files
    except InvalidInput:
        return
    for file in files:
        data: bytes | Diagnostic = read_manifest(file, stdin)
        if isinstance(data, bytes):
            for key, value in values_in(data.decode("utf-8", "replace")):
                names.keep((value,)) if key == "product_id" else names.learn(_as_quoted(value))


def values_in(text: str) -> Iterator[tuple[str, str]]:
    """Each key that names a reader or a product, in lower case, with what may be its value; there may be several."""
    for match in _ENTRY.finditer(text):
        key, line = match["key"].lower(), match["value"].strip()
        value = line
        before = _BEFORE.match(line)
        if before is not None:
            # What a block holds stands on the next line.
            value = line[before.end() :] or text[match.end() :].lstrip().partition("\n")[0].strip()
            yield from ((key, part) for part in _PART.findall(before[0]) if len(part) >= _LEAST)
        quoted = _QUOTED.match(value)
        if quoted is not None:
            yield key, _unescaped(quoted[1]) if quoted[1] is not None else quoted[2].replace("''", "'")
            continue
        plain = re.split(r"[ \t]#|,(?=[ \t\"'}]|$)|[\]}]", value)[0].strip()
        # On the next line there may be another key instead of a value.
        if plain and re.match(r"[^ \t]+[ \t]*:(?:[ \t]|$)|- |#", plain) is None:
            yield key, plain


def _unescaped(text: str) -> str:
    """What YAML and JSON make of the text between double quotes, as far as both agree."""
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _as_quoted(value: str) -> Iterator[str]:
    """A value in the forms in which a finding may quote it."""
    for form in dict.fromkeys((value, value[:_QUOTE])):
        yield form
        written = repr(form)[1:-1]
        if written != form:
            yield written
