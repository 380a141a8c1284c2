"""A plan is made, then something else happens, then the old plan is applied: all from one seed.

`play` has happen what must make the plan refused, before any call; `play_control` what doesn't concern it. The planner,
the plan file, the import and the applier are the real ones; Payway is simulated, and counts what reaches it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from reconciler.errors import InvalidInput, Locked, ReconcilerError, Refused, StalePlan
from reconciler.instants import clock_text, parse_clock
from reconciler.model import UNKNOWN, DeclaredAccount
from reconciler.plan import Plan
from reconciler.planfile import plan_text, read_plan, seal
from reconciler.planning import guards
from reconciler.state.memory import MemoryStore
from support import worlds
from support.desk import Counting, Desk
from support.perils import Crash
from support.planning import HOST, account_id

#: What is expected of the old plan: the exceptions that may refuse it, and a part of their message.
Refusal = tuple[tuple[type[ReconcilerError], ...], str]

_OVERTAKEN: Refusal = ((StalePlan,), "are known differently now")
_OTHER = "e" * 32


# --- What makes a plan stale: each returns how it must be refused, None if it can't happen to this plan ---


def _import_that_changes(desk: Desk) -> Refusal | None:
    desk.bring([desk.seen(desk.rng.choice(desk.planned))])
    return _OVERTAKEN if desk.is_overtaken() else None


def _other_plan_applied(desk: Desk) -> Refusal | None:
    touched = desk.rng.choice(desk.planned)
    account = desk.world.account(touched)
    if account is None:
        return None
    plan = desk.make([worlds.declare_account(desk.rng, account, by_own_id=False)])
    if not plan.steps or plan.plan_id == desk.plan.plan_id or desk.carry_out(plan).status != "finished":
        return None
    return _OVERTAKEN if desk.is_overtaken() else None


def _twin_applied(desk: Desk) -> Refusal | None:
    desk.clock.sleep(desk.rng.randint(1, 3600))
    twin = desk.make(desk.mine)
    if not twin.steps or desk.carry_out(twin).status != "finished":
        return None
    return _OVERTAKEN if desk.is_overtaken() else None


def _applied_before(desk: Desk) -> Refusal | None:
    ended = desk.carry_out(desk.plan)
    return ((StalePlan,), "was applied already") if ended.status == "finished" else None


def _given_up(desk: Desk) -> Refusal | None:
    if desk.carry_out(desk.plan, limit=1).status != "stopped":
        return None
    desk.give_up(desk.plan)
    return _OVERTAKEN if desk.is_overtaken() else None


def _forgotten(desk: Desk) -> Refusal | None:
    desk.forget(desk.rng.choice(desk.planned))
    return _OVERTAKEN if desk.is_overtaken() else None


def _other_lineage(desk: Desk) -> Refusal:
    _move(desk, "stage", _OTHER)
    return (StalePlan,), "another state store"


def _other_environment(desk: Desk) -> Refusal:
    desk.environment = desk.rng.choice(("production", "simulator"))
    if desk.rng.random() < 0.5:
        _move(desk, desk.environment, "f" * 32)
    return (StalePlan,), "this plan is for stage"


def _store_of_another_environment(desk: Desk) -> Refusal:
    _move(desk, "production", "f" * 32)
    return (StalePlan,), "this plan is for stage"


def _move(desk: Desk, environment: str, lineage: str) -> None:
    accounts = list(desk.store.view().accounts())
    desk.store = MemoryStore(environment, lineage=lineage, filled=True)
    with desk.store.change() as change:
        for account in accounts:
            change.put_account(account)


def _other_host(desk: Desk) -> Refusal:
    desk.host = desk.rng.choice(("https://payway-api.adeprimo.se", "http://127.0.0.1:8080", HOST + ":8443"))
    return (StalePlan,), "this plan is for https"


def _expired(desk: Desk) -> Refusal:
    desk.clock.moment = parse_clock(desk.plan.expires_at)
    desk.clock.sleep(desk.rng.choice((0, 0, 1, 86400, 86400 * 365)))
    return (StalePlan,), "has expired"


def _what_if(desk: Desk) -> Refusal | None:
    ahead = timedelta(minutes=desk.rng.randint(1, 5000))
    return _instead(desk, desk.make(desk.mine, as_of=desk.clock() + ahead, what_if=True), "in the future")


def _from_a_snapshot(desk: Desk) -> Refusal | None:
    plan = seal(replace(desk.plan, known_state=replace(desk.plan.known_state, lineage=None)))
    return _instead(desk, plan, "doesn't say which store")


def _instead(desk: Desk, plan: Plan, said: str) -> Refusal | None:
    desk.plan, desk.text = plan, plan_text(plan)
    return ((StalePlan,), said) if plan.steps else None


def _altered_byte(desk: Desk) -> Refusal | None:
    place = desk.rng.randrange(len(desk.text))
    desk.text = desk.text[:place] + chr(desk.rng.randrange(32, 127)) + desk.text[place + 1 :]
    with suppress(InvalidInput, StalePlan):
        # White space, or the byte that was there: still the same plan.
        assert read_plan(desk.text, name="plan.json") == desk.plan
        return None
    return (InvalidInput, StalePlan), ""


def _forged(desk: Desk) -> Refusal:
    place = desk.rng.randrange(len(desk.plan.steps))
    step = desk.plan.steps[place]
    body = dict(step.request.body)
    kind = desk.rng.choice(("path", "more", "less", "order"))
    if kind == "more":
        body["force"] = "1"
    if kind == "less":
        del body[next(name for name in body if name in ("account_id", "customer_number", "user_product_id"))]
    if kind == "order":
        body = dict(reversed(body.items()))
    path = step.request.path + "/x" * (kind == "path" or len(body) < 2)
    steps = list(desk.plan.steps)
    steps[place] = replace(step, request=replace(step.request, path=path, body=body))
    desk.text = plan_text(seal(replace(desk.plan, steps=tuple(steps))))
    return (StalePlan, InvalidInput), ""


def _unaccepted(desk: Desk) -> Refusal | None:
    desk.plan = desk.make(desk.mine, accepted=frozenset(), limits=dict.fromkeys(guards.DEFAULTS, 0))
    desk.text = plan_text(desk.plan)
    return ((Refused,), "nobody accepted") if desk.plan.refusals and desk.plan.steps else None


def _unfinished(desk: Desk) -> Refusal | None:
    plan = _other_plan(desk, desk.declared.values())
    if plan is None or desk.carry_out(plan, limit=1).status != "stopped":
        return None
    return (Locked,), "isn't finished"


def _died(desk: Desk) -> Refusal | None:
    plan = _other_plan(desk, desk.declared.values())
    if plan is None:
        return None
    with suppress(Crash):
        desk.apply(plan_text(plan), Counting(desk.simulator, dies=True))
    return (Locked,), "isn't finished"


def _held(desk: Desk) -> Refusal:
    desk.store.acquire(desk.holder())
    return (Locked,), ""


def _other_plan(desk: Desk, declared: Iterable[DeclaredAccount]) -> Plan | None:
    desk.clock.sleep(1)
    plan = desk.make(declared)
    return plan if plan.steps else None


STALE: dict[str, Callable[[Desk], Refusal | None]] = {
    "an import changed an account of it": _import_that_changes,
    "another plan that touches it was applied": _other_plan_applied,
    "the same was planned and applied meanwhile": _twin_applied,
    "it was applied before": _applied_before,
    "its run was given up on the way": _given_up,
    "an account of it was forgotten": _forgotten,
    "another store": _other_lineage,
    "another environment": _other_environment,
    "the store of another environment": _store_of_another_environment,
    "another host": _other_host,
    "it has expired": _expired,
    "it was a what-if": _what_if,
    "it was made from a nameless snapshot": _from_a_snapshot,
    "a byte of it was altered": _altered_byte,
    "a request was forged": _forged,
    "nobody accepted its refusals": _unaccepted,
    "a run of another plan isn't finished": _unfinished,
    "a run of another plan died": _died,
    "somebody holds the lock": _held,
}


# --- What doesn't concern a plan: each returns False if it can't happen beside this one ---


def _other_account_imported(desk: Desk) -> bool:
    desk.bring([desk.seen(desk.rng.choice([*desk.others, account_id("new")]))])
    return True


def _seen_again(desk: Desk) -> bool:
    now = clock_text(desk.clock())
    desk.bring([replace(account, observed_at=now) for account in desk.store.view().accounts()])
    return True


def _part_seen_again(desk: Desk) -> bool:
    accounts = [desk.store.account(account) for account in desk.planned]
    seen = [
        replace(account, customer_number=UNKNOWN, observed_at=clock_text(desk.clock()))
        for account in accounts
        if account
    ]
    desk.bring(seen)
    return bool(seen)


def _older_import(desk: Desk) -> bool:
    account = desk.rng.choice(desk.planned)
    if desk.store.account(account) is None:
        return False
    desk.bring([replace(desk.seen(account), observed_at="2026-11-01T00:00:00Z")])
    return True


def _other_plan_elsewhere(desk: Desk) -> bool:
    elsewhere = [desk.declared[account] for account in desk.others if account in desk.declared]
    plan = _other_plan(desk, elsewhere)
    return plan is not None and desk.carry_out(plan).status == "finished"


def _run_elsewhere_given_up(desk: Desk) -> bool:
    elsewhere = [desk.declared[account] for account in desk.others if account in desk.declared]
    plan = _other_plan(desk, elsewhere)
    if plan is None or desk.carry_out(plan, limit=1).status != "stopped":
        return False
    desk.give_up(plan)
    return True


def _other_forgotten(desk: Desk) -> bool:
    if not desk.others:
        return False
    desk.forget(desk.rng.choice(desk.others))
    return True


def _time_passes(desk: Desk) -> bool:
    desk.clock.moment = parse_clock(desk.plan.expires_at) - timedelta(seconds=1)
    return True


def _unlocked(desk: Desk) -> bool:
    desk.store.break_lock(desk.store.acquire(desk.holder()).holder.lock_id)
    return True


CONTROLS: dict[str, Callable[[Desk], bool]] = {
    "another account was imported": _other_account_imported,
    "all was seen again as it is known": _seen_again,
    "less of it was seen again": _part_seen_again,
    "an older export was imported": _older_import,
    "a plan for other accounts was applied": _other_plan_elsewhere,
    "a run for other accounts was given up": _run_elsewhere_given_up,
    "another account was forgotten": _other_forgotten,
    "it expires in a second": _time_passes,
    "a lock was taken away before": _unlocked,
}


# --- Playing ---


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the old plan: ``error`` says how it was refused, ``sent`` how many of its calls went out."""

    kind: str
    error: ReconcilerError | None
    sent: int
    wrong: str | None


