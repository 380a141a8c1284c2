"""Runs without a network or a clock: scripted answers, a fake Payway with a memory, and one object that holds it all.

An account ``a`` needs all five calls (`fleet`); `Rig` applies a plan to a store in memory and counts what happened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.applying.applier import Applier
from reconciler.applying.runreport import Event, RunReport
from reconciler.limits import ApplySettings
from reconciler.model import KnownAccount
from reconciler.plan import Plan, Request
from reconciler.planfile import plan_text, seal
from reconciler.planning import guards
from reconciler.state.memory import MemoryStore
from reconciler.state.store import Holder, JournalEntry, Run, Store
from reconciler.wire import Answer
from support import planning
from support.planning import HOST, NOW, has, have, want, wants

LINEAGE = "f" * 32
CUSTOMER = "1234567890"


def answer(status: int = 200, *, id: str | None = None, retry_after: str | None = None, **body: object) -> Answer:
    """An answer with a JSON body."""
    content = body if id is None else {"id": id, **body}
    return Answer(status, json.dumps(content).encode(), "application/json", retry_after)


def error(status: int, code: str, field: str | None = None, **more: str) -> Answer:
    """One of Payway's flat errors."""
    named = {} if field is None else {"field": field}
    return answer(status, code=code, **named, message="Something is wrong", **more)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment
        self.slept = 0.0

    def __call__(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.moment += timedelta(seconds=seconds)


class FakePayway:
    """Answers like Payway: every call works, and a user product can be reactivated once.

    ``script`` holds what comes first instead: an `Answer`, an exception to raise, a function of the request, or
    ``None`` for what would be answered anyway. ``before`` is called with each request before anything happens.
    """

    def __init__(self, owners: dict[str, str], script: Iterable[object] = ()) -> None:
        self.owners = owners
        self.script = list(script)
        self.requests: list[Request] = []
        self.done: list[tuple[str, str]] = []
        self.reactivated: set[str] = set()
        self.renewals = 0
        self.can_renew = True
        self.before: Callable[[Request], None] = lambda _: None

    def send(self, request: Request) -> Answer:
        self.before(request)
        self.requests.append(request)
        scripted = self.script.pop(0) if self.script else None
        if isinstance(scripted, BaseException):
            raise scripted
        if isinstance(scripted, Answer):
            return scripted
        return scripted(request) if callable(scripted) else self.work(request)

    def work(self, request: Request) -> Answer:
        """Carry a call out and answer it."""
        body = request.body
        if "reactivate" in request.path:
            if body["user_product_id"] in self.reactivated:
                return error(409, "invalid_state")
            self.reactivated.add(body["user_product_id"])
        self.done.append((request.path, json.dumps(dict(body))))
        return answer(id=self.id_for(request))

    def id_for(self, request: Request) -> str:
        body = request.body
        if "customer_number" in body:
            return self.owners[body["customer_number"]]
        return body.get("user_product_id") or planning.user_product_id(planning.name_of(body["product_id"]))

    def renew_token(self) -> bool:
        self.renewals += 1
        return self.can_renew

    def close(self) -> None:
        """Nothing to give back."""


def filled(accounts: Iterable[KnownAccount], *, serial: int = 12) -> MemoryStore:
    """A store that knows ``accounts``."""
    store = MemoryStore("stage", lineage=LINEAGE, serial=serial, filled=True)
    with store.change() as change:
        for account in accounts:
            change.put_account(account)
    return store


def all_five(name: str = "a", customer: str = CUSTOMER):
    """A declared and a known account whose plan makes each of the five calls once."""
    declared = wants(
        name,
        want("p", user="p", state="activated", to="2027-12-01", number="7", line=9, fields={"valid_to": 12}),
        customer=customer,
        sync={"address": "1", "subscriptions": "2"},
    )
    known = has(name, have("p", state="cancelled", to="2026-12-01", type="limited", service="tulo"))
    return declared, known


def updates(*names: str, product: str = "p"):
    """Accounts with one update each: their known ``valid_to`` moves a year ahead."""
    declared = [wants(name, want(product, to="2027-12-01", line=9, fields={"valid_to": 12})) for name in names]
    known = [has(name, have(product, state="activated", to="2026-12-01", type="limited")) for name in names]
    return declared, known


@dataclass(slots=True)
class Rig:
    """A sealed plan, the store it was made from, and everything an `Applier` needs."""

    plan: Plan
    store: Store
    payway: FakePayway
    clock: Clock = field(default_factory=Clock)
    settings: ApplySettings = field(default_factory=lambda: ApplySettings(jitter=False))
    events: list[Event] = field(default_factory=list)
    put_aside: list[JournalEntry] = field(default_factory=list)
    stop: Callable[[], bool] = lambda: False
    environment: str = "stage"
    host: str = HOST
    locks: int = 0

    def applier(self, **options: object) -> Applier:
        return Applier(
            store=self.store,
            sender=self.payway,
            settings=self.settings,
            environment=self.environment,
            host=self.host,
            clock=self.clock,
            sleeper=self.clock.sleep,
            jitter=lambda: 0.5,
            emergency=self.put_aside.append,
            events=self.events.append,
            stop_requested=lambda: self.stop(),
            **options,
        )

    def holder(self) -> Holder:
        self.locks += 1
        return Holder(f"run-{self.locks}", "anna", "runner", 7, "reconciler apply", "2026-11-24T10:00:00Z")

    def apply(self, **options: object) -> RunReport:
        return self.applier(**options).run(self.plan, plan_text(self.plan), self.holder())

    def resume(self, *, expired: bool = False, **options: object) -> RunReport:
        return self.applier(**options).resume(self.run, self.plan, self.holder(), expired=expired)

    @property
    def run(self) -> Run:
        """The newest run."""
        return self.store.runs()[-1]

    def journal(self) -> list[tuple[int, int, str]]:
        """Step, attempt and status of every entry."""
        return [(entry.step, entry.attempt, entry.status) for entry in self.store.entries()]

    def sent(self) -> list[str]:
        """The actions that were sent, in order."""
        actions = {step.request.path: step.action for step in self.plan.steps}
        return [actions[request.path] for request in self.payway.requests]


def rig(declared, known, script: Iterable[object] = (), **more: object) -> Rig:
    """A rig for the plan that leads from ``known`` to ``declared``."""
    declared = [declared] if not isinstance(declared, list) else declared
    known = [known] if not isinstance(known, list) else known
    made = seal(planning.plan(declared, known, accepted=frozenset(guards.DEFAULTS)))
    owners = {account.customer_number: account.account_id for account in declared if account.customer_number}
    return Rig(made, filled(known), FakePayway(owners, script), **more)


def statuses(report: RunReport) -> list[str]:
    return [step.status for step in report.steps]
