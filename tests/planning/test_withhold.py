"""Half an exchange is worse than none: what is withheld while another product of the account can't gain."""

from dataclasses import dataclass, field

import pytest
from support.planning import Told, doubt, has, have, plan, told, want, wants

from reconciler.model import UNKNOWN

SOON, LATER, PAST = "2026-12-01", "2027-12-01", "2026-11-01"
ACTIVATED, DEACTIVATED = {"state": "activated"}, {"state": "deactivated"}
RUNNING = {"state": "cancelled", "to": SOON}
OWNER = {"provision_service": "kayak"}
FOREIGN = {"service": "tulo"}

#: The product that would lose: "a" is activated and declared deactivated.
LOSES = (have("a", **ACTIVATED, service="kayak"), want("a", **DEACTIVATED))


@dataclass(frozen=True)
class Case:
    """``known`` and ``declared`` are of product "b", beside "a" that would lose its access."""

    row: str
    known: tuple
    declared: tuple
    withheld: bool
    blocked: tuple = ()
    doubts: tuple = ()
    settings: dict = field(default_factory=dict)


CASES = [
    # Blocked, declared activated, and not known to keep access without this plan.
    Case("cancelled, blocked", (have("b", **RUNNING, service="kayak"),), (want("b", **ACTIVATED),), True,
         ("not-payway-provisioned b",)),
    Case("lapsed, blocked", (have("b", state="cancelled", to=PAST, **FOREIGN),), (want("b", **ACTIVATED, to=LATER),),
         True,
         ("not-product-owner b",), settings=OWNER),
    Case("deactivated, blocked", (have("b", state="deactivated", to=LATER, **FOREIGN),), (want("b", **ACTIVATED),),
         True,
         ("not-product-owner b",), settings=OWNER),
    Case("deactivated, window ended", (have("b", state="deactivated", to=PAST),),
         (want("b", **ACTIVATED, to="2026-11-20"),),
         True, ("window-ended b",)),
    Case("unknown word", (have("b", state="paused"),), (want("b", **ACTIVATED),), True, ("unknown-state b",)),
    Case("state unknown, blocked", (have("b", state=UNKNOWN, **FOREIGN),), (want("b", **ACTIVATED),), True,
         ("not-product-owner b",), settings=OWNER),
    Case("unmatched: ambiguous", (have("b", user="u", **ACTIVATED), have("b", user="v", **ACTIVATED)),
         (want("b", **ACTIVATED),), True, ("ambiguous-product b",)),
    Case("unmatched: mismatch", (have("b", user="u", **ACTIVATED),), (want("b", user="v", **ACTIVATED),), True,
         ("user-product-mismatch b",)),
    Case("unmatched: adopted, window ended", (), (want("b", **ACTIVATED, to=PAST),), True, ("window-ended b",)),
    Case("cancelled, in doubt", (have("b", **RUNNING),), (want("b", **ACTIVATED),), True, ("in-doubt b",),
         doubts=(doubt("reactivate", "b"),)),
    Case("cancelled, needs its id", (have("b", user=None, **RUNNING),), (want("b", **ACTIVATED),), True,
         ("needs-user-product-id b",)),
    # Blocked, and its update would have been grant or extend.
    Case("activated, extend blocked", (have("b", **ACTIVATED, to=SOON, **FOREIGN),),
         (want("b", **ACTIVATED, to=LATER),),
         True, ("not-product-owner b",), settings=OWNER),
    Case("no state declared, extend blocked", (have("b", **ACTIVATED, to=SOON, **FOREIGN),), (want("b", to=LATER),),
         True,
         ("not-product-owner b",), settings=OWNER),
    Case("over, a new term blocked", (have("b", **ACTIVATED, to=PAST, **FOREIGN),), (want("b", to=LATER),), True,
         ("not-product-owner b",), settings=OWNER),
    Case("frozen, extend blocked", (have("b", state="frozen", to=SOON, **FOREIGN),),
         (want("b", **ACTIVATED, to=LATER),),
         True, ("not-product-owner b",), settings=OWNER),
    # Its reactivate is deferred.
    Case("reactivate deferred", (have("b", user=None, **RUNNING),), (want("b", **ACTIVATED, to=LATER),), True),
    Case("reactivate deferred behind a type", (have("b", user=None, type="limited", **RUNNING),),
         (want("b", **ACTIVATED, type="recurring"),), True),
    # Blocked, but it keeps its access, or was to lose some.
    Case("activated, blocked", (have("b", **ACTIVATED, type="recurring", to=LATER),),
         (want("b", **ACTIVATED, to=SOON),),
         False, ("term-renewed b",)),
    Case("activated, type blocked", (have("b", **ACTIVATED, type="limited", **FOREIGN),),
         (want("b", **ACTIVATED, type="recurring"),), False, ("not-product-owner b",), settings=OWNER),
    Case("pending, type blocked", (have("b", state="pending", type="limited", **FOREIGN),),
         (want("b", **ACTIVATED, type="recurring"),), False, ("not-product-owner b",), settings=OWNER),
    Case("frozen, type blocked", (have("b", state="frozen", type="limited", **FOREIGN),),
         (want("b", **ACTIVATED, type="recurring"),), False, ("not-product-owner b",), settings=OWNER),
    Case("activated, number in doubt", (have("b", **ACTIVATED, number="6"),), (want("b", **ACTIVATED, number="7"),),
         False,
         ("in-doubt b",), doubts=(doubt("subscription_number", "b"),)),
    Case("declared deactivated, blocked", (have("b", **ACTIVATED, **FOREIGN),), (want("b", **DEACTIVATED),), False,
         ("not-product-owner b",), settings=OWNER),
    Case("no state declared, blocked", (have("b", user=None, state="deactivated"),), (want("b", number="7"),), False,
         ("needs-user-product-id b",)),
    Case("declared deactivated, ambiguous", (have("b", user="u", **ACTIVATED), have("b", user="v", **ACTIVATED)),
         (want("b", **DEACTIVATED),), False, ("ambiguous-product b",)),
    Case("no state declared, shorten blocked", (have("b", **ACTIVATED, to=LATER, **FOREIGN),), (want("b", to=SOON),),
         False,
         ("not-product-owner b",), settings=OWNER),
    # Not blocked at all.
    Case("only a number deferred", (have("b", user=None, state="deactivated", to=LATER),),
         (want("b", **ACTIVATED, number="7"),), False),
    Case("frozen: nothing is due", (have("b", state="frozen"),), (want("b", **ACTIVATED),), False),
    Case("ended: nothing is due", (have("b", state="deactivated", to=PAST),), (want("b", **ACTIVATED),), False),
    Case("it gains", (have("b", state="deactivated", to=LATER),), (want("b", **ACTIVATED),), False),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.row)
