"""Diagnostics and errors as text: one finding a line, in the form that editors and CI logs can jump to.

These lines aren't wrapped: ``file:line:column`` and a command to copy are worth more than the eightieth column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.diagnostics import Diagnostic, sort_key
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.render.escape import terminal
from reconciler.render.layout import Line, painter
from reconciler.render.words import counted

#: Findings that are shown before the rest is counted.
SHOWN = 1000

#: Details of an error that are shown before the rest is counted.
DETAILS = 100


def diagnostics_to_text(
    diagnostics: Iterable[Diagnostic],
    *,
    color: bool = False,
    quiet: bool = False,
    total: bool = True,
    shown: int = SHOWN,
) -> Iterator[str]:
    """Findings by place, the first ``shown`` of them, and how many there are; nothing if there is none.

    ``quiet`` leaves warnings out. Without ``total`` they are counted only if some aren't shown.
    """
    found = sorted((one for one in diagnostics if one.is_error or not quiet), key=sort_key)
    return map(painter(color=color), _diagnostics(found, shown, total=total))


def error_to_text(error: ReconcilerError, *, color: bool = False) -> Iterator[str]:
    """What is wrong, in detail, and how to mend it; an error about input shows its findings first."""
    if isinstance(error, InvalidInput) and error.diagnostics:
        yield from diagnostics_to_text(error.diagnostics, color=color)
    yield from map(painter(color=color), _error(error))


def _diagnostics(found: list[Diagnostic], shown: int, *, total: bool) -> Iterator[Line]:
    for diagnostic in found[:shown]:
        yield from _diagnostic(diagnostic)
    if not found or (len(found) <= shown and not total):
        return
    errors = sum(diagnostic.is_error for diagnostic in found)
    files = len({diagnostic.position.file for diagnostic in found})
    counts = f"{counted(errors, 'error')}, {counted(len(found) - errors, 'warning')} in {counted(files, 'file')}"
    rest = f"; the first {shown:,} are shown" if len(found) > shown else ""
    yield ((counts + rest, "heading"),)


def _diagnostic(diagnostic: Diagnostic) -> Iterator[Line]:
    style = diagnostic.severity.value
    yield (
        (f"{terminal(str(diagnostic.position))}: ", ""),
        (f"{style}: ", style),
        (f"{terminal(diagnostic.message)} ", ""),
        (f"[{diagnostic.rule}]", "label"),
    )
    if diagnostic.related is not None:
        yield ((f"  see: {terminal(str(diagnostic.related))}", "label"),)
    if diagnostic.hint is not None:
        yield (("  mend: ", "label"), (terminal(diagnostic.hint), ""))


def _error(error: ReconcilerError) -> Iterator[Line]:
    yield (("error: ", "error"), (terminal(error.message), ""))
    for detail in error.details[:DETAILS]:
        yield ((f"  - {terminal(detail)}", ""),)
    if len(error.details) > DETAILS:
        yield ((f"  and {len(error.details) - DETAILS:,} more", "label"),)
    if error.hint is not None:
        yield (("  mend: ", "label"), (terminal(error.hint), ""))
