"""What `doctor` found, as text and as JSON: a finding a line, with what mends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal, TypeAlias

from reconciler.canonical import Json
from reconciler.errors import ExitCode
from reconciler.render.layout import WIDTH, Line, Piece, flow, painter, words
from reconciler.render.words import counted

FORMAT: Final = "reconciler.doctor/v1"

Status: TypeAlias = Literal["ok", "warning", "problem"]

_SIGNS: Final = {"ok": "✓", "warning": "!", "problem": "✗"}
_STYLES: Final = {"ok": "good", "warning": "warning", "problem": "error"}

#: The columns before what was found: a sign, the longest status, the longest name.
_NAME: Final = 12
_HANG: Final = 2 + 9 + _NAME


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. A problem's ``code`` is what the commands would end with that it stops."""

    name: str
    status: Status
    message: str
    mend: str | None = None
    details: tuple[str, ...] = ()
    code: ExitCode = ExitCode.DONE


def checkup_to_text(checks: Iterable[Check], *, color: bool = False, width: int = WIDTH) -> Iterator[str]:
    """A line or more for each check, then how many are wrong."""
    found = list(checks)
    parts = [_check(check, width) for check in found]
    return map(painter(color=color), chain(chain.from_iterable(parts), _total(found)))


def checkup_to_json(checks: Sequence[Check], *, environment: str | None, exit_code: int) -> dict[str, Json]:
    """All checks as one JSON object."""
    return {
        "format": FORMAT,
        "environment": environment,
        "exit_code": exit_code,
        "checks": [
            {
                "name": check.name,
                "status": check.status,
                "message": check.message,
                "mend": check.mend,
                "details": list(check.details),
            }
            for check in checks
        ],
    }


def _check(check: Check, width: int) -> Iterator[Line]:
    lead = (
        (f"{_SIGNS[check.status]} {check.status:<9}", _STYLES[check.status]),
        (f"{check.name:<{_NAME}}", "heading"),
    )
    yield from flow(words(check.message), lead=lead, hang=_HANG, width=width)
    for detail in check.details:
        yield from flow(words(detail, "quiet"), lead=((" " * _HANG + "- ", "label"),), hang=_HANG + 2, width=width)
    if check.mend is not None:
        mend = [Piece("mend:", "label"), *words(check.mend)]
        yield from flow(mend, lead=((" " * _HANG, ""),), hang=_HANG, width=width)


def _total(checks: Sequence[Check]) -> Iterator[Line]:
    problems = sum(check.status == "problem" for check in checks)
    warnings = sum(check.status == "warning" for check in checks)
    yield ()
    yield ((f"{counted(problems, 'problem')}, {counted(warnings, 'warning')}", "heading"),)
