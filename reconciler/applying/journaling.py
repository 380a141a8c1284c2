"""The journal of a run: what is written of a step, what that does to known state, and where a step stands.

`record` is the one place that writes known state together with an entry, for the applier, `resolve` and
`state recover` alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from reconciler import canonical
from reconciler.applying.learning import digest_of, doubt_of, learn, with_doubt, without_doubt
from reconciler.errors import ExitCode, StoreFailed
from reconciler.instants import parse_clock
from reconciler.judging import Judgement
from reconciler.model import KnownAccount
from reconciler.operations import BY_ACTION, Operation, body_bytes
from reconciler.plan import Step
from reconciler.state.store import Change, Holder, JournalEntry, Lock, Run, Store

#: Why a step is skipped without a call, as the ``code`` of its entry. The first three stay skipped.
TOO_LATE: Final = "too-late"
STALE: Final = "stale"
BEHIND_FAILED: Final = "behind-failed-step"
BEHIND_UNSETTLED: Final = "behind-unsettled-step"

#: The ``code`` of a doubt that a person settled.
RESOLVED: Final = "resolved"

_FINAL_SKIPS: Final = frozenset({TOO_LATE, STALE, BEHIND_FAILED})
_OWN_SKIPS: Final = _FINAL_SKIPS | {BEHIND_UNSETTLED}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a step stands: its newest entry, how many calls were begun, and when the last one was."""

    last: JournalEntry
    attempts: int

    @property
    def in_doubt(self) -> bool:
        """True if a call was made and nobody knows whether it was carried out; an intent alone says the same."""
        return self.last.status in ("intent", "in_doubt")

    @property
    def needs_person(self) -> bool:
        """True if no repeat can settle the doubt: another object answered, or a repeat proved nothing."""
        last = self.last
        other_object = last.http_status == 200 and last.answered_id is not None
        return last.status == "in_doubt" and (other_object or (last.http_status, last.code) == (409, "invalid_state"))

    @property
    def is_done(self) -> bool:
        """True if the step has worked, or that is assumed."""
        return self.last.status in ("applied", "assumed")

    @property
    def is_failed(self) -> bool:
        """True if the step will not be sent in this run any more, and hasn't worked."""
        return self.last.status == "rejected" or (_is_own_skip(self.last) and self.last.code in _FINAL_SKIPS)

    @property
    def is_settled(self) -> bool:
        """True if `resume` has nothing to do for the step."""
        return self.is_done or self.is_failed


@contextmanager
def locked(store: Store, holder: Holder) -> Iterator[Lock]:
    """Hold the lock; it is given back whatever happens, without hiding what did."""
    lock = store.acquire(holder)
    try:
        yield lock
    except BaseException:
        with suppress(StoreFailed):
            store.release(lock)
        raise
    store.release(lock)


def standings(entries: Iterable[JournalEntry]) -> dict[int, Standing]:
    """Where each step stands that the journal of a run tells of, by its number."""
    found: dict[int, Standing] = {}
    for entry in entries:
        before = found.get(entry.step)
        # An answer that came after another process had made a newer try says nothing of that one.
        if before is None or entry.attempt >= before.attempts:
            found[entry.step] = Standing(entry, entry.attempt)
    return found


def known_since(entries: Iterable[JournalEntry]) -> dict[str, str]:
    """The digest of each account after the last call that these entries tell of.

    Skips don't count: they are written without looking at what is known.
    """
    return {
        entry.account_id: entry.known_after
        for entry in entries
        if entry.known_after is not None and not _is_own_skip(entry)
    }


def is_sync(operation: Operation) -> bool:
    """True for the calls of which the vendor's page says "in sequence and NOT in parallel"."""
    return operation.answers == "account"


def unclear_sync(found: Mapping[int, Standing]) -> datetime | None:
    """When a sync was last called whose outcome isn't known: it may still be running."""
    unclear = (each.last for each in found.values() if each.in_doubt and is_sync(BY_ACTION[each.last.action]))
    return max((parse_clock(entry.at) for entry in unclear), default=None)


