"""Accounts added up to a plan: the order of all steps, the summary, what a guard says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from reconciler.canonical import Json
from reconciler.instants import clock_text
from reconciler.model import KnownAccount, KnownHead
from reconciler.operations import OPERATIONS
from reconciler.plan import (
    IMPACTS,
    KnownInfo,
    ManifestsInfo,
    Plan,
    Refusal,
    Step,
    Unmanaged,
)
from reconciler.planning import guards
from reconciler.planning.context import PlanContext
from reconciler.planning.outcomes import COUNTED, Outcome


class Tally:
    """Gathers accounts as they are planned, and makes the plan of them."""

    def __init__(self, context: PlanContext) -> None:
        self.context = context
        self.outcomes: list[Outcome] = []
        self.unmanaged: list[Unmanaged] = []
        self.accounts = 0
        self.declared_products = 0
        self.known_products = 0
        self.unchanged = 0
        self.oldest: str | None = None

    def add(self, outcome: Outcome) -> None:
        """Take in a declared account, in the order of their ids."""
        self.accounts += 1
        self.declared_products += outcome.products
        self.unchanged += outcome.unchanged
        self.known_products += outcome.held
        self.unmanaged += outcome.unmanaged
        self._observed(outcome.observed_at)
        if not outcome.quiet:
            self.outcomes.append(outcome)

    def add_unmanaged(self, known: KnownAccount) -> None:
        """Take in an account that no manifest names."""
        self.known_products += len(known.user_products)
        self.unmanaged += [
            Unmanaged(known.account_id, product.product_id, product.user_product_id) for product in known.user_products
        ] or [Unmanaged(known.account_id, None, None)]

    def add_settled(self, *, accounts: int, products: int, held: int, oldest: str | None) -> None:
        """Take in declared accounts of which only the numbers are left: nothing is due for any of their products."""
        self.accounts += accounts
        self.declared_products += products
        self.unchanged += products
        self.known_products += held
        self._observed(oldest)

    def add_rest(self, rest: Iterable[Unmanaged]) -> None:
        """Take in known products that nobody declares, of accounts that were counted by `add_settled`."""
        self.unmanaged += rest

    def add_parts(self, parts: Sequence[Tally]) -> None:
        """Take in what was added up in parts; no account is in two of them."""
        for part in parts:
            self.accounts += part.accounts
            self.declared_products += part.declared_products
            self.known_products += part.known_products
            self.unchanged += part.unchanged
            self.unmanaged += part.unmanaged
            self.outcomes += part.outcomes
            self._observed(part.oldest)
        self.outcomes.sort(key=lambda outcome: outcome.account.account_id)

    def _observed(self, observed: str | None) -> None:
        if observed is not None and (self.oldest is None or observed < self.oldest):
            self.oldest = observed

    def plan(self, known: KnownHead, manifests_digest: str) -> Plan:
        """The plan of all that was taken in; ``known`` heads the known state behind it."""
        context = self.context
        # Deadlines first, earliest first; a plan that waits behind thousands of calls may miss them.
        ordered = sorted(self.outcomes, key=lambda outcome: (outcome.deadline is None, outcome.deadline or 0))
        steps = tuple(_numbered(ordered))
        deferred = tuple(finding for outcome in self.outcomes for finding in outcome.deferred)
        blocked = tuple(finding for outcome in self.outcomes for finding in outcome.blocked)
        return Plan(
            environment=context.environment,
            host=context.host,
            as_of=clock_text(context.as_of),
            expires_at=clock_text(context.as_of + context.max_plan_age),
            what_if=context.what_if,
            manifests=ManifestsInfo(
                manifests_digest, context.revision, self.accounts, self.declared_products, context.select
            ),
            known_state=KnownInfo(known.lineage, known.serial, self.oldest or known.observed_at),
            summary=self._summary(steps, len(deferred), len(blocked)),
            accounts=tuple(outcome.account for outcome in ordered if outcome.steps),
            steps=steps,
            deferred=deferred,
            blocked=blocked,
            unmanaged=tuple(sorted(self.unmanaged, key=lambda each: each.account_id)),
            warnings=tuple(finding for outcome in self.outcomes for finding in outcome.warnings),
            refusals=self._refusals(),
        )

    def _summary(self, steps: tuple[Step, ...], deferred: int, blocked: int) -> Mapping[str, Json]:
        actions = Counter(step.action for step in steps)
        impacts = Counter(step.impact for step in steps)
        summary: dict[str, Json] = {operation.action: actions[operation.action] for operation in OPERATIONS}
        summary |= {
            "unchanged": self.unchanged,
            "adopted": self._found()["adopted"],
            "unmanaged": len(self.unmanaged),
            "deferred": deferred,
            "blocked": blocked,
            "impact": {impact: impacts[impact] for impact in IMPACTS},
        }
        return MappingProxyType(summary)

    def _refusals(self) -> tuple[Refusal, ...]:
        return guards.judge(
            self._found(),
            scope=max(self.declared_products, self.known_products),
            limits=self.context.limits,
            accepted=self.context.accepted,
        )

    def _found(self) -> dict[str, int]:
        """What each guard counts."""
        found = dict.fromkeys((*COUNTED, "stale_known"), 0)
        for outcome in self.outcomes:
            for name, count in zip(COUNTED, outcome.counts, strict=True):
                found[name] += count
            found["stale_known"] += bool(outcome.steps) and self._is_stale(outcome)
        return found

    def _is_stale(self, outcome: Outcome) -> bool:
        age = self.context.max_known_age
        if age is None or not outcome.is_known:
            return False
        return outcome.observed_at is None or outcome.observed_at < clock_text(self.context.as_of - age)


def _numbered(ordered: Iterable[Outcome]) -> Iterator[Step]:
    number = 0
    for outcome in ordered:
        for step in outcome.steps:
            number += 1
            yield replace(step, number=number)
