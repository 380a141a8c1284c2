"""The rules of one product once more, as plainly as they can be put, and the planner held to them.

`expected` is written from the rules alone, without a look at the planner's own table, and without any of
its parts: where the two disagree, one of them has misread the rules.
"""

from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.fleets import declared_fields, known_fields
from support.planning import NOW, have, minute, plan, told, want

from reconciler.instants import minute_of
from reconciler.model import UNKNOWN

NOW_MINUTE = minute_of(NOW)


@dataclass
class Expected:
    steps: list = field(default_factory=list)
    blocked: set = field(default_factory=set)
    deferred: list = field(default_factory=list)
    warnings: set = field(default_factory=set)


def expected(known, declared, own_service):
    """What the rules say of product "a"; ``known`` and ``declared`` are arguments of `have` and `want`."""
    found = Expected()
    is_text = isinstance(known["state"], str)
    state, wanted = known["state"] if is_text else None, declared.get("state")
    known_to, known_from = (minute(known[n]) if isinstance(known[n], str) else None for n in ("to", "frm"))
    to = minute(declared["to"]) if "to" in declared else None
    start = minute(declared["frm"]) if "frm" in declared else None

    over = known_to is not None and known_to <= NOW_MINUTE
    ran_out = over and (to is None or to == known_to)
    move, sends, blocked_state = "nothing", True, False
    if wanted == "activated":
        if state in ("pending", "frozen"):
            sends = False
        elif state == "deactivated" or (state == "cancelled" and over):
            move = "nothing" if ran_out else "update"
            sends = not ran_out
        elif state == "cancelled":
            move, sends = "reactivate", False
        elif not is_text:
            move = "update"
        elif state != "activated":
            blocked_state = True
    elif wanted == "deactivated":
        settled = state == "deactivated" or (state == "cancelled" and over)
        move = "nothing" if settled else "update"

    differs = {
        "subscription_type": "type" in declared and known["type"] != declared["type"],
        "valid_from": start is not None and start != known_from,
        "valid_to": to is not None and to != known_to,
    }
    update = move == "update" or any(differs.values())
    reactivate = move == "reactivate"
    number = "number" in declared and known["number"] != declared["number"]
    has_id = known["user"] is not None or declared["user"] is not None

    if blocked_state:
        found.blocked.add("unknown-state a")
    if reactivate and known["service"] not in ("tulo", UNKNOWN):
        found.blocked.add("not-payway-provisioned a")
    if update and own_service is not None and known["service"] not in (own_service, UNKNOWN):
        found.blocked.add("not-product-owner a")
    end, begin = to if to is not None else known_to, start if start is not None else known_from
    if move == "update" and wanted == "activated" and end is not None and end <= NOW_MINUTE:
        found.blocked.add("window-ended a")
    cut = to is not None and known_to is not None and to < known_to and known["type"] == "recurring"
    if cut and declared.get("type") != "limited" and wanted != "deactivated":
        found.blocked.add("term-renewed a")
    declares_end = to is not None or start is not None
    if update and declares_end and begin is not None and end is not None and begin >= end:
        found.blocked.add("window-inverted a")
    if (reactivate or number) and not has_id and not update:
        found.blocked.add("needs-user-product-id a")
    if found.blocked:
        return found

    if wanted == "activated" and not reactivate and move == "nothing" and state != "activated":
        found.warnings |= {"frozen a"} if state == "frozen" else {"ended a"} if state != "pending" else set()
    if wanted == "deactivated" and move == "update" and is_text and state not in KNOWN_WORDS:
        found.warnings.add("unknown-state a")
    if reactivate and has_id:
        found.steps.append("reactivate a")
        found.warnings.add("takes-back-cancellation a")
    if update:
        sent = [
            name
            for name, there in (
                ("subscription_type", "type" in declared),
                ("state", wanted is not None and sends),
                ("valid_from", start is not None),
                ("valid_to", to is not None),
            )
            if there
        ]
        found.steps.append(f"update a: {' '.join(sent)}")
        if known["service"] == "tulo" and own_service is None:
            found.warnings.add("owner-unchecked a")
    if number and has_id:
        found.steps.append("subscription_number a")
        if isinstance(known["number"], str):
            found.warnings.add("number-replaced a")
        if known["service"] == "tulo":
            found.warnings.add("number-on-tulo a")
    if not has_id:
        waiting = (("reactivate", reactivate), ("subscription_number", number))
        found.deferred += [f"needs-user-product-id a {action}" for action, due in waiting if due]
    return found