def entry_for(
    run: Run,
    step: Step,
    attempt: int,
    status: str,
    at: str,
    *,
    judgement: Judgement | None = None,
    code: str | None = None,
    message: str | None = None,
) -> JournalEntry:
    """An entry about ``step`` at the clock text ``at``; what ``judgement`` says is taken over."""
    entry = JournalEntry(
        run_id=run.run_id,
        plan_id=run.plan_id,
        step=step.number,
        attempt=attempt,
        action=step.action,
        account_id=step.account_id,
        product_id=step.product_id,
        user_product_id=step.user_product_id,
        customer_number=step.customer_number,
        body_sha256=canonical.digest_bytes(body_bytes(step.request)),
        status=status,
        at=at,
        code=code,
        message=message,
    )
    if judgement is None:
        return entry
    return replace(
        entry,
        http_status=judgement.http_status,
        code=judgement.code,
        field=judgement.field,
        message=judgement.message,
        answered_id=judgement.answered_id,
    )


def record(change: Change, step: Step, entry: JournalEntry, *, overtaken: bool = False) -> JournalEntry:
    """Write ``entry`` and what it does to known state into ``change``; returns it as it was written.

    An intent and an outcome that isn't known leave a doubt on the account, every other outcome takes it away. An
    outcome teaches nothing if its doubt was settled meanwhile, or if it is ``overtaken``, since another process has
    made a newer try.
    """
    before = change.account(step.account_id)
    if overtaken or not (entry.status == "intent" or _is_own_skip(entry) or _is_awaited(before, step, entry)):
        after = _account_after_late(before, step, entry, overtaken=overtaken)
    else:
        after = _account_after(before, step, entry)
    written = change.append(replace(entry, known_after=digest_of(after, step.account_id)))
    if after is None:
        if before is not None:
            change.remove_account(step.account_id)
    elif after != before:
        change.put_account(after)
    return written


def is_pending(standing: Standing | None, *, stopped: bool) -> bool:
    """True if a run with such a step isn't finished.

    A step that is surely not done keeps a run open only if the run was ``stopped`` before its end: otherwise the
    way on is a new plan.
    """
    if standing is None or standing.in_doubt:
        return True
    return stopped and not standing.is_settled


def exit_code_of(steps: Iterable[Step], found: Mapping[int, Standing], stop: ExitCode | None) -> ExitCode:
    """What a run exits with: unreachable and interrupted first, then a doubt, then anything left undone."""
    if stop in (ExitCode.UNREACHABLE, ExitCode.INTERRUPTED):
        return stop
    all_of_them = [found.get(step.number) for step in steps]
    if any(standing is not None and standing.in_doubt for standing in all_of_them):
        return ExitCode.UNKNOWN_OUTCOME
    if all(standing is not None and standing.is_done for standing in all_of_them):
        return ExitCode.DONE
    return ExitCode.INCOMPLETE


def _is_awaited(account: KnownAccount | None, step: Step, entry: JournalEntry) -> bool:
    """True if the doubt that the call's intent left is still there."""
    doubt = doubt_of(account, step)
    return doubt is not None and (doubt.run, doubt.step) == (entry.run_id, entry.step)


def _account_after_late(
    account: KnownAccount | None, step: Step, entry: JournalEntry, *, overtaken: bool
) -> KnownAccount | None:
    """The account after an outcome that somebody knew better before it came.

    What settled the doubt counts. But a call that was carried out may have been carried out after that: then what
    is known is marked as unverified, unless it was observed since the answer came; and if nobody knows whether it was
    carried out, the doubt is back, unless it is about a newer try now.
    """
    if entry.status in ("rejected", "skipped") or entry.code == RESOLVED:
        return account
    observed_at = account.observed_at if account is not None else None
    if observed_at is not None and parse_clock(observed_at) > parse_clock(entry.at):
        return account
    if entry.status == "in_doubt" and not overtaken:
        return _account_after(account, step, entry)
    return replace(account, unverified=True) if account is not None else None


def _account_after(account: KnownAccount | None, step: Step, entry: JournalEntry) -> KnownAccount | None:
    if entry.status in ("intent", "in_doubt"):
        marked = with_doubt(account, step, entry.run_id, entry.at)
        # Payway says that it changed another object: whatever is known of this account may be wrong now.
        return marked if entry.answered_id is None else replace(marked, unverified=True)
    if entry.status in ("applied", "assumed"):
        return learn(without_doubt(account, step), step, entry.answered_id, entry.at)
    return account if _is_own_skip(entry) else without_doubt(account, step)


def _is_own_skip(entry: JournalEntry) -> bool:
    return entry.status == "skipped" and entry.http_status is None and entry.code in _OWN_SKIPS
