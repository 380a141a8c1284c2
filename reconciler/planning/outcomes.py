"""What came of one account, as plain values: all that a plan takes from it, without what it was found out from.

An outcome can be kept as JSON and read back, which is a hundred times cheaper than planning the account again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.canonical import Json
from reconciler.instants import Minute
from reconciler.plan import AccountPlan, Finding, Step, Unmanaged
from reconciler.planjson import (
    account_from_json,
    account_json,
    finding_from_json,
    finding_json,
    step_from_json,
    step_json,
)

#: What guards count, in the order in which outcomes hold it (`stale_known` is counted by the clock).
COUNTED = ("revoked", "protected", "changed", "adopted", "reactivated", "blocked")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One declared account. ``steps`` have no number yet; ``account`` is how readers of the plan know it.

    ``products`` are declared, ``unchanged`` of them; ``held`` are known, ``observed_at`` says when (``None``: unknown
    or nothing is known, which ``is_known`` tells). ``counts`` are those of `COUNTED`.
    """

    account: AccountPlan
    steps: tuple[Step, ...]
    deferred: tuple[Finding, ...]
    blocked: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    unmanaged: tuple[Unmanaged, ...]
    products: int
    unchanged: int
    held: int
    is_known: bool
    observed_at: str | None
    counts: tuple[int, ...]

    @property
    def quiet(self) -> bool:
        """True if there is nothing to do and nothing to say."""
        return not (self.steps or self.deferred or self.blocked or self.warnings)

    @property
    def deadline(self) -> Minute | None:
        """The earliest minute from which one of its calls can't work any more."""
        return min((step.not_after for step in self.steps if step.not_after is not None), default=None)


def outcome_json(outcome: Outcome) -> dict[str, Json]:
    """An outcome for keeping."""
    return {
        "account": account_json(outcome.account),
        "steps": [step_json(step) for step in outcome.steps],
        "deferred": [finding_json(finding, with_action=True) for finding in outcome.deferred],
        "blocked": [finding_json(finding) for finding in outcome.blocked],
        "warnings": [finding_json(finding) for finding in outcome.warnings],
        "unmanaged": [[each.product_id, each.user_product_id] for each in outcome.unmanaged],
        "products": outcome.products,
        "unchanged": outcome.unchanged,
        "held": outcome.held,
        "is_known": outcome.is_known,
        "observed_at": outcome.observed_at,
        "counts": list(outcome.counts),
    }


def outcome_from_json(data: Mapping[str, Any]) -> Outcome:
    """The outcome behind `outcome_json`."""
    account = account_from_json(data["account"])
    return Outcome(
        account=account,
        steps=tuple(step_from_json(step) for step in data["steps"]),
        deferred=tuple(finding_from_json(finding) for finding in data["deferred"]),
        blocked=tuple(finding_from_json(finding) for finding in data["blocked"]),
        warnings=tuple(finding_from_json(finding) for finding in data["warnings"]),
        unmanaged=tuple(Unmanaged(account.account_id, *ids) for ids in data["unmanaged"]),
        products=data["products"],
        unchanged=data["unchanged"],
        held=data["held"],
        is_known=data["is_known"],
        observed_at=data["observed_at"],
        counts=tuple(data["counts"]),
    )
