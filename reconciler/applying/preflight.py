"""What is checked before the first call: that this plan may be run here, now, and on what is known.

That a plan file wasn't altered is checked when it is read (`reconciler.planfile`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from reconciler.applying.learning import digest_of
from reconciler.errors import Locked, Refused, StalePlan
from reconciler.instants import parse_clock
from reconciler.plan import Plan
from reconciler.state.store import Run, Store

_AGAIN = "make a new plan with `reconciler plan`"


def open_run(store: Store) -> Run | None:
    """The run that isn't finished, if there is one: until it is, no other plan can be run."""
    return next((run for run in store.runs() if run.unfinished), None)


def verify_place(plan: Plan, *, environment: str, host: str) -> None:
    """Check that ``plan`` was made for this environment and host; no store is needed. Raises `StalePlan`."""
    if plan.environment != environment:
        raise StalePlan(f"this plan is for {plan.environment}, not for {environment}", hint=_AGAIN)
    if plan.host != host:
        raise StalePlan(f"this plan is for {plan.host}, not for {host}", hint=_AGAIN)


def verify(plan: Plan, store: Store, *, now: datetime, environment: str, host: str) -> None:
    """Check that ``plan`` may start a run against ``host`` on ``store``, which is locked by the caller.

    Raises `StalePlan` for a plan that is foreign, a what-if, expired, applied before or overtaken by what became
    known since, `Locked` if another plan's run isn't finished, `Refused` if nobody accepted a refusal.
    """
    _verify_home(plan, store, environment, host)
    if plan.what_if:
        raise StalePlan(
            "this plan was made for a moment in the future (--at), to look at and not to apply", hint=_AGAIN
        )
    runs = store.runs()
    verify_alone(plan.plan_id, runs)
    finished = next((run for run in runs if run.plan_id == plan.plan_id and run.status == "finished"), None)
    if finished is not None:
        raise StalePlan(
            f"this plan was applied already, by run {finished.run_id} from {finished.started_at}",
            hint=f"look at it with `reconciler runs show {finished.run_id}`; for what is left, {_AGAIN}",
        )
    if is_expired(plan, now):
        raise StalePlan(f"this plan has expired at {plan.expires_at}", hint=_AGAIN)
    refused = plan.refused
    if refused:
        raise Refused(
            "this plan holds refusals that nobody accepted",
            details=[f"{refusal.guard}: {refusal.message}" for refusal in refused],
            hint="accept them when you plan: " + " ".join(f"--accept {refusal.guard}" for refusal in refused),
        )
    overtaken = list(_overtaken(plan, store))
    if overtaken:
        raise StalePlan("accounts of this plan are known differently now", details=overtaken, hint=_AGAIN)


def verify_resumable(run: Run, plan: Plan, store: Store, *, environment: str, host: str) -> None:
    """Check that ``run`` can go on with ``plan``: its own plan, in its own place, and no other run open.

    Raises `StalePlan` or `Locked`.
    """
    if not run.unfinished:
        raise StalePlan(f"run {run.run_id} is {run.status}, so there is nothing to resume", hint=_AGAIN)
    if run.plan_id != plan.plan_id:
        raise StalePlan(
            f"run {run.run_id} was made with another plan",
            hint="`reconciler resume` takes the plan from the run itself",
        )
    _verify_home(plan, store, environment, host)
    verify_alone(plan.plan_id, store.runs())


def is_expired(plan: Plan, now: datetime) -> bool:
    """True from the moment at which the plan expires."""
    return now >= parse_clock(plan.expires_at)


def _verify_home(plan: Plan, store: Store, environment: str, host: str) -> None:
    head = store.head()
    verify_place(plan, environment=environment, host=host)
    if plan.environment != head.environment:
        raise StalePlan(f"this plan is for {plan.environment}, not for {head.environment}", hint=_AGAIN)
    if plan.known_state.lineage is None:
        raise StalePlan(
            "this plan was made from a snapshot that doesn't say which store it came from",
            hint="plan again from the store while applying: `reconciler apply PATHS --expect PLAN`",
        )
    if plan.known_state.lineage != head.lineage:
        raise StalePlan("this plan was made from another state store (their lineages differ)", hint=_AGAIN)


def verify_alone(plan_id: str | None, runs: Iterable[Run]) -> None:
    """Check that no run is unfinished but one of the plan ``plan_id``. Raises `Locked`."""
    run = next((run for run in runs if run.unfinished and run.plan_id != plan_id), None)
    if run is not None:
        raise Locked(
            f"run {run.run_id} of another plan, from {run.started_at} by {run.who}, isn't finished",
            hint=f"finish it with `reconciler resume -e {run.environment}`, "
            f"or give it up with `reconciler abandon -e {run.environment} {run.run_id}`",
        )


def _overtaken(plan: Plan, store: Store) -> Iterator[str]:
    """A line for each account that isn't known as it was when the plan was made."""
    seen: set[tuple[str, str]] = set()
    for step in plan.steps:
        if (step.account_id, step.known) in seen:
            continue
        seen.add((step.account_id, step.known))
        account = store.account(step.account_id)
        if digest_of(account, step.account_id) != step.known:
            since = f", observed {account.observed_at}" if account is not None and account.observed_at else ""
            yield f"account {step.account_id} (step {step.number}){since}"
