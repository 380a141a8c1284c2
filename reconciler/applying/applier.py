"""Runs a plan: step by step, in its order, one call at a time, each written down before and after.

`Applier` takes the lock and checks the plan; `_Course` is the loop over its steps. A dry run is the same loop
with the simulator as sender and a copy as store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from reconciler.applying.calls import INVALID_PARAMETER, Lane
from reconciler.applying.estimates import seconds_of
from reconciler.applying.journaling import (
    BEHIND_FAILED,
    BEHIND_UNSETTLED,
    STALE,
    TOO_LATE,
    Standing,
    exit_code_of,
    is_pending,
    known_since,
    locked,
    standings,
    unclear_sync,
)
from reconciler.applying.learning import digest_of, is_doubted
from reconciler.applying.preflight import is_expired, open_run, verify, verify_resumable
from reconciler.applying.retries import Patience
from reconciler.applying.runreport import Event, RunReport, report_from_journal
from reconciler.errors import ExitCode
from reconciler.instants import clock_text
from reconciler.judging import Judgement
from reconciler.limits import ApplySettings
from reconciler.plan import Plan, Step
from reconciler.state.store import Holder, JournalEntry, Lock, Run, Store
from reconciler.verdicts import AGAIN, Verdict
from reconciler.wire import Sender

#: So many refusals of one field in a row, and it isn't the values that are wrong.
SAME_FIELD: Final = 3

_WHY_SKIPPED: Final[Mapping[str, str]] = {
    BEHIND_FAILED: "An earlier step of this account failed.",
    BEHIND_UNSETTLED: "An earlier step of this account isn't settled yet.",
    STALE: "The account became known differently since the run began; a new plan says what is due now.",
}


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run stops before its end: a key of `STOPS` or a row's name, and the exit code that it asks for."""

    reason: str
    exit_code: ExitCode = ExitCode.INCOMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class Applier:
    """Everything a run needs from outside.

    ``clock`` gives aware moments, ``sleeper`` takes seconds, ``jitter`` gives a number from 0 to below 1.
    ``emergency`` is called with an entry that can't be written to the store. ``stop_requested`` is asked before each
    step and while waiting. A run stops after ``limit`` steps were sent, or before the first step that would begin
    ``max_duration`` seconds or more after it started; ``rate`` is calls a second.
    """

    store: Store
    sender: Sender
    settings: ApplySettings
    environment: str
    host: str
    clock: Callable[[], datetime]
    sleeper: Callable[[float], None]
    jitter: Callable[[], float]
    emergency: Callable[[JournalEntry], None]
    events: Callable[[Event], None] = lambda _: None
    stop_requested: Callable[[], bool] = lambda: False
    limit: int | None = None
    max_duration: float | None = None
    rate: float | None = None

    def run(self, plan: Plan, plan_text: str, holder: Holder) -> RunReport:
        """Run ``plan``; if its own run isn't finished, go on with that.

        The new run is called like the holder's lock. Raises `StalePlan`, `Refused` or `Locked` before the first call,
        `Locked` if the lock is taken away meanwhile and `StoreFailed` if the store fails; a step that can't be done is
        no exception but stands in the report.
        """
        with locked(self.store, holder) as lock:
            unfinished = open_run(self.store)
            if unfinished is not None and unfinished.plan_id == plan.plan_id:
                return self._resume(unfinished, plan, lock, expired=False)
            verify(plan, self.store, now=self.clock(), environment=self.environment, host=self.host)
            run = Run(
                run_id=holder.lock_id,
                plan_id=plan.plan_id,
                steps_digest=plan.steps_digest,
                environment=plan.environment,
                status="running",
                started_at=clock_text(self.clock()),
                who=holder.who,
                host=holder.host,
                command=holder.command,
                steps=len(plan.steps),
                plan=plan_text,
                ci_url=holder.ci_url,
            )
            return self._course(run, plan, lock, {}, {}, self._given_up(), settle_only=False).go()

    def resume(self, run: Run, plan: Plan, holder: Holder, *, expired: bool = False) -> RunReport:
        """Go on with an unfinished run and its own plan.

        What is settled is left alone, doubts are settled, the rest is sent; of an expired plan only with ``expired``.
        Accounts that became known differently meanwhile are left out. Raises as `run` does.
        """
        with locked(self.store, holder) as lock:
            return self._resume(run, plan, lock, expired=expired)

    def _resume(self, run: Run, plan: Plan, lock: Lock, *, expired: bool) -> RunReport:
        # Another process may have gone on with it before we had the lock.
        run = next((stored for stored in self.store.runs() if stored.run_id == run.run_id), run)
        verify_resumable(run, plan, self.store, environment=self.environment, host=self.host)
        entries = tuple(self.store.entries(run.run_id))
        expected = {step.account_id: step.known for step in plan.steps} | known_since(entries)
        settle_only = not expired and is_expired(plan, self.clock())
        again = replace(run, status="running", ended_at=None, exit_code=None, stopped_by=None)
        found = standings(entries)
        return self._course(again, plan, lock, found, expected, found, settle_only=settle_only).go()

    def _given_up(self) -> dict[int, Standing]:
        """Where the steps stand of a run that was given up just before: its last call may still be under way."""
        runs = self.store.runs()
        return standings(self.store.entries(runs[-1].run_id)) if runs and runs[-1].status == "abandoned" else {}

    def _course(
        self,
        run: Run,
        plan: Plan,
        lock: Lock,
        found: dict[int, Standing],
        expected: Mapping[str, str],
        before: Mapping[int, Standing],
        *,
        settle_only: bool,
    ) -> _Course:
        patience = Patience(
            self.settings,
            self.sleeper,
            self.jitter,
            self.stop_requested,
            lambda seconds: self.events(Event("waiting", run.run_id, seconds=seconds)),
        )
        lane = Lane(
            self.store,
            self.sender,
            self.clock,
            self.events,
            self.emergency,
            patience,
            run,
            lock,
            found,
            self.rate,
            unclear_sync(before),
        )
        return _Course(self, lane, run, plan, expected, settle_only)


