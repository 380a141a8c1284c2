"""The lane to Payway: one step's call, written down before it is sent and after its answer came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from reconciler import canonical
from reconciler.answers import printable
from reconciler.applying.journaling import TOO_LATE, Standing, entry_for, is_sync, record
from reconciler.applying.learning import expected_id, other_ids, runs_cancelled
from reconciler.applying.retries import Patience
from reconciler.applying.runreport import Event, place_of
from reconciler.errors import ReconcilerError, StoreFailed, Unreachable
from reconciler.instants import clock_text, instant_text, minute_of, parse_clock
from reconciler.judging import Judgement, judge, judge_failure, judge_no_token
from reconciler.model import KnownAccount
from reconciler.operations import BY_ACTION, Operation
from reconciler.plan import Step
from reconciler.state.store import JournalEntry, Lock, Run, Store
from reconciler.verdicts import Verdict
from reconciler.wire import CallFailed, Sender

#: The row whose message begins with the place of the value that Payway refused.
INVALID_PARAMETER: Final = "invalid-parameter"


class _StopAskedFor(Exception):
    """A signal came while a call waited for its turn."""


@dataclass(slots=True)
class Lane:
    """Sends a run's calls, one at a time. ``found`` is where each step stands, kept up to date here.

    Every call is an intent, fenced by ``lock``, before it is sent, and an outcome after it. The outcome isn't fenced:
    what has happened is written even if the lock was taken away meanwhile. If it can't be written, ``emergency`` gets
    the entry. ``rate`` is calls a second. ``unclear_sync`` is when a sync was last called whose outcome isn't known.
    """

    store: Store
    sender: Sender
    clock: Callable[[], datetime]
    tell: Callable[[Event], None]
    emergency: Callable[[JournalEntry], None]
    patience: Patience
    run: Run
    lock: Lock
    found: dict[int, Standing]
    rate: float | None = None
    unclear_sync: datetime | None = None
    _sent_at: datetime | None = field(default=None, init=False)

    def settle(self, step: Step) -> Judgement | None:
        """Call until it is clear whether ``step`` has worked, or patience runs out.

        Returns the last judgement, whose row is `TOO_LATE` if the step's time was over; ``None`` if a stop was asked
        for, or no waiting was left, before anything could be sent. Raises `Locked` if the lock was taken away, then
        nothing more was sent, and `StoreFailed`.
        """
        operation = BY_ACTION[step.action]
        standing = self.found.get(step.number)
        in_doubt = standing is not None and standing.in_doubt
        if not self._cool_down(operation, parse_clock(standing.last.at) if standing is not None and in_doubt else None):
            return None
        renewed = False

        def once() -> Judgement:
            nonlocal renewed
            judgement = self._once(step)
            if judgement.renew_token and not renewed:
                renewed = True
                if self._renew_token():
                    return self._once(step)
            return judgement

        try:
            return self.patience.pursue(operation, once, in_doubt=in_doubt)
        except _StopAskedFor:
            return None

    def skip(self, step: Step, code: str, message: str) -> None:
        """Write down that ``step`` isn't sent, and why; once is enough."""
        standing = self.found.get(step.number)
        if standing is not None and (standing.last.status, standing.last.code) == ("skipped", code):
            return
        attempts = standing.attempts if standing is not None else 0
        entry = entry_for(self.run, step, attempts, "skipped", clock_text(self.clock()), code=code, message=message)
        with self.store.change(self.lock) as change:
            written = record(change, step, entry)
        self._note(step, written)

    def _once(self, step: Step) -> Judgement:
        self._keep_pace()
        standing = self.found.get(step.number)
        attempt = 1 + (standing.attempts if standing is not None else 0)
        first_try = standing is None or not standing.in_doubt
        now = self.clock()
        if step.not_after is not None and minute_of(now) >= step.not_after:
            return _too_late(step, first_try)
        with self.store.change(self.lock) as change:
            account = change.account(step.account_id)
            intent = record(change, step, entry_for(self.run, step, attempt, "intent", clock_text(now)))
        self.found[step.number] = Standing(intent, attempt)
        self.tell(Event("step", self.run.run_id, step=step, attempt=attempt))
        operation = BY_ACTION[step.action]
        judgement = self._send(operation, step, account, first_try)
        if judgement.row == INVALID_PARAMETER:
            place = place_of(step, judgement.field)
            judgement = replace(judgement, message=printable(f"{place.file}:{place.line}: {judgement.message}"))
        outcome = entry_for(self.run, step, attempt, judgement.status, clock_text(self.clock()), judgement=judgement)
        self._note(step, self._write_outcome(step, outcome, intent))
        if is_sync(operation) and judgement.verdict is Verdict.REPEAT:
            self.unclear_sync = self.clock()
        return judgement

    def _send(self, operation: Operation, step: Step, account: KnownAccount | None, first_try: bool) -> Judgement:
        self._sent_at = self.clock()
        try:
            answer = self.sender.send(step.request)
        except CallFailed as failure:
            return judge_failure(operation, failure, first_try=first_try)
        except Unreachable as error:
            problem = error.message if error.hint is None else f"{error.message}; {error.hint}"
            return judge_no_token(operation, problem, first_try=first_try)
        moment = self.clock()
        return judge(
            operation,
            answer,
            expected_id=expected_id(account, step),
            taken=other_ids(account, step),
            moment=moment,
            first_try=first_try,
            assumable=runs_cancelled(account, step, clock_text(moment)),
        )

    def _write_outcome(self, step: Step, entry: JournalEntry, intent: JournalEntry) -> JournalEntry:
        try:
            with self.store.change() as change:
                return record(change, step, entry, overtaken=self._is_overtaken(intent))
        except Exception as error:
            details = [str(error)]
            hint = "the entry was put aside: fold it in with `reconciler state recover FILE` once the store works again"
            try:
                self.emergency(entry)
            except (OSError, ReconcilerError) as problem:
                hint = "the entry couldn't be put aside either: keep the last line, it is what `state recover` reads"
                details += [str(problem), canonical.dumps(entry.to_json())]
            raise StoreFailed(
                f"Payway's answer to step {step.number} couldn't be written ({entry.status})",
                hint=hint,
                details=details,
            ) from error

    def _is_overtaken(self, intent: JournalEntry) -> bool:
        """True if our lock was taken away and another process has made a newer try of the same step meanwhile."""
        last = self.store.last_entry()
        if last is not None and last.sequence == intent.sequence:
            return False
        entries = self.store.entries(intent.run_id)
        return any(entry.step == intent.step and entry.attempt > intent.attempt for entry in entries)

    def _renew_token(self) -> bool:
        try:
            return self.sender.renew_token()
        except Unreachable:
            return False

    def _cool_down(self, operation: Operation, own: datetime | None) -> bool:
        """Wait until no lost twin of this call, nor any other sync, can be running any more; False if there is no time.

        ``own`` is when the same step was last called, if nobody knows what came of that.
        """
        calls = [own if operation.cool_down else None, self.unclear_sync if is_sync(operation) else None]
        last = max((moment for moment in calls if moment is not None), default=None)
        if last is None:
            return True
        cool_down = self.patience.settings.cool_down
        since = (self.clock() - last).total_seconds()
        return self.patience.wait(min(max(cool_down - since, 0.0), cool_down))

    def _keep_pace(self) -> None:
        if self.rate is None or self._sent_at is None:
            return
        interval = 1 / self.rate
        left = interval - (self.clock() - self._sent_at).total_seconds()
        if left > 0 and not self.patience.pause(min(left, interval)):
            raise _StopAskedFor

    def _note(self, step: Step, entry: JournalEntry) -> None:
        before = self.found.get(step.number)
        self.found[step.number] = Standing(entry, max(entry.attempt, before.attempts if before is not None else 0))
        self.tell(Event("outcome", self.run.run_id, step=step, attempt=entry.attempt, entry=entry))


def _too_late(step: Step, first_try: bool) -> Judgement:
    assert step.not_after is not None
    message = f"Too late: this call could only work before {instant_text(step.not_after)}."
    return Judgement(Verdict.STEP, "skipped" if first_try else "in_doubt", TOO_LATE, message)
