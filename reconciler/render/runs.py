"""Runs as text: what became of every step, and what to do about those that aren't done.

Takes the report as it is written to a file (format ``reconciler.report/v1``), so a saved one reads the same.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

from reconciler.canonical import Json
from reconciler.render.escape import copyable, terminal
from reconciler.render.layout import WIDTH, Line, Piece, flow, labelled, painter, unit, words
from reconciler.render.next_command import PROGRAM
from reconciler.render.words import clock_words, counted
from reconciler.verdicts import BY_NAME

if TYPE_CHECKING:
    from reconciler.state.store import Run

_STYLES: Final = {
    "applied": "good",
    "assumed": "good",
    "rejected": "error",
    "in_doubt": "error",
    "intent": "error",
    "skipped": "warning",
    "not_reached": "warning",
}
_DONE: Final = frozenset({"applied", "assumed"})
_DOUBTFUL: Final = frozenset({"in_doubt", "intent"})
_UNFINISHED: Final = frozenset({"running", "stopped"})

#: What an exit code of a run means (contract, section 6).
_EXIT_WORDS: Final = {
    0: "done",
    1: "unexpected",
    4: "the plan could not be run",
    6: "locked",
    7: "some step failed or was skipped",
    8: "the outcome of some step isn't known",
    69: "Payway unreachable or credentials refused",
    74: "the state store failed",
    130: "interrupted",
}


def report_to_text(
    report: Mapping[str, Json],
    *,
    color: bool = False,
    quiet: bool = False,
    options: Sequence[str] = (),
    rehearsal: bool = False,
    width: int = WIDTH,
) -> Iterator[str]:
    """A run's report as lines. ``quiet`` leaves out the steps that are done.

    ``options`` were typed and are needed again by the next command, as in `Invocation`. After a ``rehearsal`` (a dry
    run) there is no run to go on with.
    """
    steps = _steps(report)
    parts = [_head(report, width)]
    shown = [step for step in steps if not quiet or _text(step, "status") not in _DONE]
    digits = len(str(max((_number(step) for step in steps), default=0)))
    parts += [chain.from_iterable(_step(step, digits, width) for step in shown)]
    parts += [_end(report, steps, width)]
    parts += [_rehearsed(steps, width) if rehearsal else _next(report, steps, options, width)]
    return map(painter(color=color), chain.from_iterable(parts))


def runs_to_text(runs: Iterable[Run], *, color: bool = False, width: int = WIDTH) -> Iterator[str]:
    """Runs as a list, a few facts each, in the order given."""
    return map(painter(color=color), _runs(runs, width))


def _head(report: Mapping[str, Json], width: int) -> Iterator[Line]:
    title = [*words(f"Run {_text(report, 'run_id')} on {_text(report, 'environment')}", "heading")]
    yield from flow([*title, unit(f"({_text(report, 'host')})", "label")], hang=2, width=width)
    yield from labelled("plan", [unit(_text(report, "plan_id"))], 2, width, 9)
    ended = report.get("ended_at")
    until = f", ended {clock_words(str(ended))}" if ended is not None else ", not ended"
    yield from labelled("started", words(clock_words(_text(report, "started_at")) + until), 2, width, 9)
    yield ()


def _step(step: Mapping[str, Json], digits: int, width: int) -> Iterator[Line]:
    status = _text(step, "status")
    style = _STYLES.get(status, "")
    lead = ((f"  {_number(step):>{digits}}. ", "label"),)
    pieces = [
        Piece(terminal(status).replace("_", " ").ljust(11), style),
        unit(_text(step, "action"), gap=2),
        unit(f"account {_text(step, 'account_id')}", "quiet", gap=2),
    ]
    for label, name in (
        ("product", "product_id"),
        ("user product", "user_product_id"),
        ("customer", "customer_number"),
    ):
        if step.get(name) is not None and status not in _DONE:
            pieces.append(unit(f"{label} {_text(step, name)}", "quiet", gap=2))
    yield from flow(pieces, lead=lead, hang=digits + 4, width=width)
    if status in _DONE:
        return
    answer = [str(step[name]) for name in ("http_status", "code", "field") if step.get(name) is not None]
    attempts = step.get("attempts")
    if isinstance(attempts, int) and attempts > 1:
        answer.append(f"after {attempts} tries")
    if answer:
        yield from labelled("answer", words(" ".join(answer)), digits + 4, width, 9)
    if step.get("message") is not None:
        yield from labelled("reads", words(_text(step, "message")), digits + 4, width, 9)
    if step.get("source") is not None:
        yield from labelled("from", [unit(_place(step["source"]))], digits + 4, width, 9)


def _end(report: Mapping[str, Json], steps: list[Mapping[str, Json]], width: int) -> Iterator[Line]:
    found = Counter(_text(step, "status") for step in steps)
    order = [*_STYLES, *sorted(set(found) - set(_STYLES))]
    counts = ", ".join(f"{found[status]:,} {status.replace('_', ' ')}" for status in order if found[status])
    exit_code = report.get("exit_code")
    status = _text(report, "status")
    if isinstance(exit_code, int):
        status += f", exit code {exit_code}: {_EXIT_WORDS.get(exit_code, 'see the manual')}"
    if steps:
        yield ()
    yield from labelled("Steps", words(f"{len(steps):,}: {counts}" if steps else "0"), 0, width, 9)
    yield from labelled("Run", words(status), 0, width, 9)
    stopped_by = report.get("stopped_by")
    if stopped_by is not None:
        row = BY_NAME.get(str(stopped_by))
        yield from labelled("Stopped", words(f"by {stopped_by}" + (f": {row.answer}" if row else "")), 0, width, 9)
    if report.get("simulated") is True:
        told = "accepted by the simulator" if found and set(found) <= _DONE else "answered by the simulator"
        yield from labelled("Sent", words(f"nothing to Payway: {told}"), 0, width, 9)
    yield ()


def _rehearsed(steps: list[Mapping[str, Json]], width: int) -> Iterator[Line]:
    accepted = all(_text(step, "status") in _DONE for step in steps)
    note = "the same command without --dry-run" if accepted else "mend what stands above; nothing was sent"
    yield from flow(words(note, "label"), lead=(("Next: ", "heading"),), hang=6, width=width)


def _next(
    report: Mapping[str, Json], steps: list[Mapping[str, Json]], options: Sequence[str], width: int
) -> Iterator[Line]:
    run, where = _text(report, "run_id"), ("-e", _text(report, "environment"), *options)
    # Commands that call nobody know no --base-url.
    there = copyable(shlex.join(option for option in where if not option.startswith("--base-url=")))
    found = Counter(_text(step, "status") for step in steps)
    doubtful = sum(found[status] for status in _DOUBTFUL)
    command: tuple[str, ...] | None = None
    if doubtful:
        command = ("resume", *where)
        note = (
            f"({counted(doubtful, 'step is', 'steps are')} in doubt; what resume can't settle, look up in Payway, "
            f"then: {PROGRAM} resolve {there} {run} STEP applied|not-applied)"
        )
    elif _text(report, "status") in _UNFINISHED:
        command, note = ("resume", *where), f"(or give the rest up: {PROGRAM} abandon {there} {run})"
    elif sum(found.values()) > sum(found[status] for status in _DONE):
        command, note = ("plan", *where), "(when what stands above is mended)"
    else:
        note = "nothing, every step is done"
    # Made to be copied, so its spaces stay as they are.
    pieces = [Piece(copyable(shlex.join((PROGRAM, *command))), "next")] if command is not None else []
    yield from flow([*pieces, *words(note, "label")], lead=(("Next: ", "heading"),), hang=6, width=width)


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


def _steps(report: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    steps = report.get("steps")
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def _text(data: Mapping[str, Json], name: str) -> str:
    value = data.get(name)
    return "" if value is None else str(value)


def _number(step: Mapping[str, Json]) -> int:
    number = step.get("number")
    return number if isinstance(number, int) else 0


def _place(source: Json) -> str:
    if isinstance(source, dict):
        return f"{_text(source, 'file')}:{_text(source, 'line')}"
    return str(source)