@dataclass(slots=True)
class _Course:
    """One run on its way. ``expected`` is the digest of each account as this run knew it last, for a resumed run."""

    applier: Applier
    lane: Lane
    run: Run
    plan: Plan
    expected: Mapping[str, str]
    settle_only: bool
    stop: Stop | None = None
    passed_over: bool = False
    sent: int = 0
    behind: dict[str, str] = field(default_factory=dict)
    stale: dict[str, bool] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    out_of_tries: list[str] = field(default_factory=list)
    refused_fields: list[str | None] = field(default_factory=list)

    def go(self) -> RunReport:
        """Visit every step in order, then write how it ended."""
        store = self.applier.store
        started = self.applier.clock()
        with store.change(self.lane.lock) as change:
            change.put_run(self.run)
        self.applier.events(Event("run", self.run.run_id, steps=self.run.steps, seconds=self._estimate()))
        for step in self.plan.steps:
            self._visit(step, started)
            if self.stop is not None:
                self.applier.events(Event("stopping", self.run.run_id, step=step, message=self.stop.reason))
                break
        ended = self._ended()
        with store.change(self.lane.lock) as change:
            change.put_run(ended)
        report = report_from_journal(ended, store.entries(ended.run_id), self.plan)
        self.applier.events(Event("report", self.run.run_id, report=report))
        return report

    def _estimate(self) -> float:
        left = [step for step in self.plan.steps if (s := self.lane.found.get(step.number)) is None or not s.is_settled]
        count = len(left) if self.applier.limit is None else min(len(left), self.applier.limit)
        return seconds_of(count, self.applier.store.runs(), rate=self.applier.rate)

    def _visit(self, step: Step, started: datetime) -> None:
        account_id = step.account_id
        standing = self.lane.found.get(step.number)
        if standing is not None and standing.is_settled:
            if standing.is_failed:
                self.behind[account_id] = BEHIND_FAILED
            return
        if self.applier.stop_requested():
            self.stop = Stop("signal", ExitCode.INTERRUPTED)
            return
        in_doubt = standing is not None and standing.in_doubt
        if self._is_stale(account_id):
            if in_doubt and is_doubted(self.applier.store.account(account_id), step):
                return
            self.lane.skip(step, STALE, _WHY_SKIPPED[STALE])
            return
        if account_id in self.behind:
            if not in_doubt:
                self.lane.skip(step, self.behind[account_id], _WHY_SKIPPED[self.behind[account_id]])
            return
        if standing is not None and standing.needs_person:
            self.behind[account_id] = BEHIND_UNSETTLED
            return
        if self.settle_only and not in_doubt:
            self.passed_over = True
            return
        self.stop = self._bound(started)
        if self.stop is None:
            self.sent += 1
            self._follow(step, self.lane.settle(step))

    def _is_stale(self, account_id: str) -> bool:
        if account_id not in self.stale:
            expected = self.expected.get(account_id)
            known = digest_of(self.applier.store.account(account_id), account_id) if expected is not None else None
            self.stale[account_id] = expected != known
        return self.stale[account_id]

    def _bound(self, started: datetime) -> Stop | None:
        """The stop that somebody asked for beforehand, if it is time for it."""
        applier = self.applier
        if applier.limit is not None and self.sent >= applier.limit:
            return Stop("limit")
        if applier.max_duration is not None and (applier.clock() - started).total_seconds() >= applier.max_duration:
            return Stop("max-duration")
        return None

    def _follow(self, step: Step, judgement: Judgement | None) -> None:
        """What follows from a step's last answer, for its account and for the run."""
        standing = self.lane.found.get(step.number)
        settled = standing is not None and standing.is_settled
        if (judgement is None or judgement.verdict in AGAIN) and self.applier.stop_requested():
            self.stop = Stop("signal", ExitCode.INTERRUPTED)
            return
        if judgement is not None and judgement.verdict is Verdict.DONE:
            self.out_of_tries.clear()
            self.refused_fields.clear()
            return
        if judgement is not None and judgement.row == TOO_LATE and judgement.status == "skipped":
            self.lane.skip(step, TOO_LATE, judgement.message)
            self.behind[step.account_id] = BEHIND_FAILED
            return
        self.behind[step.account_id] = BEHIND_FAILED if settled else BEHIND_UNSETTLED
        if judgement is None or judgement.row == TOO_LATE:
            return
        self.failed.add(step.account_id)
        self.stop = self._break(judgement)

    def _break(self, judgement: Judgement) -> Stop | None:
        """The stop that a failed step gives rise to."""
        if judgement.verdict in AGAIN:
            self.out_of_tries.append(judgement.status)
        else:
            self.out_of_tries.clear()
        if judgement.row != INVALID_PARAMETER or self.refused_fields[-1:] != [judgement.field]:
            self.refused_fields.clear()
        if judgement.row == INVALID_PARAMETER:
            self.refused_fields.append(judgement.field)
        if judgement.verdict is Verdict.RUN:
            return Stop(judgement.row, judgement.exit_code or ExitCode.INCOMPLETE)
        if len(self.out_of_tries) >= self.applier.settings.max_unclear:
            if "in_doubt" in self.out_of_tries:
                return Stop("unclear", ExitCode.UNKNOWN_OUTCOME)
            return Stop("unreachable", ExitCode.UNREACHABLE)
        if len(self.refused_fields) >= SAME_FIELD:
            return Stop("same-field")
        if len(self.failed) >= self.applier.settings.max_failures:
            return Stop("max-failures")
        return None

    def _ended(self) -> Run:
        """The run's row as it stays: finished, or stopped with something left for `resume`."""
        stop = self.stop or (Stop("expired") if self.passed_over else None)
        found = self.lane.found
        pending = any(is_pending(found.get(step.number), stopped=stop is not None) for step in self.plan.steps)
        if not pending:
            stop = None
        elif stop is None:
            stop = Stop("in-doubt", ExitCode.UNKNOWN_OUTCOME)
        return replace(
            self.run,
            status="stopped" if pending else "finished",
            ended_at=clock_text(self.applier.clock()),
            exit_code=int(exit_code_of(self.plan.steps, found, stop.exit_code if stop is not None else None)),
            stopped_by=stop.reason if stop is not None else None,
        )
