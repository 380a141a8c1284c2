"""Findings as text, for keeping."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from reconciler import canonical
from reconciler.diagnostics import Diagnostic, Position, Severity


def findings_text(found: Iterable[Diagnostic]) -> str:
    """Findings as JSON, for keeping."""
    return canonical.dumps(
        [
            [
                diagnostic.rule,
                diagnostic.message,
                _place(diagnostic.position),
                diagnostic.hint,
                None if diagnostic.related is None else _place(diagnostic.related),
                diagnostic.severity.value,
            ]
            for diagnostic in found
        ]
    )


def findings_from(text: str) -> Iterator[Diagnostic]:
    """The findings behind `findings_text`."""
    for rule, message, place, hint, related, severity in json.loads(text):
        yield Diagnostic(
            rule, message, Position(*place), hint, None if related is None else Position(*related), Severity(severity)
        )


def _place(position: Position) -> list[canonical.Json]:
    return [position.file, position.line, position.column]
