"""What a person brings to a run: a doubt settled, an outcome that the store couldn't take, or that it is given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from reconciler.answers import printable
from reconciler.applying.journaling import (
    RESOLVED,
    Standing,
    entry_for,
    exit_code_of,
    is_pending,
    locked,
    record,
    standings,
)
from reconciler.errors import ExitCode, InvalidInput, StalePlan
from reconciler.instants import clock_text
from reconciler.plan import Plan
from reconciler.state.store import STATUSES, Holder, JournalEntry, Run, Store

_CALL_FIELDS: Final = (
    "plan_id", "action", "account_id", "product_id", "user_product_id", "customer_number", "body_sha256",
)  # fmt: skip
_ENTRY_FIELDS: Final = frozenset(JournalEntry.__slots__) - {"hash"}
_ENTRY_NUMBERS: Final = frozenset({"step", "attempt", "sequence", "http_status"})
_ENTRY_OPTIONAL: Final = frozenset(
    {"product_id", "user_product_id", "customer_number", "http_status", "code", "field", "message", "answered_id"}
) | {"known_after"}


def resolve(store: Store, run: Run, plan: Plan, number: int, *, applied: bool, holder: Holder, now: datetime) -> Run:
    """Settle the doubt of a run's step ``number`` by what a person found out; returns the run as it stands then.

    ``applied`` teaches known state what the step has done. Otherwise the step counts as surely not done, and `resume`
    sends it again. Raises `InvalidInput` for a step that isn't in doubt, `StalePlan` for another run's plan, `Locked`
    and `StoreFailed`.
    """
    if plan.plan_id != run.plan_id:
        raise StalePlan(f"run {run.run_id} was made with another plan")
    with locked(store, holder) as lock:
        run = _stored(store, run)
        found = standings(store.entries(run.run_id))
        standing = found.get(number)
        if standing is None or not standing.in_doubt:
            doubts = ", ".join(str(step) for step, other in sorted(found.items()) if other.in_doubt)
            raise InvalidInput(
                f"step {number} of run {run.run_id} isn't in doubt",
                hint=f"in doubt: {doubts}" if doubts else "no step of this run is in doubt",
            )
        step = plan.steps[number - 1]
        status, word = ("applied", "was applied") if applied else ("skipped", "wasn't applied")
        message = f"{holder.who} found out that it {word}."
        entry = entry_for(run, step, standing.attempts, status, clock_text(now), code=RESOLVED, message=message)
        with store.change(lock) as change:
            found[number] = replace(standing, last=record(change, step, entry))
            run = _concluded(run, plan, found, now)
            change.put_run(run)
        return run


def abandon(store: Store, run: Run, plan: Plan, *, holder: Holder, now: datetime) -> Run:
    """Give an unfinished run up; returns it as it stands then. Doubts stay on their accounts.

    Raises `InvalidInput` for a run that is finished, `Locked` and `StoreFailed`.
    """
    with locked(store, holder) as lock:
        run = _stored(store, run)
        if not run.unfinished:
            raise InvalidInput(f"run {run.run_id} is {run.status}, so there is nothing to give up")
        code = exit_code_of(plan.steps, standings(store.entries(run.run_id)), None)
        given_up = replace(run, status="abandoned", ended_at=clock_text(now), exit_code=int(code))
        with store.change(lock) as change:
            change.put_run(given_up)
        return given_up


def recover(store: Store, entry: JournalEntry, plan: Plan, *, holder: Holder) -> JournalEntry:
    """Fold in an outcome that the store couldn't take when it came; returns the entry as it was written.

    Its call must be the last one of its step that the journal tells of, and still without an outcome. Raises
    `InvalidInput` if it isn't, `StalePlan` for another run's plan, `Locked` and `StoreFailed`.
    """
    with locked(store, holder) as lock:
        run = next((run for run in store.runs() if run.run_id == entry.run_id), None)
        if run is None:
            raise InvalidInput(f"this entry is of run {printable(entry.run_id)}, which this store doesn't know")
        if plan.plan_id != run.plan_id:
            raise StalePlan(f"run {run.run_id} was made with another plan")
        standing = standings(store.entries(run.run_id)).get(entry.step)
        last = standing.last if standing is not None else None
        if last is None or last.status != "intent" or last.attempt != entry.attempt:
            raise InvalidInput(
                f"step {entry.step} of run {run.run_id} isn't waiting for the outcome of try {entry.attempt}",
                hint="either it was folded in already, or the run went on since",
            )
        if _call_of(entry) != _call_of(last):
            raise InvalidInput(f"this entry was altered: it isn't about the call of step {entry.step}")
        with store.change(lock) as change:
            return record(change, plan.steps[entry.step - 1], entry)


def entry_from_json(data: object) -> JournalEntry:
    """The journal entry behind `JournalEntry.to_json`. Raises `InvalidInput`."""
    problem = InvalidInput("this isn't a journal entry that was put aside", hint="name the file that `apply` wrote")
    if not isinstance(data, dict) or set(data) != _ENTRY_FIELDS:
        raise problem
    for name, value in data.items():
        allowed = int if name in _ENTRY_NUMBERS else str
        if isinstance(value, bool) or not (isinstance(value, allowed) or (value is None and name in _ENTRY_OPTIONAL)):
            raise problem
    entry = JournalEntry(**data)
    if entry.status not in STATUSES or entry.status == "intent":
        raise problem
    return entry


def _call_of(entry: JournalEntry) -> tuple[object, ...]:
    return tuple(getattr(entry, name) for name in _CALL_FIELDS)


def _concluded(run: Run, plan: Plan, found: Mapping[int, Standing], now: datetime) -> Run:
    """The run's row after a doubt was settled: finished if `resume` has nothing left to do."""
    if not run.unfinished:
        return run
    code: ExitCode = exit_code_of(plan.steps, found, None)
    if any(is_pending(found.get(step.number), stopped=True) for step in plan.steps):
        return run if run.status == "running" else replace(run, exit_code=int(code))
    return replace(run, status="finished", ended_at=clock_text(now), exit_code=int(code), stopped_by=None)


def _stored(store: Store, run: Run) -> Run:
    """The run as the store has it now that we hold the lock."""
    return next((stored for stored in store.runs() if stored.run_id == run.run_id), run)
