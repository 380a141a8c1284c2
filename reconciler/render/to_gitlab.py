"""Findings as GitLab's code quality report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.canonical import Json
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.render.escape import visible
from reconciler.render.placing import Identified, identified

#: GitLab's words: info, minor, major, critical, blocker.
_SEVERITIES: Final = {Severity.ERROR: "major", Severity.WARNING: "minor"}


def diagnostics_to_gitlab(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    """All findings by place as one JSON list in lines, a finding a line; ASCII only."""
    yield "["
    last: str | None = None
    for one in identified(diagnostics):
        if last is not None:
            yield last + ","
        # A CI runner that sees `##[` in its log takes an order from it; inside JSON it can be written otherwise.
        last = "  " + json.dumps(_entry(one)).replace("##", r"#\u0023")
    if last is not None:
        yield last
    yield "]"


def _entry(one: Identified) -> dict[str, Json]:
    found = one.diagnostic
    text = found.message
    text += f" (see {found.related})" if found.related is not None else ""
    text += f". Mend: {found.hint}" if found.hint is not None else ""
    return {
        "description": visible(text),
        "check_name": found.rule,
        "fingerprint": one.fingerprint,
        "severity": _SEVERITIES[found.severity],
        "location": {"path": found.position.file, "lines": {"begin": found.position.line}},
    }
