"""What a run tells: events while it goes on, and one report of it, drawn from its journal whoever asks.

``schemas/report.schema.json`` is the report's machine form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from reconciler.applying.journaling import Standing, standings
from reconciler.canonical import Json
from reconciler.model import Source
from reconciler.plan import Plan, Step
from reconciler.state.store import JournalEntry, Run

FORMAT: Final = "reconciler.report/v1"

#: How a step can have ended, in the order in which they are counted.
OUTCOMES: Final = ("applied", "assumed", "rejected", "in_doubt", "skipped", "not_reached")

#: Why a run stopped before its end, besides the rows of `reconciler.verdicts.ANSWERS` that stop one.
STOPS: Final = MappingProxyType(
    {
        "signal": "A signal asked for it.",
        "limit": "As many steps were sent as --limit allows.",
        "max-duration": "The time of --max-duration was up.",
        "max-failures": "As many accounts failed as max_failures allows.",
        "unreachable": "Several calls in a row weren't carried out, however often they were tried.",
        "unclear": "Several calls in a row ran out of tries, and nobody knows whether they were carried out.",
        "same-field": "Payway refused the same field three times in a row.",
        "expired": "The plan has expired: only doubts were settled.",
        "in-doubt": "The run reached its end, but some step's outcome isn't known.",
    }
)

EventKind: TypeAlias = Literal["run", "step", "waiting", "outcome", "stopping", "report"]


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step of a run. ``status`` is one of `OUTCOMES`; ``attempts`` counts the calls that were begun.

    ``code`` is Payway's, or why the step was skipped; ``source`` is the place of the value that ``field`` means.
    """

    number: int
    action: str
    account_id: str
    product_id: str | None
    user_product_id: str | None
    customer_number: str | None
    status: str
    attempts: int
    http_status: int | None
    code: str | None
    field: str | None
    message: str | None
    answered_id: str | None
    at: str | None
    source: Source

    def to_json(self) -> dict[str, Json]:
        """In the form of the schema."""
        data: dict[str, Json] = {name: getattr(self, name) for name in self.__slots__ if name != "source"}
        data["source"] = {"file": self.source.file, "line": self.source.line}
        return data


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run and all its steps. Times are clock texts.

    ``stopped_by`` is a key of `STOPS` or the name of a row of `reconciler.verdicts.ANSWERS`; ``simulated`` is set
    by whoever knows that the answers came from the simulator.
    """

    run_id: str
    plan_id: str
    environment: str
    host: str
    status: str
    started_at: str
    ended_at: str | None
    exit_code: int | None
    stopped_by: str | None
    counts: Mapping[str, int]
    steps: tuple[StepReport, ...]
    simulated: bool = False

    def to_json(self) -> dict[str, Json]:
        """In the form of the schema."""
        return {
            "format": FORMAT,
            "run_id": self.run_id,
            "plan_id": self.plan_id,
            "environment": self.environment,
            "host": self.host,
            "simulated": self.simulated,
            "status": self.status,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "exit_code": self.exit_code,
            "stopped_by": self.stopped_by,
            "counts": dict(self.counts),
            "steps": [step.to_json() for step in self.steps],
        }


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens in a run, for whoever shows progress.

    ``run``: it begins (``run_id``, ``steps`` in all, and it will take about ``seconds``) · ``step``: a call is about to
    be sent (``step``, ``attempt``) · ``waiting``: nothing is sent for ``seconds`` · ``outcome``: an entry was written
    (``step``, ``entry``) · ``stopping``: the run stops before its end (``message``, a key as in
    `RunReport.stopped_by`) · ``report``: it is over (``report``).
    """

    kind: EventKind
    run_id: str
    steps: int = 0
    step: Step | None = None
    attempt: int = 0
    seconds: float = 0.0
    entry: JournalEntry | None = None
    message: str | None = None
    report: RunReport | None = None


def report_from_journal(run: Run, entries: Iterable[JournalEntry], plan: Plan) -> RunReport:
    """The report of ``run``, from its journal entries and its plan."""
    found = standings(entry for entry in entries if entry.run_id == run.run_id)
    steps = tuple(_step_report(step, found.get(step.number)) for step in plan.steps)
    return RunReport(
        run_id=run.run_id,
        plan_id=run.plan_id,
        environment=run.environment,
        host=plan.host,
        status=run.status,
        started_at=run.started_at,
        ended_at=run.ended_at,
        exit_code=run.exit_code,
        stopped_by=run.stopped_by,
        counts=MappingProxyType({status: sum(step.status == status for step in steps) for status in OUTCOMES}),
        steps=steps,
    )


def place_of(step: Step, field: str | None) -> Source:
    """Where the value behind a body's ``field`` is declared; the step's own place if that isn't known."""
    line = step.source.fields.get(field, step.source.line) if field is not None else step.source.line
    return Source(step.source.file, line)


def _step_report(step: Step, standing: Standing | None) -> StepReport:
    last = standing.last if standing is not None else None
    status = "not_reached" if standing is None else "in_doubt" if standing.in_doubt else standing.last.status
    return StepReport(
        number=step.number,
        action=step.action,
        account_id=step.account_id,
        product_id=step.product_id,
        user_product_id=step.user_product_id,
        customer_number=step.customer_number,
        status=status,
        attempts=standing.attempts if standing is not None else 0,
        http_status=last.http_status if last is not None else None,
        code=last.code if last is not None else None,
        field=last.field if last is not None else None,
        message=_message(last),
        answered_id=last.answered_id if last is not None else None,
        at=last.at if last is not None else None,
        source=place_of(step, last.field if last is not None else None),
    )


def _message(last: JournalEntry | None) -> str | None:
    if last is None:
        return None
    return "The call was begun, but no answer was recorded." if last.status == "intent" else last.message
