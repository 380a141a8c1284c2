"""Findings as SARIF 2.1.0, for GitHub's code scanning and everything else that reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from reconciler import __version__
from reconciler.canonical import Json
from reconciler.diagnostics import Diagnostic, Position
from reconciler.errors import ReconcilerError
from reconciler.manifests.files import STDIN_NAME
from reconciler.render.escape import visible
from reconciler.render.placing import Identified, identified
from reconciler.render.words import counted
from reconciler.rules import FILE_ERRORS, MANIFEST_ERRORS, MANIFEST_WARNINGS

#: GitHub refuses an upload with more results in a run.
RESULTS: Final = 25_000

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

#: What relative paths start from: by convention the top of the repository.
_TOP: Final = "%SRCROOT%"

#: Not `primaryLocationLineHash`: GitHub's upload makes that one itself, from the text of the line, and warns of
#: every result that brings another.
_FINGERPRINT: Final = "findingHash/v1"

_FOLLOWS: Final = {
    "error": "An error refuses the manifests: nothing is planned until it is mended.",
    "warning": "A warning refuses nothing, unless validate --strict is asked for.",
}

_SENTENCES: Final = {**MANIFEST_ERRORS, **MANIFEST_WARNINGS, **FILE_ERRORS}
_INDEX: Final = {rule: index for index, rule in enumerate(_SENTENCES)}


def diagnostics_to_sarif(diagnostics: Iterable[Diagnostic], *, refusal: ReconcilerError | None = None) -> Iterator[str]:
    """All findings by place as one SARIF log in lines, a rule or a finding a line; ASCII only.

    Of more than `RESULTS` the worst are kept, and a notification counts the others. ``refusal`` says why the
    manifests weren't looked at, if they weren't.
    """
    found = identified(diagnostics)
    kept = sorted(found, key=lambda one: not one.diagnostic.is_error)[:RESULTS] if len(found) > RESULTS else found
    yield f'{{"$schema": {json.dumps(_SCHEMA)}, "version": "2.1.0", "runs": [{{'
    yield f'"tool": {{"driver": {{"name": "payway-reconciler", "semanticVersion": {json.dumps(__version__)}, "rules": ['
    yield from _items(map(_rule, _SENTENCES))
    yield "]}},"
    yield f'"invocations": [{_line(_invocation(len(found) - len(kept), refusal))}],'
    yield '"columnKind": "unicodeCodePoints",'
    yield '"results": ['
    yield from _items(map(_result, kept))
    yield "]}]}"


def _rule(rule: str) -> dict[str, Json]:
    level = "warning" if rule in MANIFEST_WARNINGS else "error"
    sentence = _SENTENCES[rule]
    return {
        "id": rule,
        "shortDescription": {"text": sentence},
        "fullDescription": {"text": sentence},
        "help": {"text": f"{sentence} {_FOLLOWS[level]} The message of each finding says how to mend it."},
        "defaultConfiguration": {"level": level},
    }


def _invocation(left_out: int, refusal: ReconcilerError | None) -> dict[str, Json]:
    told: list[Json] = []
    if refusal is not None:
        hint = f" Mend: {refusal.hint}." if refusal.hint is not None else ""
        told.append({"level": "error", "message": {"text": _plain(f"{refusal.message}.{hint}")}})
    if left_out:
        text = f"{counted(left_out, 'finding')} left out: GitHub takes {RESULTS:,} results. validate shows them all."
        told.append({"level": "warning", "message": {"text": text}})
    notes: dict[str, Json] = {"toolExecutionNotifications": told} if told else {}
    return {"executionSuccessful": refusal is None, **notes}


def _result(one: Identified) -> dict[str, Json]:
    found = one.diagnostic
    # GitHub shows a related place only where the message links to its id.
    see = " (see [the other place](1))" if found.related is not None else ""
    hint = f" Mend: {_plain(found.hint)}." if found.hint is not None else ""
    result: dict[str, Json] = {
        "ruleId": found.rule,
        "level": found.severity.value,
        "message": {"text": f"{_plain(found.message)}{see}.{hint}"},
        "locations": [{"physicalLocation": _place(found.position)}],
        "partialFingerprints": {_FINGERPRINT: one.fingerprint},
    }
    if found.rule in _INDEX:
        result["ruleIndex"] = _INDEX[found.rule]
    if found.related is not None:
        other: dict[str, Json] = {"id": 1, "physicalLocation": _place(found.related)}
        result["relatedLocations"] = [other | {"message": {"text": "the other place"}}]
    return result


def _place(position: Position) -> dict[str, Json]:
    return {
        "artifactLocation": _file(position.file),
        "region": {"startLine": position.line, "startColumn": position.column, "endLine": position.line},
    }


def _file(name: str) -> dict[str, Json]:
    uri = quote(name, safe="/", errors="replace")
    if name == STDIN_NAME:
        return {"uri": uri, "description": {"text": "standard input"}}
    if name.startswith("/"):
        return {"uri": f"file://{uri}"}
    return {"uri": uri, "uriBaseId": _TOP}


def _plain(text: str) -> str:
    """``text`` for a message, in which ``[words](target)`` would be a link."""
    return visible(text).replace("](", "] (")


def _items(values: Iterable[dict[str, Json]]) -> Iterator[str]:
    last: str | None = None
    for value in values:
        if last is not None:
            yield last + ","
        last = "  " + _line(value)
    if last is not None:
        yield last


def _line(value: dict[str, Json]) -> str:
    # A CI runner that sees `##[` in its log takes an order from it; inside JSON it can be written otherwise.
    return json.dumps(value).replace("##", r"#\u0023")
