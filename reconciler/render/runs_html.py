"""A run as one HTML file: what failed or is in doubt stands first, every other step can be unfolded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.canonical import Json
from reconciler.render.runview import TONES, RunStepView, run_rows, view_run
from reconciler.render.to_html import MANY, Some, document

#: Failed and doubtful steps that are shown one by one; the rest is counted.
FIRST: Final = 500

#: The classes of the page's style for each tone.
_KINDS: Final = {"good": "grant", "warning": "shorten", "error": "revoke", "": "neutral"}


def report_to_html(
    report: Mapping[str, Json], *, options: Sequence[str] = (), rehearsal: bool = False
) -> Iterator[str]:
    """A run's report as the pieces of one HTML file, in order; ``options`` and ``rehearsal`` are as in `view_run`."""
    view = view_run(report, options=options, rehearsal=rehearsal)

    def found(*statuses: str) -> list[RunStepView]:
        return [step for step in view.steps if step.status in statuses]

    failed = found("rejected")
    usual = {status: (status.replace("_", " "), 0) for status in TONES if status != "intent"}
    counts = usual | {status: (outcome, number) for status, outcome, number in view.counts}
    strange = [step for step in view.steps if step.status not in TONES]
    return document(
        "run.html",
        view=view,
        rows=tuple(run_rows(view)),
        tiles=tuple((_KINDS[TONES.get(status, "")], *counted) for status, counted in counts.items()),
        failed=len(failed),
        first=(
            ("doubtful", "In doubt", "revoke", _some(found("in_doubt", "intent"))),
            ("failed", "Failed", "revoke", _some(failed)),
            ("strange", "Other", "shorten", _some(strange)),
        ),
        folded=(
            ("skipped", "Skipped", found("skipped")),
            ("reached", "Not reached", found("not_reached")),
            ("assumed", "Assumed to be done", found("assumed")),
            ("applied", "Applied", found("applied")),
        ),
        many=len(view.steps) >= MANY,
    )


def _some(steps: list[RunStepView]) -> Some:
    return Some(steps[:FIRST], len(steps[FIRST:]))
