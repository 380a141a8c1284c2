"""From one declared product to the calls that are due for it, or the rules that block it.

Everything about a single product is decided here; what products of one account mean for each other
(order, withheld steps) is the planner's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from reconciler.instants import Minute, Moment, day_text, instant_text
from reconciler.model import UNKNOWN, DeclaredAccount, KnownAccount, Source
from reconciler.operations import BY_ACTION
from reconciler.plan import TAKING, FieldChange, Finding, Step
from reconciler.planning.access import Access
from reconciler.planning.blocks import blocks, deferrals, state_warnings, step_warnings
from reconciler.planning.facts import Facts
from reconciler.planning.matching import Match
from reconciler.planning.transitions import Move, Standing

#: The words that an `update` can set, by field: only from these can a change be taken back.
_SETTABLE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"state": ("activated", "deactivated"), "subscription_type": ("recurring", "limited")}
)

#: The place of a step within its account, by action; an `update` that takes access away comes later.
GROUPS: Final[Mapping[str, int]] = MappingProxyType({"reactivate": 1, "update": 2, "subscription_number": 3})
TAKING_GROUP: Final = 4


@dataclass(frozen=True, slots=True)
class Draft:
    """A step that hasn't got its number and the digest of its account yet. ``group`` is its place there, 1 to 6."""

    group: int
    step: Step


@dataclass(frozen=True, slots=True)
class ProductDrafts:
    """What is to be said of one declared product.

    A blocked product has no drafts and nothing deferred, unless only its taking `update` was withheld.
    ``misses_gain`` is true if access was to be gained here and won't be by this plan. ``before``,
    ``reactivated`` and ``after`` are as in `Facts`.
    """

    match: Match
    before: Access
    reactivated: Access
    after: Access
    drafts: tuple[Draft, ...] = ()
    deferred: tuple[Finding, ...] = ()
    blocked: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    misses_gain: bool = False

    @property
    def adopted(self) -> bool:
        """True if a step is due for a product that nothing is known of."""
        return self.match.known is None and bool(self.drafts)


def draft_product(
    match: Match, account: DeclaredAccount, known: KnownAccount | None, *, now: Minute, provision_service: str | None
) -> ProductDrafts:
    """Everything that is due for one declared product at ``now``.

    ``provision_service`` is the API user's own (setting ``[payway] provision_service``), if configured.
    """
    facts = Facts(match, account, known, now, provision_service)
    if match.rule is not None:
        found = facts.finding(match.rule, match.message)
        return _blocked(facts, (found,), misses_gain=not facts.keeps_access)
    if not facts.due and facts.transition.move is not Move.BLOCK:
        return ProductDrafts(match, facts.before, facts.before, facts.before, warnings=state_warnings(facts))
    blocked = blocks(facts)
    if blocked:
        gives = facts.update_due and facts.update_impact() in ("grant", "extend")
        return _blocked(facts, blocked, misses_gain=gives or not facts.keeps_access)
    return ProductDrafts(
        match,
        facts.before,
        facts.reactivated,
        facts.after,
        drafts=_drafts(facts),
        deferred=deferrals(facts),
        warnings=state_warnings(facts) + step_warnings(facts),
        misses_gain=facts.waits and facts.reactivate_due,
    )


def _blocked(facts: Facts, found: tuple[Finding, ...], *, misses_gain: bool) -> ProductDrafts:
    before = facts.before
    return ProductDrafts(facts.match, before, before, before, blocked=found, misses_gain=misses_gain)


def _drafts(facts: Facts) -> tuple[Draft, ...]:
    drafts = []
    if facts.reactivate_due and not facts.waits:
        drafts.append(_reactivate(facts))
    if facts.update_due:
        drafts.append(_update(facts))
    if facts.number_due and not facts.waits:
        drafts.append(_number(facts))
    return tuple(drafts)