def play(seed: int) -> Outcome:
    """One interleaving: which one, and on which plan, its seed says."""
    kind = list(STALE)[seed % len(STALE)]
    desk, refusal = _happening(seed, STALE[kind])
    before = (desk.store.runs(), desk.store.last_entry())
    sender = Counting(desk.simulator)
    error: ReconcilerError | None = None
    try:
        desk.apply(desk.text, sender)
    except ReconcilerError as refused:
        error = refused
    classes, said = refusal
    wrong = None
    if not (isinstance(error, classes) and said in error.message):
        wrong = f"seed {seed}, {kind}: {error!r}"
    elif sender.sent or (desk.store.runs(), desk.store.last_entry()) != before:
        wrong = f"seed {seed}, {kind}: refused, but not before it began"
    return Outcome(kind, error, sender.sent, wrong)


def play_control(seed: int) -> Outcome:
    """One thing that doesn't concern the plan; it is applied then."""
    kind = list(CONTROLS)[seed % len(CONTROLS)]
    desk, _ = _happening(seed, lambda desk: CONTROLS[kind](desk) or None)
    sender = Counting(desk.simulator)
    try:
        report = desk.apply(desk.text, sender)
    except ReconcilerError as refused:
        return Outcome(kind, refused, sender.sent, f"seed {seed}, {kind}: {refused!r}")
    begun = sum(step.attempts for step in report.steps)
    late = sum(step.code == "too-late" for step in report.steps)
    wrong = None if begun == sender.sent and (begun or late) else f"seed {seed}, {kind}: nothing was sent"
    return Outcome(kind, None, sender.sent, wrong)


def _happening(seed: int, event: Callable[[Desk], Any]) -> tuple[Desk, Any]:
    """A plan with steps, some time later, after ``event`` could happen to it."""
    for attempt in range(200):
        desk = Desk(f"{seed} {attempt}")
        if not desk.plan.steps:
            continue
        desk.clock.sleep(desk.rng.randint(1, 7200))
        found = event(desk)
        if found is not None:
            return desk, found
    raise AssertionError(f"seed {seed}: it never happens")


def play_many(seeds: range, player: Callable[[int], Outcome] = play) -> tuple[Counter[str], list[str]]:
    """So many interleavings: how often each kind was played (and how many were ``applied``), and what went wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    for seed in seeds:
        outcome = player(seed)
        counts[outcome.kind] += 1
        counts["applied"] += outcome.error is None
        counts["sent"] += outcome.sent
        wrong += [outcome.wrong] if outcome.wrong is not None else []
    return counts, wrong