KNOWN_WORDS = {"activated", "pending", "deactivated", "cancelled", "frozen"}
NO_FIELDS = {"type": UNKNOWN, "frm": UNKNOWN, "to": UNKNOWN, "number": UNKNOWN, "service": UNKNOWN}


@settings(max_examples=600, deadline=None)
@given(
    known=known_fields(),
    known_user=st.sampled_from(("a", None)),
    declared=declared_fields,
    declared_user=st.sampled_from(("a", None)),
    own_service=st.sampled_from((None, "tulo", "kayak")),
)
@example(
    known=NO_FIELDS | {"state": "cancelled", "to": "2026-12-01"},
    known_user=None,
    declared={"state": "activated", "to": "2026-11-28", "number": "7"},
    declared_user=None,
    own_service=None,
)
def test_one_product(known, known_user, declared, declared_user, own_service):
    known, declared = known | {"user": known_user}, declared | {"user": declared_user}
    made = plan([want("a", **declared)], [have("a", **known)], provision_service=own_service)
    rules = expected(known, declared, own_service)
    result = told(made)
    if "withheld-revoke a" in result.blocked:
        # Its own deferred `reactivate` withholds the `update` that takes access; then nothing teaches the id.
        assert "needs-user-product-id a reactivate" in rules.deferred
        assert set(result.blocked) == {"withheld-revoke a", "needs-user-product-id a"}
        assert result.steps == ()
        return
    # Within its account the taking update comes after the number.
    steps = sorted(rules.steps, key=lambda step: step.startswith("update") and impact_of_update(made) == "taking")
    assert result.steps == tuple(steps)
    assert set(result.blocked) == rules.blocked
    assert len(result.blocked) == len(rules.blocked)
    assert result.deferred == tuple(rules.deferred)
    assert set(result.warnings) == rules.warnings
    assert len(result.warnings) == len(rules.warnings)


def impact_of_update(made):
    [impact] = [step.impact for step in made.steps if step.action == "update"]
    return "taking" if impact in ("shorten", "revoke") else "giving"


# --- Impact ---


def gives_access(state, start, end, at):
    """True if a product gives access in the minute ``at``; what isn't known of it might."""
    if state == "deactivated":
        return False
    return (start is None or at >= start) and (end is None or at < end)


#: Minutes from now on between which no end of `support.fleets.TIMES` lies, so that they stand for all minutes.
MINUTES = sorted(
    {NOW_MINUTE}
    | {
        minute(text) + shift
        for text in ("2026-11-24 10:01 +0000", "2026-12-01", "2027-12-01", "2030-01-01")
        for shift in (-1, 0, 1)
        if minute(text) + shift >= NOW_MINUTE
    }
)


@settings(max_examples=600, deadline=None)
@given(known=known_fields(), declared=declared_fields)
def test_the_impact_of_every_step_is_what_readers_gain_and_lose(known, declared):
    made = plan([want("a", user="a", **declared)], [have("a", **known)])
    start, end = (minute(known[n]) if isinstance(known[n], str) else None for n in ("frm", "to"))
    state = known["state"]
    if state == "cancelled" and end is not None and end <= NOW_MINUTE:
        state = "deactivated"  # lapsed: none, before and after, until state changes
    for step in made.steps:
        if step.action == "subscription_number":
            assert step.impact == "neutral"
            continue
        before = [gives_access(state, start, end, at) for at in MINUTES]
        body = step.request.body
        if step.action == "reactivate":
            assert step.impact == "grant"
            state = "activated"
            continue
        state = body.get("state", state)
        start = minute(body["valid_from"]) if "valid_from" in body else start
        end = minute(body["valid_to"]) if "valid_to" in body else end
        after = [gives_access(state, start, end, at) for at in MINUTES]
        assert step.impact == judged(before, after)


def judged(before, after):
    if before == after:
        return "neutral"
    if not any(before):
        return "grant"
    if not any(after):
        return "revoke"
    lost = any(b and not a for b, a in zip(before, after, strict=True))
    return "shorten" if lost else "extend"