def test_a_product_that_was_to_gain_and_can_t_withholds(case):
    known = has("x", LOSES[0], *case.known, doubts=case.doubts)
    made = told(plan([LOSES[1], *case.declared], [known], **case.settings))
    assert made.blocked == (("withheld-revoke a",) if case.withheld else ()) + case.blocked
    assert ("update a: state" in made.steps) is not case.withheld


BLOCKED_GAIN = (have("z", **RUNNING, service="kayak"), want("z", **ACTIVATED))
NO_GAIN = ("not-payway-provisioned z",)


class TestOnlyGroupFour:
    """The account's steps of group 4, and only those, are withheld."""

    @pytest.mark.parametrize(
        ("known", "declared", "steps"),
        [
            ({"state": "activated"}, {"state": "deactivated"}, ()),
            ({"state": "activated", "to": LATER}, {"to": SOON}, ()),
            ({"state": "activated", "to": SOON}, {"to": LATER}, ("update a: valid_to",)),
            ({"state": "activated", "type": "limited"}, {"type": "recurring"}, ("update a: subscription_type",)),
            ({"state": "activated", "number": "6"}, {"number": "7"}, ("subscription_number a",)),
            ({"state": "cancelled", "to": SOON}, {"state": "activated"}, ("reactivate a",)),
            # Of one product, the calls of the other groups stay.
            ({"state": "activated"}, {"state": "deactivated", "number": "7"}, ("subscription_number a",)),
            ({"state": "cancelled", "to": SOON}, {"state": "activated", "to": "2026-11-28"}, ("reactivate a",)),
        ],
    )
    def test_of_a_product(self, known, declared, steps):
        made = told(plan([want("a", **declared), BLOCKED_GAIN[1]], [have("a", **known), BLOCKED_GAIN[0]]))
        assert made.steps == steps
        taken = not steps or declared.get("state") == "deactivated" or declared.get("to") == "2026-11-28"
        assert made.blocked == (("withheld-revoke a",) if taken else ()) + NO_GAIN

    def test_syncs_stay(self):
        declared = wants("x", LOSES[1], BLOCKED_GAIN[1], customer="1", sync={"address": "1"})
        assert told(plan([declared], [has("x", LOSES[0], BLOCKED_GAIN[0])])).steps == ("sync_address",)

    def test_every_one_of_the_account_is_withheld(self):
        known = [have("a", **ACTIVATED), have("b", **ACTIVATED), BLOCKED_GAIN[0]]
        made = told(plan([want("a", **DEACTIVATED), want("b", **DEACTIVATED), BLOCKED_GAIN[1]], known))
        assert made == Told(blocked=("withheld-revoke a", "withheld-revoke b", *NO_GAIN))

    def test_other_accounts_go_on(self):
        declared = [wants("x", BLOCKED_GAIN[1]), wants("y", LOSES[1])]
        made = told(plan(declared, [has("x", BLOCKED_GAIN[0]), has("y", LOSES[0])]))
        assert (made.blocked, made.steps) == (NO_GAIN, ("update a: state",))

    def test_a_withheld_step_gives_no_warning(self):
        known = [have("a", **ACTIVATED, service="tulo"), BLOCKED_GAIN[0]]
        assert told(plan([LOSES[1], BLOCKED_GAIN[1]], known)).warnings == ()


