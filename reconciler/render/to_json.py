"""Findings for machines: JSON, and annotations of a GitHub Actions run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.canonical import Json
from reconciler.diagnostics import Diagnostic, Position, Severity, sort_key
from reconciler.errors import ReconcilerError
from reconciler.manifests.files import STDIN_NAME
from reconciler.render.escape import command_message, command_property
from reconciler.render.words import counted

DIAGNOSTICS_FORMAT: Final = "reconciler.diagnostics/v1"

#: GitHub keeps this many annotations of each severity from one step of a job, and drops the rest without a word.
ANNOTATIONS: Final = 10


def diagnostics_to_json(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    """All findings by place, as one JSON document in lines, a finding a line; ASCII only."""
    yield f'{{"format": {json.dumps(DIAGNOSTICS_FORMAT)}, "diagnostics": ['
    last: str | None = None
    for diagnostic in sorted(diagnostics, key=sort_key):
        if last is not None:
            yield last + ","
        # A CI runner that sees `##[` in its log takes an order from it; inside JSON it can be written otherwise.
        last = "  " + json.dumps(diagnostic_to_json(diagnostic)).replace("##", r"#\u0023")
    if last is not None:
        yield last
    yield "]}"


def diagnostic_to_json(diagnostic: Diagnostic) -> dict[str, Json]:
    """One finding as a JSON object."""
    return {
        "rule": diagnostic.rule,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        **_position(diagnostic.position),
        "related": _position(diagnostic.related) if diagnostic.related is not None else None,
    }


def diagnostics_to_github(
    diagnostics: Iterable[Diagnostic], *, refusal: ReconcilerError | None = None
) -> Iterator[str]:
    """Workflow commands: errors first, as many of each severity as GitHub shows, the others counted in a notice.

    ``refusal`` says why the manifests weren't looked at, if they weren't. It takes the place of the tenth error.
    """
    found = sorted(diagnostics, key=sort_key)
    if refusal is not None:
        hint = f"%0Amend: {command_message(refusal.hint)}" if refusal.hint is not None else ""
        yield f"::error title=reconciler::{command_message(refusal.message)}{hint}"
    hidden = 0
    for severity in Severity:
        of_this = [diagnostic for diagnostic in found if diagnostic.severity is severity]
        room = ANNOTATIONS - (refusal is not None and severity is Severity.ERROR)
        yield from map(_annotation, of_this[:room])
        hidden += max(0, len(of_this) - room)
    if hidden:
        errors = sum(diagnostic.is_error for diagnostic in found)
        yield (
            f"::notice title=reconciler::{counted(errors, 'error')}, {counted(len(found) - errors, 'warning')}; "
            f"{hidden:,} of them aren't shown here, see the output of validate"
        )


def _annotation(diagnostic: Diagnostic) -> str:
    place = diagnostic.position
    where = f"file={command_property(place.file)},line={place.line},col={place.column},"
    message = command_message(diagnostic.message)
    if place.file == STDIN_NAME:
        # Nothing in the repository, so the words have to say where.
        where, message = "", f"standard input, line {place.line}, column {place.column}: {message}"
    if diagnostic.related is not None:
        message += f"%0Asee {command_message(str(diagnostic.related))}"
    if diagnostic.hint is not None:
        message += f"%0Amend: {command_message(diagnostic.hint)}"
    return f"::{diagnostic.severity.value} {where}title={command_property(diagnostic.rule)}::{message}"


def _position(position: Position) -> dict[str, Json]:
    return {"file": position.file, "line": position.line, "column": position.column}
