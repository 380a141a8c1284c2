"""A plan on a desk: a world, its manifests, a store that knows of it, and what people do while the plan lies there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

from reconciler import canonical
from reconciler.applying.applier import Applier
from reconciler.applying.learning import digest_of
from reconciler.applying.runreport import RunReport
from reconciler.applying.settling import abandon
from reconciler.instants import clock_text, minute_of
from reconciler.limits import ApplySettings
from reconciler.model import DeclaredAccount, KnownAccount, KnownHead, KnownProduct
from reconciler.payway.simulator import Simulator
from reconciler.plan import Plan, Request
from reconciler.planfile import plan_text, read_plan, seal
from reconciler.planning import PlanContext, guards, make_plan
from reconciler.state.memory import MemoryStore
from reconciler.state.merge import import_accounts
from reconciler.state.store import Holder
from reconciler.wire import Answer
from support import worlds
from support.perils import Clock, Crash
from support.planning import HOST


class Counting:
    """A sender that counts what goes to Payway, and can die with the first call."""

    def __init__(self, simulator: Simulator, *, dies: bool = False) -> None:
        self._simulator = simulator
        self._dies = dies
        self.sent = 0

    def send(self, request: Request) -> Answer:
        self.sent += 1
        if self._dies:
            raise Crash
        return self._simulator.send(request)

    def renew_token(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to give back."""


class Desk:
    """Where a plan lies, with its ``text``; which one, and in which world, ``seed`` says."""

    def __init__(self, seed: str) -> None:
        self.rng = Random(seed)
        self.clock = Clock()
        self.environment, self.host = "stage", HOST
        self.world = worlds.make_world(self.rng, accounts=self.rng.randint(2, 5), twins=False)
        self.simulator = Simulator(self.world, clock=self.clock, provision_service=None)
        self.declared = worlds.declare(self.rng, self.world, by_own_id=False)
        self.store = MemoryStore("stage", lineage="f" * 32)
        self.processes = 0
        exporter = worlds.Exporter.by_chance(self.rng)
        at = clock_text(self.clock())
        self.bring(exporter.export(self.rng, self.world, minute_of(self.clock()), at))
        # Some accounts are left out, so that there is something that the plan doesn't concern.
        self.mine = [account for account in self.declared.values() if self.rng.random() < 0.7]
        self.plan = self.make(self.mine)
        self.text = plan_text(self.plan)

    # --- What people do ---

    def make(self, declared: Iterable[DeclaredAccount], **settings: Any) -> Plan:
        """Plan for ``declared``, accepting everything unless ``settings`` of the context say otherwise."""
        declared = sorted(declared, key=lambda account: account.account_id)
        context = PlanContext("stage", HOST, self.clock(), accepted=frozenset(guards.DEFAULTS))
        digest = canonical.digest([account.to_json() for account in declared])
        return seal(make_plan(declared, self.store.view(), replace(context, **settings), manifests_digest=digest))

    def apply(self, text: str, sender: Counting, *, limit: int | None = None) -> RunReport:
        """What `apply PLAN` does with a file's text. Raises as it does."""
        plan = read_plan(text, name="plan.json")
        applier = Applier(
            store=self.store, sender=sender, settings=ApplySettings(jitter=False), environment=self.environment,
            host=self.host, clock=self.clock, sleeper=self.clock.sleep, jitter=lambda: 0.5,
            emergency=lambda _: None, limit=limit,
        )  # fmt: skip
        return applier.run(plan, text, self.holder())

    def carry_out(self, plan: Plan, *, limit: int | None = None) -> RunReport:
        """Apply another plan, meanwhile."""
        return self.apply(plan_text(plan), Counting(self.simulator), limit=limit)

    def bring(self, accounts: Iterable[KnownAccount]) -> None:
        """Import ``accounts``."""
        now = clock_text(self.clock())
        head = KnownHead("stage", observed_at=now)
        import_accounts(self.store, head, accounts, holder=self.holder(), now_text=now)

    def give_up(self, plan: Plan) -> None:
        """Abandon the newest run, which is of ``plan``."""
        abandon(self.store, self.store.runs()[-1], plan, holder=self.holder(), now=self.clock())

    def forget(self, account: str) -> None:
        with self.store.change() as change:
            change.remove_account(account)

    def holder(self) -> Holder:
        self.processes += 1
        return Holder(f"run-{self.processes}", "anna", "runner", 7, "apply", clock_text(self.clock()))

    # --- What there is ---

    @property
    def planned(self) -> list[str]:
        """The accounts of the plan."""
        return sorted({step.account_id for step in self.plan.steps})

    @property
    def others(self) -> list[str]:
        """Known accounts that the plan has no step for."""
        return [a.account_id for a in self.store.view().accounts() if a.account_id not in self.planned]

    def is_overtaken(self) -> bool:
        """True if any account of the plan isn't known as it was."""
        return any(digest_of(self.store.account(s.account_id), s.account_id) != s.known for s in self.plan.steps)

    def seen(self, account: str) -> KnownAccount:
        """What somebody sees of an account later: something of it has changed."""
        known = self.store.account(account) or KnownAccount(account)
        products = list(known.user_products)
        chance = self.rng.random()
        if chance < 0.15:
            changed = replace(known, customer_number=f"{self.rng.randint(1, 999)}")
        elif chance < 0.3 or not products:
            own, product = worlds.own_id("n", self.rng.randint(0, 9)), worlds.product_name_id("n")
            changed = replace(known, user_products=(*products, KnownProduct(product, own, state="activated")))
        else:
            place = self.rng.randrange(len(products))
            field, value = self.rng.choice(
                [
                    ("state", self.rng.choice(("activated", "cancelled", "deactivated", "frozen", "unheard-of"))),
                    ("valid_to", worlds.START + self.rng.randint(1, 900) * worlds.DAY),
                    ("valid_from", worlds.START - self.rng.randint(1, 900) * worlds.DAY),
                    ("subscription_number", f"{self.rng.randint(1, 999)}"),
                    ("subscription_type", self.rng.choice(("limited", "recurring", None))),
                    ("provision_service", self.rng.choice(("tulo", "kayak", None))),
                ]
            )
            products[place] = replace(products[place], **{field: value})
            changed = replace(known, user_products=tuple(products))
        return replace(changed, observed_at=clock_text(self.clock()))