class TestDeferredBehindAWithheldUpdate:
    def test_a_number_is_then_blocked(self):
        known = [have("a", user=None, **ACTIVATED), BLOCKED_GAIN[0]]
        made = told(plan([want("a", **DEACTIVATED, number="7"), BLOCKED_GAIN[1]], known))
        assert made.deferred == ()
        assert sorted(made.blocked) == ["needs-user-product-id a", *NO_GAIN, "withheld-revoke a"]
        assert made.steps == ()

    def test_an_adopted_number_too(self):
        made = told(plan([want("a", **DEACTIVATED, number="7"), BLOCKED_GAIN[1]], [BLOCKED_GAIN[0]]))
        assert made.deferred == ()
        assert sorted(made.blocked) == ["needs-user-product-id a", *NO_GAIN, "withheld-revoke a"]

    def test_a_number_behind_an_update_that_stays_stays_deferred(self):
        known = [have("a", user=None, **ACTIVATED, type="limited"), BLOCKED_GAIN[0]]
        made = told(plan([want("a", type="recurring", number="7"), BLOCKED_GAIN[1]], known))
        assert made.deferred == ("needs-user-product-id a subscription_number",)
        assert made.steps == ("update a: subscription_type",)

    def test_a_reactivate_behind_its_own_withheld_update_is_blocked(self):
        # Its update shortens: with the update withheld, no answer will teach the id that `reactivate` needs.
        known = [have("a", user=None, **RUNNING)]
        made = told(plan([want("a", **ACTIVATED, to="2026-11-28")], known))
        assert made.deferred == ()
        assert sorted(set(made.blocked)) == ["needs-user-product-id a", "withheld-revoke a"]
        assert made.steps == ()


def test_a_withheld_block_names_the_product_that_loses():
    [withheld, _] = plan([LOSES[1], BLOCKED_GAIN[1]], [LOSES[0], BLOCKED_GAIN[0]]).blocked
    assert withheld.rule == "withheld-revoke"
    assert withheld.source == LOSES[1].source
