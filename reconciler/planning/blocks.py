"""What stands in the way of a product's calls, and what should be said of them: the planner's law on one product."""

from __future__ import annotations

from typing import Final

from reconciler.instants import day_text
from reconciler.model import UNKNOWN, Doubt
from reconciler.plan import Finding
from reconciler.planning.facts import Facts
from reconciler.planning.transitions import Move

#: The provision service whose products Payway reactivates (error ``user_product_not_tulo_provisioned``).
TULO: Final = "tulo"


def blocks(facts: Facts) -> tuple[Finding, ...]:
    """Every rule that forbids this product's calls."""
    found = [*_state_blocks(facts), *_owner_blocks(facts), *_window_blocks(facts)]
    if facts.waits and not facts.update_due:
        call = "reactivate" if facts.reactivate_due else "subscription_number"
        message = f"{call} needs its user_product_id, which neither the manifest nor known state has"
        found.append(("needs-user-product-id", message))
    return tuple(facts.finding(rule, message) for rule, message in found)


def deferrals(facts: Facts) -> tuple[Finding, ...]:
    """The calls that wait for the id that this plan's `update` teaches."""
    if not facts.waits:
        return ()
    waiting = (("reactivate", facts.reactivate_due), ("subscription_number", facts.number_due))
    message = "the answer to this plan's update teaches its user_product_id; the next plan holds the call"
    return tuple(facts.finding("needs-user-product-id", message, action=action) for action, due in waiting if due)


def state_warnings(facts: Facts) -> tuple[Finding, ...]:
    """What the state table has to say although it asks for nothing."""
    if facts.transition.rule == "ended":
        return (facts.finding("ended", "its window ran out as it should; nothing is done about its state"),)
    if facts.transition.rule == "frozen":
        return (facts.finding("frozen", "a renewal payment is due; no call here lifts that"),)
    return ()


def step_warnings(facts: Facts) -> tuple[Finding, ...]:
    """What a reviewer should know of this product's steps."""
    tulo = facts.known_text("provision_service") == TULO
    number = facts.known_text("subscription_number")
    found: list[tuple[str, str]] = []
    if facts.transition.rule == "unknown-state":
        state = facts.known_text("state")
        found.append(("unknown-state", f"known state is {state!r}, a word this program doesn't know"))
    if facts.reactivate_due and not facts.waits:
        found.append(("takes-back-cancellation", "the reader cancelled; the call takes that back"))
    if facts.update_due and tulo and facts.own_service is None:
        message = "tulo provisions it, and no provision service of our own is configured to compare with"
        found.append(("owner-unchecked", message))
    if facts.number_due and not facts.waits and number is not None:
        found.append(("number-replaced", f"number {number} is replaced; no call brings back an empty one"))
    if facts.number_due and not facts.waits and tulo:
        found.append(("number-on-tulo", "tulo provisions it; numbers are meant for a subscription system's products"))
    return tuple(facts.finding(rule, message) for rule, message in found)


def _state_blocks(facts: Facts) -> list[tuple[str, str]]:
    found = []
    doubt = _doubt(facts) if facts.due else None
    if doubt is not None:
        found.append(("in-doubt", doubt_message(doubt)))
    if facts.transition.move is Move.BLOCK:
        state = facts.known_text("state")
        found.append(("unknown-state", f"known state is {state!r}; no call is known to lead from it to activated"))
    return found


def _owner_blocks(facts: Facts) -> list[tuple[str, str]]:
    service = facts.known.provision_service if facts.known is not None else UNKNOWN
    if service is UNKNOWN:
        return []
    found = []
    if facts.reactivate_due and service != TULO:
        message = f"provisioned by {service or 'nobody'}; Payway reactivates only what tulo provisions"
        found.append(("not-payway-provisioned", message))
    if facts.update_due and facts.own_service is not None and service != facts.own_service:
        message = f"provisioned by {service or 'nobody'}; our API user updates only what {facts.own_service} provisions"
        found.append(("not-product-owner", message))
    return found


def _window_blocks(facts: Facts) -> list[tuple[str, str]]:
    found = []
    declared = facts.declared
    start, end = facts.resulting("valid_from"), facts.resulting("valid_to")
    if facts.state_due and declared.state == "activated" and end is not None and end <= facts.now:
        found.append(("window-ended", f"it would be activated, but its window ended {day_text(end)}"))
    renewed = _renewed_term(facts)
    if renewed is not None:
        found.append(("term-renewed", renewed))
    declares_end = declared.valid_from is not None or declared.valid_to is not None
    if facts.update_due and declares_end and start is not None and end is not None and start >= end:
        found.append(("window-inverted", f"the window would start {day_text(start)} and end {day_text(end)}"))
    return found


def _renewed_term(facts: Facts) -> str | None:
    declared, known = facts.declared, facts.known
    if known is None or declared.valid_to is None or not isinstance(known.valid_to, int):
        return None
    if known.subscription_type != "recurring" or declared.valid_to.minute >= known.valid_to:
        return None
    if declared.subscription_type == "limited" or declared.state == "deactivated":
        return None
    return (
        f"recurring, renewed until {day_text(known.valid_to)}; the declared end {day_text(declared.valid_to.minute)} "
        "would cut it off (update the manifest, or declare limited or deactivated)"
    )


def doubt_message(doubt: Doubt) -> str:
    """That the outcome of a call isn't known, where it was made, and what settles it."""
    places = [f"run {doubt.run}"] if doubt.run is not None else []
    places += [f"step {doubt.step}"] if doubt.step is not None else []
    where = f" ({', '.join(places)})" if places else ""
    return (
        f"the outcome of its last {doubt.action} isn't known{where}; "
        "settle it with resume or resolve, or import a newer export"
    )


def _doubt(facts: Facts) -> Doubt | None:
    for doubt in facts.known_account.doubts if facts.known_account is not None else ():
        if doubt.user_product_id is not None and facts.user_product_id is not None:
            # Two user products can be of one product: their own ids tell them apart, where both are known.
            if doubt.user_product_id == facts.user_product_id:
                return doubt
        elif doubt.product_id is not None and doubt.product_id == facts.product_id:
            return doubt
    return None
