"""The neutral view of a run: what became of every step and what to do about it, worked out once and without a format.

It is drawn from the report as it is written to a file (format ``reconciler.report/v1``), so a saved one reads the
same; of a strange one it shows as much as it can. Texts in here are not yet made harmless. Counts are taken from the
steps, so that every format tells the same ones.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.canonical import Json
from reconciler.render.next_command import PROGRAM
from reconciler.render.words import clock_words, counted, verb
from reconciler.verdicts import BY_NAME

#: Rises when a field of the view changes its meaning.
VERSION: Final = 1

#: How a step can have ended, in the order in which that is told, and how good it is.
TONES: Final = {
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

#: The words that a run's status can be.
STATUSES: Final = (*sorted(_UNFINISHED), "finished", "abandoned")

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

#: What to do about a step that was skipped, by the ``code`` that says why.
_SKIPPED: Final = {
    "too-late": "its time has passed; plan again",
    "stale": "something else is known of the account by now; plan again",
    "behind-failed-step": "mend the earlier step of the account, then plan again",
    "behind-unsettled-step": "settle the earlier step of the account; resume then goes on with this one",
}


@dataclass(frozen=True, slots=True)
class RunStepView:
    """One step and what became of it.

    ``status`` is the journal's word, ``outcome`` the same for people; ``tone`` is ``good``, ``warning``, ``error`` or
    empty. ``answer`` is what Payway said in its own words, ``message`` what that means, ``place`` is ``file:line`` of
    the value in question. Of a step that isn't done, ``advice`` says what to do, in words that are all ours, and
    ``command`` settles it once that is known.
    """

    number: int
    action: str
    verb: str
    status: str
    outcome: str
    tone: str
    account_id: str
    product_id: str | None
    user_product_id: str | None
    customer_number: str | None
    answer: str | None
    message: str | None
    place: str | None
    at: str | None
    advice: str | None = None
    command: str | None = None

    @property
    def done(self) -> bool:
        """True if the step has worked, or that is assumed."""
        return self.status in _DONE

    @property
    def in_doubt(self) -> bool:
        """True if the call was begun and nobody knows whether it was carried out."""
        return self.status in _DOUBTFUL


@dataclass(frozen=True, slots=True)
class RunNext:
    """``command`` is what to type, if anything, and ``note`` why; ``other`` is a command that the note ends in."""

    command: str | None
    note: str
    other: str | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """A whole run. ``counts`` has (status, outcome, number) of each that occurs, in the order of `TONES`.

    ``show`` is the command that shows all of it.
    """

    version: int
    run_id: str
    environment: str
    host: str
    plan_id: str
    status: str
    started: str
    ended: str | None
    exit_code: int | None
    stopped_by: str | None
    simulated: bool
    counts: tuple[tuple[str, str, int], ...]
    steps: tuple[RunStepView, ...]
    next: RunNext
    show: str

    @property
    def done(self) -> int:
        """How many steps are done."""
        return sum(step.done for step in self.steps)

    @property
    def in_doubt(self) -> int:
        """How many steps are in doubt."""
        return sum(step.in_doubt for step in self.steps)


def view_run(report: Mapping[str, Json], *, options: Sequence[str] = (), rehearsal: bool = False) -> RunView:
    """The view of a run's ``report``.

    ``options`` were typed and are needed again by the next command, as in `Invocation`. After a ``rehearsal`` (a dry
    run) there is no run to go on with.
    """
    steps = tuple(_step(step, report, options, rehearsal) for step in _steps(report))
    found = Counter(step.status for step in steps)
    order = [*TONES, *sorted(set(found) - set(TONES))]
    ended, exit_code, stopped_by = report.get("ended_at"), report.get("exit_code"), report.get("stopped_by")
    return RunView(
        version=VERSION,
        run_id=_text(report, "run_id"),
        environment=_text(report, "environment"),
        host=_text(report, "host"),
        plan_id=_text(report, "plan_id"),
        status=_text(report, "status"),
        started=clock_words(_text(report, "started_at")),
        ended=clock_words(str(ended)) if ended is not None else None,
        exit_code=exit_code if isinstance(exit_code, int) else None,
        stopped_by=str(stopped_by) if stopped_by is not None else None,
        simulated=report.get("simulated") is True,
        counts=tuple((status, _words(status), found[status]) for status in order if found[status]),
        steps=steps,
        next=_rehearsed(steps) if rehearsal else _next(report, steps, options),
        show=_command(report, options, "show", _text(report, "run_id")),
    )


def run_rows(view: RunView) -> Iterator[tuple[str, str]]:
    """The end of the run as (label, sentence) pairs: what every format for people shows of it."""
    counts = ", ".join(f"{number:,} {outcome}" for _, outcome, number in view.counts)
    yield "Steps", f"{len(view.steps):,}: {counts}" if view.steps else "0"
    code = view.exit_code
    yield (
        "Run",
        view.status + (f", exit code {code}: {_EXIT_WORDS.get(code, 'see the manual')}" if code is not None else ""),
    )
    if view.stopped_by is not None:
        row = BY_NAME.get(view.stopped_by)
        yield "Stopped", f"by {view.stopped_by}" + (f": {row.answer}" if row else "")
    if view.simulated:
        accepted = view.steps and view.done == len(view.steps)
        yield "Sent", f"nothing to Payway: {'accepted' if accepted else 'answered'} by the simulator"


def _step(step: Mapping[str, Json], report: Mapping[str, Json], options: Sequence[str], rehearsal: bool) -> RunStepView:
    status = _text(step, "status")
    answer = [str(step[name]) for name in ("http_status", "code", "field") if step.get(name) is not None]
    attempts = step.get("attempts")
    if isinstance(attempts, int) and attempts > 1:
        answer.append(f"after {attempts} tries")
    advice, command = ("", None) if rehearsal else _advice(step, report, options)
    return RunStepView(
        number=_number(step),
        action=_text(step, "action"),
        verb=verb(_text(step, "action")),
        status=status,
        outcome=_words(status),
        tone=TONES.get(status, ""),
        account_id=_text(step, "account_id"),
        product_id=_maybe(step, "product_id"),
        user_product_id=_maybe(step, "user_product_id"),
        customer_number=_maybe(step, "customer_number"),
        answer=" ".join(answer) or None,
        message=_maybe(step, "message"),
        place=_place(step["source"]) if step.get("source") is not None else None,
        at=clock_words(_text(step, "at")) if step.get("at") is not None else None,
        advice=advice or None,
        command=command,
    )


def _advice(step: Mapping[str, Json], report: Mapping[str, Json], options: Sequence[str]) -> tuple[str, str | None]:
    status, code = _text(step, "status"), _text(step, "code")
    if status in _DOUBTFUL:
        resolve = _command(report, options, "resolve", _text(report, "run_id"), str(_number(step)))
        resolve += " applied|not-applied"
        # As `reconciler.applying.journaling.Standing.needs_person` has it.
        answered = step.get("http_status") == 200 and step.get("answered_id") is not None
        person = answered or (step.get("http_status"), code) == (409, "invalid_state")
        if person or _text(report, "status") == "abandoned":
            return "look it up in Payway, then say what became of it", resolve
        return "resume may settle it; if it can't, look it up in Payway and say what became of it", resolve
    if status == "rejected":
        what = "that value where it is declared" if step.get("field") is not None else "what Payway refuses"
        return f"mend {what}, then plan again", None
    if status == "skipped" and step.get("http_status") is None and code in _SKIPPED:
        return _SKIPPED[code], None
    if status in _DONE:
        return "", None
    waits = _text(report, "status") in _UNFINISHED
    return ("resume sends it" if waits else "it wasn't carried out; plan again"), None


def _rehearsed(steps: Sequence[RunStepView]) -> RunNext:
    accepted = all(step.done for step in steps)
    return RunNext(
        None, "the same command without --dry-run" if accepted else "mend what stands above; nothing was sent"
    )


def _next(report: Mapping[str, Json], steps: Sequence[RunStepView], options: Sequence[str]) -> RunNext:
    run = _text(report, "run_id")
    where = ("-e", _text(report, "environment"), *options)
    doubtful = sum(step.in_doubt for step in steps)
    if doubtful:
        doubt = f"{counted(doubtful, 'step is', 'steps are')} in doubt"
        other = _command(report, options, "resolve", run) + " STEP applied|not-applied"
        if _text(report, "status") == "abandoned":
            # Nothing of it is sent any more, but its doubts stay.
            return RunNext(None, f"{doubt}; look it up in Payway, then", other)
        note = f"{doubt}; what resume can't settle, look up in Payway, then"
        return RunNext(shlex.join((PROGRAM, "resume", *where)), note, other)
    if _text(report, "status") in _UNFINISHED:
        other = _command(report, options, "abandon", run)
        return RunNext(shlex.join((PROGRAM, "resume", *where)), "or give the rest up", other)
    if not all(step.done for step in steps):
        return RunNext(shlex.join((PROGRAM, "plan", *where)), "when what stands above is mended")
    return RunNext(None, "nothing, every step is done")


def _command(report: Mapping[str, Json], options: Sequence[str], command: str, *arguments: str) -> str:
    # Commands that call nobody know no --base-url.
    there = [option for option in options if not option.startswith("--base-url=")]
    return shlex.join((PROGRAM, command, "-e", _text(report, "environment"), *there, *arguments))


def _steps(report: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    steps = report.get("steps")
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def _words(status: str) -> str:
    return status.replace("_", " ")


def _text(data: Mapping[str, Json], name: str) -> str:
    return _maybe(data, name) or ""


def _maybe(data: Mapping[str, Json], name: str) -> str | None:
    value = data.get(name)
    return None if value is None else str(value)


def _number(step: Mapping[str, Json]) -> int:
    number = step.get("number")
    return number if isinstance(number, int) else 0


def _place(source: Json) -> str:
    if isinstance(source, dict):
        return f"{_text(source, 'file')}:{_text(source, 'line')}"
    return str(source)
