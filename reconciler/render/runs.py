"""Runs as text: what became of every step, and what to do about those that aren't done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from reconciler.canonical import Json
from reconciler.render.escape import copyable, terminal
from reconciler.render.layout import WIDTH, Line, Piece, flow, labelled, painter, unit, words
from reconciler.render.runview import RunNext, RunStepView, RunView, run_rows, view_run
from reconciler.render.words import clock_words, counted

if TYPE_CHECKING:
    from reconciler.state.store import Run


def report_to_text(
    report: Mapping[str, Json],
    *,
    color: bool = False,
    quiet: bool = False,
    options: Sequence[str] = (),
    rehearsal: bool = False,
    width: int = WIDTH,
) -> Iterator[str]:
    """A run's report as lines. ``quiet`` leaves out the steps that are done; the others are as in `view_run`."""
    view = view_run(report, options=options, rehearsal=rehearsal)
    parts = [_head(view, width)]
    digits = len(str(max((step.number for step in view.steps), default=0)))
    parts += [_step(step, digits, width) for step in view.steps if not quiet or not step.done]
    parts += [_end(view, width), _next(view.next, width)]
    return map(painter(color=color), chain.from_iterable(parts))


def runs_to_text(runs: Iterable[Run], *, color: bool = False, width: int = WIDTH) -> Iterator[str]:
    """Runs as a list, a few facts each, in the order given."""
    return map(painter(color=color), _runs(runs, width))


def _head(view: RunView, width: int) -> Iterator[Line]:
    title = [*words(f"Run {view.run_id} on {view.environment}", "heading")]
    yield from flow([*title, unit(f"({view.host})", "label")], hang=2, width=width)
    yield from labelled("plan", [unit(view.plan_id)], 2, width, 9)
    until = f", ended {view.ended}" if view.ended is not None else ", not ended"
    yield from labelled("started", words(view.started + until), 2, width, 9)
    yield ()


def _step(step: RunStepView, digits: int, width: int) -> Iterator[Line]:
    lead = ((f"  {step.number:>{digits}}. ", "label"),)
    pieces = [
        Piece(terminal(step.status).replace("_", " ").ljust(11), step.tone),
        unit(step.action, gap=2),
        unit(f"account {step.account_id}", "quiet", gap=2),
    ]
    for label, value in (
        ("product", step.product_id),
        ("user product", step.user_product_id),
        ("customer", step.customer_number),
    ):
        if value is not None and not step.done:
            pieces.append(unit(f"{label} {value}", "quiet", gap=2))
    yield from flow(pieces, lead=lead, hang=digits + 4, width=width)
    if step.done:
        return
    if step.answer is not None:
        yield from labelled("answer", words(step.answer), digits + 4, width, 9)
    if step.message is not None:
        yield from labelled("reads", words(step.message), digits + 4, width, 9)
    if step.place is not None:
        yield from labelled("from", [unit(step.place)], digits + 4, width, 9)


def _end(view: RunView, width: int) -> Iterator[Line]:
    if view.steps:
        yield ()
    for label, text in run_rows(view):
        yield from labelled(label, words(text), 0, width, 9)
    yield ()


def _next(then: RunNext, width: int) -> Iterator[Line]:
    note = then.note if then.other is None else f"{then.note}: {then.other}"
    # Made to be copied, so its spaces stay as they are.
    pieces = [Piece(copyable(then.command), "next")] if then.command is not None else []
    text = note if then.command is None else f"({note})"
    yield from flow([*pieces, *words(text, "label")], lead=(("Next: ", "heading"),), hang=6, width=width)


def _runs(runs: Iterable[Run], width: int) -> Iterator[Line]:
    empty = True
    for run in runs:
        empty = False
        style = "warning" if run.unfinished else ""
        pieces = [
            unit(run.run_id, "heading"),
            unit(run.status, style, gap=2),
            *words(f"{clock_words(run.started_at)}, {counted(run.steps, 'step')},"),
            *words(f"exit code {run.exit_code}," if run.exit_code is not None else ""),
            *words(f"by {run.who} on {run.host}", "quiet"),
        ]
        yield from flow(pieces, hang=4, width=width)
    if empty:
        yield (("No run has been made yet.", ""),)