def _reactivate(facts: Facts) -> Draft:
    end = facts.known.valid_to if facts.known is not None else None
    running = f"term runs until {day_text(end)}" if isinstance(end, int) else "the end of the term isn't known"
    values = {"account_id": facts.account.account_id, "user_product_id": facts.user_product_id}
    return _draft(
        facts,
        "reactivate",
        values,
        changes=(_change(facts, "state"),),
        impact="grant",
        reversible=False,
        not_after=end if isinstance(end, int) else None,
        reason=f"cancelled, {running}",
    )


def _update(facts: Facts) -> Draft:
    declared = facts.declared
    values = {
        "account_id": facts.account.account_id,
        "product_id": declared.product_id,
        "subscription_type": declared.subscription_type,
        "state": facts.sent_state,
        "valid_from": declared.valid_from.text if declared.valid_from else None,
        "valid_to": declared.valid_to.text if declared.valid_to else None,
    }
    claimed = (("state",) if facts.state_due else ()) + facts.window_fields
    changes = tuple(_change(facts, name) for name in claimed)
    return _draft(
        facts,
        "update",
        values,
        changes=changes,
        impact=facts.update_impact(),
        reversible=all(_can_be_taken_back(change) for change in changes),
        reason=_update_reason(facts, changes),
    )


def _number(facts: Facts) -> Draft:
    number = facts.declared.subscription_number
    values = {
        "account_id": facts.account.account_id,
        "user_product_id": facts.user_product_id,
        "subscription_number": number,
    }
    change = _change(facts, "subscription_number")
    known = "none is known" if change.before is None else f"{change.before} is known"
    return _draft(
        facts,
        "subscription_number",
        values,
        changes=(change,),
        impact="neutral",
        reversible=change.before is not None,
        reason=f"number {number} is declared, {known}",
    )


def _draft(
    facts: Facts,
    action: str,
    values: dict[str, str | None],
    *,
    changes: tuple[FieldChange, ...],
    impact: str,
    reversible: bool,
    reason: str,
    not_after: Minute | None = None,
) -> Draft:
    request = BY_ACTION[action].request(values)
    place = facts.declared.source
    shown = {change.field for change in changes} | set(request.body)
    lines = {name: line for name, line in place.fields.items() if name in shown}
    step = Step(
        number=0,
        action=action,
        account_id=facts.account.account_id,
        product_id=facts.product_id,
        user_product_id=facts.user_product_id,
        customer_number=None,
        request=request,
        changes=changes,
        impact=impact,
        reversible=reversible,
        not_after=not_after,
        reason=reason,
        source=Source(place.file, place.line, lines),
        known="",
    )
    return Draft(TAKING_GROUP if impact in TAKING else GROUPS[action], step)


def _change(facts: Facts, name: str) -> FieldChange:
    before = getattr(facts.known, name) if facts.known is not None else UNKNOWN
    return FieldChange(name, _text(before), _text(getattr(facts.declared, name)) or "")


def _can_be_taken_back(change: FieldChange) -> bool:
    """No call sets an empty value, nor a state such as cancelled: what was that can't come back."""
    if change.before is None:
        return False
    words = _SETTABLE.get(change.field)
    return words is None or change.before in words


def _update_reason(facts: Facts, changes: tuple[FieldChange, ...]) -> str:
    if facts.known is None:
        return "nothing is known of this product"
    return "; ".join(_change_reason(facts, change.field) for change in changes)


def _change_reason(facts: Facts, name: str) -> str:
    known = _for_people(getattr(facts.known, name))
    if name == "state" and facts.standing is Standing.LAPSED:
        known += " and its term over"
    return f"{name} is {known}, declared {_for_people(getattr(facts.declared, name))}"


def _text(value: object) -> str | None:
    if isinstance(value, Moment):
        return instant_text(value.minute)
    if isinstance(value, int):
        return instant_text(value)
    return value if isinstance(value, str) else None


def _for_people(value: object) -> str:
    if value is UNKNOWN:
        return "not known"
    if isinstance(value, Moment):
        return day_text(value.minute)
    if isinstance(value, int):
        return day_text(value)
    return str(value) if value is not None else "empty"
