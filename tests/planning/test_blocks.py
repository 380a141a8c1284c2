"""Every block, deferral and warning of the rules: where it holds, and where it just doesn't."""

from dataclasses import dataclass, field

import pytest
from support.planning import Told, doubt, has, have, plan, told, want, wants

from reconciler import rules
from reconciler.model import UNKNOWN

SOON, LATER, PAST = "2026-12-01", "2027-12-01", "2026-11-01"
RUNNING = {"state": "cancelled", "to": SOON}
ACTIVATED, DEACTIVATED = {"state": "activated"}, {"state": "deactivated"}
KAYAK = {"provision_service": "kayak"}

BLOCK, DEFERRAL, WARNING = "blocked", "deferred", "warnings"


@dataclass(frozen=True)
class Case:
    """``holds`` is the whole list that the plan must have of this rule; nothing of it where it doesn't hold."""

    kind: str
    rule: str
    row: str
    known: tuple
    declared: tuple
    holds: tuple = ()
    steps: tuple | None = None
    settings: dict = field(default_factory=dict)

    @property
    def id(self):
        return f"{self.kind} {self.rule}: {'holds' if self.holds else 'not'}: {self.row}"


def one(kind, rule, row, known, declared, *, holds=False, steps=None, tail="", **settings):
    """A case about one product named "a"."""
    expected = (f"{rule} a{tail}",) if holds else ()
    if holds and kind == BLOCK and steps is None:
        steps = ()
    return Case(kind, rule, row, (have("a", **known),), (want("a", **declared),), expected, steps, settings)


CASES = [
    # --- Blocks ---
    Case(BLOCK, "ambiguous-product", "two of one product_id", (have("a", user="u"), have("a", user="v")),
         (want("a", **ACTIVATED),), ("ambiguous-product a",), ()),
    Case(BLOCK, "ambiguous-product", "two of one product_id, declared by user_product_id",
         (have("a", user="u", state="activated"), have("a", user="v", state="activated")),
         (want("a", user="v", **DEACTIVATED),), (), ("update a: state",)),
    Case(BLOCK, "ambiguous-product", "two products of one product_id on two accounts",
         (has("x", have("a", user="u", state="activated")), has("y", have("a", user="v"))),
         (want("a", **DEACTIVATED),), (), ("update a: state",)),
    Case(BLOCK, "user-product-mismatch", "both sides have one and they differ", (have("a", user="u"),),
         (want("a", user="v", **ACTIVATED),), ("user-product-mismatch a",), ()),
    Case(BLOCK, "user-product-mismatch", "the same", (have("a", user="u", state="activated"),),
         (want("a", user="u", **DEACTIVATED),), (), ("update a: state",)),
    Case(BLOCK, "user-product-mismatch", "only declared", (have("a", user=None, state="activated"),),
         (want("a", user="u", **DEACTIVATED),), (), ("update a: state",)),
    Case(BLOCK, "wrong-account", "known on another account", (has("x"), has("y", have("a", user="u"))),
         (want("a", user="u", **ACTIVATED),), ("wrong-account a",), ()),
    Case(BLOCK, "wrong-account", "known on both: the own one counts",
         (has("x", have("a", user="u", state="activated")), has("y", have("b", user="u"))),
         (want("a", user="u", **DEACTIVATED),), (), ("update a: state",)),
    Case(BLOCK, "customer-number-mismatch", "a sync is due", (has("x", customer="1"),),
         (wants("x", customer="2", sync={"address": "1"}),), ("customer-number-mismatch",), ()),
    Case(BLOCK, "customer-number-mismatch", "both syncs are due: one entry", (has("x", customer="1"),),
         (wants("x", customer="2", sync={"address": "1", "subscriptions": "1"}),), ("customer-number-mismatch",), ()),
    Case(BLOCK, "customer-number-mismatch", "the products are planned all the same",
         (has("x", have("a", **ACTIVATED), customer="1"),),
         (wants("x", want("a", **DEACTIVATED), customer="2", sync={"address": "1"}),),
         ("customer-number-mismatch",), ("update a: state",)),
    Case(BLOCK, "customer-number-mismatch", "no sync is asked for", (has("x", customer="1"),),
         (wants("x", customer="2"),), (), ()),
    Case(BLOCK, "customer-number-mismatch", "the sync is done already",
         (has("x", customer="1", synced={"address": "1"}),),
         (wants("x", customer="2", sync={"address": "1"}),), (), ()),
    Case(BLOCK, "customer-number-mismatch", "the same number", (has("x", customer="1"),),
         (wants("x", customer="1", sync={"address": "1"}),), (), ("sync_address",)),
    Case(BLOCK, "customer-number-mismatch", "unknown", (has("x"),), (wants("x", customer="1", sync={"address": "1"}),),
         (), ("sync_address",)),
    one(BLOCK, "unknown-state", "activated", {"state": "paused"}, ACTIVATED, holds=True),
    one(BLOCK, "unknown-state", "activated with another field", {"state": "paused"}, ACTIVATED | {"to": LATER},
        holds=True),
    one(BLOCK, "unknown-state", "deactivated", {"state": "paused"}, DEACTIVATED, steps=("update a: state",)),
    one(BLOCK, "unknown-state", "no state", {"state": "paused", "to": SOON}, {"to": LATER},
        steps=("update a: valid_to",)),
    one(BLOCK, "not-payway-provisioned", "kayak", RUNNING | {"service": "kayak"}, ACTIVATED, holds=True),
    one(BLOCK, "not-payway-provisioned", "tulo", RUNNING | {"service": "tulo"}, ACTIVATED, steps=("reactivate a",)),
    one(BLOCK, "not-payway-provisioned", "unknown", RUNNING | {"service": UNKNOWN}, ACTIVATED, steps=("reactivate a",)),
    one(BLOCK, "not-payway-provisioned", "no reactivate is due", RUNNING | {"service": "kayak"}, DEACTIVATED,
        steps=("update a: state",)),
    one(BLOCK, "not-payway-provisioned", "lapsed: update", {"state": "cancelled", "to": PAST, "service": "kayak"},
        ACTIVATED | {"to": LATER}, steps=("update a: state valid_to",)),
    one(BLOCK, "not-product-owner", "differs", {"state": "activated", "service": "tulo"}, DEACTIVATED, holds=True,
        **KAYAK),
    one(BLOCK, "not-product-owner", "differs, beside a reactivate", RUNNING | {"service": "tulo"},
        ACTIVATED | {"to": LATER}, holds=True, **KAYAK),
    one(BLOCK, "not-product-owner", "the same", {"state": "activated", "service": "kayak"}, DEACTIVATED,
        steps=("update a: state",), **KAYAK),
    one(BLOCK, "not-product-owner", "unknown", {"state": "activated"}, DEACTIVATED, steps=("update a: state",),
        **KAYAK),
    one(BLOCK, "not-product-owner", "none configured", {"state": "activated", "service": "tulo"}, DEACTIVATED,
        steps=("update a: state",)),
    one(BLOCK, "not-product-owner", "no update: reactivate", RUNNING | {"service": "tulo"}, ACTIVATED,
        steps=("reactivate a",), **KAYAK),
    one(BLOCK, "not-product-owner", "no update: number", {"service": "tulo"}, {"number": "7"},
        steps=("subscription_number a",), **KAYAK),
    one(BLOCK, "window-ended", "declared end past", {"state": "deactivated", "to": PAST},
        ACTIVATED | {"to": "2026-11-20"}, holds=True),
    one(BLOCK, "window-ended", "declared end now", {"state": "deactivated"},
        ACTIVATED | {"to": "2026-11-24 10:00 +0000"},
        holds=True),
    one(BLOCK, "window-ended", "a minute later", {"state": "deactivated"}, ACTIVATED | {"to": "2026-11-24 11:01 +0100"},
        steps=("update a: state valid_to",)),
    one(BLOCK, "window-ended", "known end past, state unknown", {"to": PAST}, ACTIVATED, holds=True),
    one(BLOCK, "window-ended", "lapsed, another end past", {"state": "cancelled", "to": PAST},
        ACTIVATED | {"to": "2026-11-20"}, holds=True),
    one(BLOCK, "window-ended", "the end is moved to the past", {"state": "deactivated", "to": LATER},
        ACTIVATED | {"to": PAST}, holds=True),
    one(BLOCK, "window-ended", "it ran out: ended", {"state": "deactivated", "to": PAST}, ACTIVATED | {"to": PAST},
        steps=()),
    one(BLOCK, "window-ended", "not activating: activated already",
        {"state": "activated", "to": SOON, "type": "limited"},
        ACTIVATED | {"to": PAST}, steps=("update a: state valid_to",)),
    one(BLOCK, "window-ended", "not activating: deactivated", {"state": "activated"}, DEACTIVATED | {"to": PAST},
        steps=("update a: state valid_to",)),
    one(BLOCK, "window-ended", "not activating: no state", {"state": "deactivated"}, {"to": PAST},
        steps=("update a: valid_to",)),
    Case(BLOCK, "window-ended", "adopted with an end in the past", (), (want("a", **ACTIVATED, to=PAST),),
         ("window-ended a",), ()),
    one(BLOCK, "term-renewed", "earlier end", ACTIVATED | {"type": "recurring", "to": LATER}, ACTIVATED | {"to": SOON},
        holds=True),
    one(BLOCK, "term-renewed", "earlier end, no state", ACTIVATED | {"type": "recurring", "to": LATER}, {"to": SOON},
        holds=True),
    one(BLOCK, "term-renewed", "earlier end, recurring declared", ACTIVATED | {"type": "recurring", "to": LATER},
        {"to": SOON, "type": "recurring"}, holds=True),
    one(BLOCK, "term-renewed", "a minute earlier", ACTIVATED | {"type": "recurring", "to": SOON},
        {"to": "2026-11-30 23:59 +0000"}, holds=True),
    one(BLOCK, "term-renewed", "later end", ACTIVATED | {"type": "recurring", "to": SOON}, {"to": LATER},
        steps=("update a: valid_to",)),
    one(BLOCK, "term-renewed", "the same minute", ACTIVATED | {"type": "recurring", "to": "2026-12-01T00:00:45Z"},
        {"to": SOON}, steps=()),
    one(BLOCK, "term-renewed", "known as limited", ACTIVATED | {"type": "limited", "to": LATER}, {"to": SOON},
        steps=("update a: valid_to",)),
    one(BLOCK, "term-renewed", "type unknown", ACTIVATED | {"to": LATER}, {"to": SOON}, steps=("update a: valid_to",)),
    one(BLOCK, "term-renewed", "end unknown", ACTIVATED | {"type": "recurring"}, {"to": SOON},
        steps=("update a: valid_to",)),
    one(BLOCK, "term-renewed", "the manifest says limited", ACTIVATED | {"type": "recurring", "to": LATER},
        {"to": SOON, "type": "limited"}, steps=("update a: subscription_type valid_to",)),
    one(BLOCK, "term-renewed", "the manifest says deactivated", ACTIVATED | {"type": "recurring", "to": LATER},
        DEACTIVATED | {"to": SOON}, steps=("update a: state valid_to",)),
    one(BLOCK, "window-inverted", "declared end before known start", {"frm": LATER}, {"to": SOON}, holds=True),
    one(BLOCK, "window-inverted", "declared start after known end", {"to": SOON}, {"frm": LATER}, holds=True),
    one(BLOCK, "window-inverted", "equal", {"frm": SOON}, {"to": SOON}, holds=True),
    one(BLOCK, "window-inverted", "equal in another offset", {"frm": SOON}, {"to": "2026-12-01 01:00 +0100"},
        holds=True),
    one(BLOCK, "window-inverted", "the update is due for another field", {"frm": LATER, "to": SOON, "type": "limited"},
        {"to": SOON, "type": "recurring"}, holds=True),
    one(BLOCK, "window-inverted", "also when deactivated", ACTIVATED | {"frm": LATER}, DEACTIVATED | {"to": SOON},
        holds=True),
    one(BLOCK, "window-inverted", "a minute is left", {"frm": SOON}, {"to": "2026-12-01 00:01 +0000"},
        steps=("update a: valid_to",)),
    one(BLOCK, "window-inverted", "both declared replace both known", {"frm": LATER, "to": SOON},
        {"frm": PAST, "to": LATER}, steps=("update a: valid_from valid_to",)),
    one(BLOCK, "window-inverted", "no end is declared", ACTIVATED | {"frm": LATER, "to": SOON}, DEACTIVATED,
        steps=("update a: state",)),
    one(BLOCK, "window-inverted", "no update is due", {"frm": LATER, "to": SOON}, {"to": SOON}, steps=()),
    one(BLOCK, "window-inverted", "known start empty", {"frm": None}, {"to": SOON}, steps=("update a: valid_to",)),
    one(BLOCK, "window-inverted", "known start unknown", {}, {"to": SOON}, steps=("update a: valid_to",)),
    one(BLOCK, "needs-user-product-id", "number without an update", ACTIVATED | {"user": None}, {"number": "7"},
        holds=True),
    one(BLOCK, "needs-user-product-id", "reactivate without an update", RUNNING | {"user": None}, ACTIVATED,
        holds=True),
    one(BLOCK, "needs-user-product-id", "declared", RUNNING | {"user": None}, ACTIVATED | {"user": "u"},
        steps=("reactivate a",)),
    one(BLOCK, "needs-user-product-id", "known", RUNNING, ACTIVATED, steps=("reactivate a",)),
    one(BLOCK, "needs-user-product-id", "no step needs it", ACTIVATED | {"user": None}, DEACTIVATED,
        steps=("update a: state",)),
    one(BLOCK, "needs-user-product-id", "an update is in the plan", ACTIVATED | {"user": None},
        DEACTIVATED | {"number": "7"}, steps=("update a: state",)),
    Case(BLOCK, "needs-user-product-id", "adopted number alone", (), (want("a", number="7"),),
         ("needs-user-product-id a",), ()),
    Case(BLOCK, "withheld-revoke", "another product of the account can't gain",
         (have("a", **ACTIVATED), have("b", **RUNNING, service="kayak")),
         (want("a", **DEACTIVATED), want("b", **ACTIVATED)), ("withheld-revoke a",), ()),
    Case(BLOCK, "withheld-revoke", "it can", (have("a", **ACTIVATED), have("b", **RUNNING, service="tulo")),
         (want("a", **DEACTIVATED), want("b", **ACTIVATED)), (), ("reactivate b", "update a: state")),
    Case(BLOCK, "in-doubt", "the product's last call",
         (has("x", have("a", **ACTIVATED), doubts=[doubt("update", "a")]),),
         (want("a", **DEACTIVATED),), ("in-doubt a",), ()),
    Case(BLOCK, "in-doubt", "another call of the product",
         (has("x", have("a", **ACTIVATED), doubts=[doubt("reactivate", None, user="a")]),),
         (want("a", **DEACTIVATED),), ("in-doubt a",), ()),
    Case(BLOCK, "in-doubt", "a call known by product_id alone",
         (has("x", have("a", user=None, **ACTIVATED), doubts=[doubt("update", "a", user=None)]),),
         (want("a", **DEACTIVATED),), ("in-doubt a",), ()),
    Case(BLOCK, "in-doubt", "of a product that nothing is known of",
         (has("x", doubts=[doubt("update", "a", user=None)]),), (want("a", **ACTIVATED),), ("in-doubt a",), ()),
    Case(BLOCK, "in-doubt", "no step is due", (has("x", have("a", **ACTIVATED), doubts=[doubt("update", "a")]),),
         (want("a", **ACTIVATED),), (), ()),
    Case(BLOCK, "in-doubt", "another product's last call",
         (has("x", have("a", **ACTIVATED), have("b", **ACTIVATED), doubts=[doubt("update", "b")]),),
         (want("a", **DEACTIVATED), want("b", **ACTIVATED)), (), ("update a: state",)),
    Case(BLOCK, "in-doubt", "another user product of the same product",
         (has("x", have("a", user="u", **ACTIVATED), have("a", user="v"), doubts=[doubt("update", "a", user="v")]),),
         (want("a", user="u", **DEACTIVATED),), (), ("update a: state",)),
    Case(BLOCK, "in-doubt", "another account's",
         (has("x", have("a", **ACTIVATED)), has("y", doubts=[doubt("update", "a")])),
         (want("a", **DEACTIVATED),), (), ("update a: state",)),
    # --- Deferrals ---
    Case(DEFERRAL, "needs-user-product-id", "number of an adopted product", (), (want("a", **ACTIVATED, number="7"),),
         ("needs-user-product-id a subscription_number",), ("update a: state",)),
    one(DEFERRAL, "needs-user-product-id", "number beside an update", ACTIVATED | {"user": None},
        DEACTIVATED | {"number": "7"}, holds=True, tail=" subscription_number", steps=("update a: state",)),
    one(DEFERRAL, "needs-user-product-id", "reactivate beside an update", RUNNING | {"user": None},
        ACTIVATED | {"to": LATER}, holds=True, tail=" reactivate", steps=("update a: valid_to",)),
    Case(DEFERRAL, "needs-user-product-id", "both", (have("a", user=None, **RUNNING),),
         (want("a", **ACTIVATED, to=LATER, number="7"),),
         ("needs-user-product-id a reactivate", "needs-user-product-id a subscription_number"),
         ("update a: valid_to",)),
    one(DEFERRAL, "needs-user-product-id", "no update: blocked", ACTIVATED | {"user": None}, {"number": "7"}, steps=()),
    one(DEFERRAL, "needs-user-product-id", "known", ACTIVATED, DEACTIVATED | {"number": "7"},
        steps=("subscription_number a", "update a: state")),
    one(DEFERRAL, "needs-user-product-id", "declared", ACTIVATED | {"user": None},
        DEACTIVATED | {"number": "7", "user": "u"}, steps=("subscription_number a", "update a: state")),
    one(DEFERRAL, "needs-user-product-id", "the product is blocked", {"state": "paused", "user": None},
        ACTIVATED | {"number": "7", "to": LATER}, steps=()),
    # --- Warnings ---
    one(WARNING, "ended", "ran out", {"state": "deactivated", "to": PAST}, ACTIVATED, holds=True, steps=()),
    one(WARNING, "ended", "no state is declared", {"state": "deactivated", "to": PAST}, {}, steps=()),
    one(WARNING, "ended", "running", {"state": "deactivated", "to": SOON}, ACTIVATED, steps=("update a: state",)),
    one(WARNING, "ended", "another end", {"state": "deactivated", "to": PAST}, ACTIVATED | {"to": LATER},
        steps=("update a: state valid_to",)),
    one(WARNING, "frozen", "activated", {"state": "frozen"}, ACTIVATED, holds=True, steps=()),
    one(WARNING, "frozen", "deactivated", {"state": "frozen"}, DEACTIVATED, steps=("update a: state",)),
    one(WARNING, "frozen", "no state", {"state": "frozen"}, {}, steps=()),
    one(WARNING, "unknown-state", "deactivated", {"state": "paused"}, DEACTIVATED, holds=True,
        steps=("update a: state",)),
    one(WARNING, "unknown-state", "activated: blocked", {"state": "paused"}, ACTIVATED, steps=()),
    one(WARNING, "unknown-state", "not known", {}, DEACTIVATED, steps=("update a: state",)),
    one(WARNING, "number-replaced", "known and different", {"number": "6"}, {"number": "7"}, holds=True,
        steps=("subscription_number a",)),
    one(WARNING, "number-replaced", "known to be empty", {"number": None}, {"number": "7"},
        steps=("subscription_number a",)),
    one(WARNING, "number-replaced", "unknown", {}, {"number": "7"}, steps=("subscription_number a",)),
    one(WARNING, "number-replaced", "the same", {"number": "7"}, {"number": "7"}, steps=()),
    one(WARNING, "number-on-tulo", "tulo", {"service": "tulo"}, {"number": "7"}, holds=True,
        steps=("subscription_number a",)),
    one(WARNING, "number-on-tulo", "kayak", {"service": "kayak"}, {"number": "7"}, steps=("subscription_number a",)),
    one(WARNING, "number-on-tulo", "unknown", {}, {"number": "7"}, steps=("subscription_number a",)),
    one(WARNING, "number-on-tulo", "no number is due", {"service": "tulo", "number": "7"}, {"number": "7"}, steps=()),
    one(WARNING, "takes-back-cancellation", "reactivate", RUNNING, ACTIVATED, holds=True, steps=("reactivate a",)),
    one(WARNING, "takes-back-cancellation", "update", {"state": "deactivated"}, ACTIVATED, steps=("update a: state",)),
    one(WARNING, "takes-back-cancellation", "blocked", RUNNING | {"service": "kayak"}, ACTIVATED, steps=()),
    one(WARNING, "takes-back-cancellation", "deferred", RUNNING | {"user": None}, ACTIVATED | {"to": LATER},
        steps=("update a: valid_to",)),
    one(WARNING, "owner-unchecked", "update of a tulo product", ACTIVATED | {"service": "tulo"}, DEACTIVATED,
        holds=True,
        steps=("update a: state",)),
    one(WARNING, "owner-unchecked", "an own service is configured", ACTIVATED | {"service": "tulo"}, DEACTIVATED,
        steps=("update a: state",), provision_service="tulo"),
    one(WARNING, "owner-unchecked", "kayak", ACTIVATED | {"service": "kayak"}, DEACTIVATED, steps=("update a: state",)),
    one(WARNING, "owner-unchecked", "unknown", ACTIVATED, DEACTIVATED, steps=("update a: state",)),
    one(WARNING, "owner-unchecked", "no update: reactivate", RUNNING | {"service": "tulo"}, ACTIVATED,
        steps=("reactivate a",)),
    one(WARNING, "owner-unchecked", "no update: number", {"service": "tulo"}, {"number": "7"},
        steps=("subscription_number a",)),
    Case(WARNING, "sync-may-overwrite", "products have declared fields", (has("x", have("a", **ACTIVATED)),),
         (wants("x", want("a", **ACTIVATED), customer="1", sync={"subscriptions": "1"}),), ("sync-may-overwrite",),
         ("sync_subscriptions",)),
    Case(WARNING, "sync-may-overwrite", "no products", (has("x"),),
         (wants("x", customer="1", sync={"subscriptions": "1"}),), (), ("sync_subscriptions",)),
    Case(WARNING, "sync-may-overwrite", "products without fields", (has("x", have("a", **ACTIVATED)),),
         (wants("x", want("a"), customer="1", sync={"subscriptions": "1"}),), (), ("sync_subscriptions",)),
    Case(WARNING, "sync-may-overwrite", "the sync is done",
         (has("x", have("a", **ACTIVATED), synced={"address": "1"}),),
         (wants("x", want("a", **ACTIVATED), customer="1", sync={"address": "1"}),), (), ()),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rule(case):
    made = told(plan(case.declared, case.known, **case.settings))
    found = tuple(text for text in getattr(made, case.kind) if text.split(" ")[0] == case.rule)
    assert found == case.holds
    if case.steps is not None:
        assert made.steps == case.steps


@pytest.mark.parametrize(
    ("kind", "known_rules"),
    [(BLOCK, rules.BLOCKS), (DEFERRAL, rules.DEFERRALS), (WARNING, rules.PLAN_WARNINGS)],
)
def test_every_rule_has_a_case_where_it_holds_and_one_where_it_doesn_t(kind, known_rules):
    for holds in (True, False):
        assert {case.rule for case in CASES if case.kind == kind and bool(case.holds) is holds} == set(known_rules)


class TestSeveralRules:
    def test_all_that_hold_are_listed(self):
        known = [have("a", state="activated", type="recurring", frm=SOON, to=LATER, service="tulo")]
        made = told(plan([want("a", to=PAST)], known, provision_service="kayak"))
        assert sorted(made.blocked) == ["not-product-owner a", "term-renewed a", "window-inverted a"]
        assert made.steps == ()

    def test_a_doubt_stands_beside_them(self):
        known = [has("x", have("a", **RUNNING, user=None, service="kayak"), doubts=[doubt("update", "a", user=None)])]
        made = told(plan([want("a", **ACTIVATED)], known))
        assert sorted(made.blocked) == ["in-doubt a", "needs-user-product-id a", "not-payway-provisioned a"]

    def test_a_doubt_blocks_only_a_step_that_is_due(self):
        known = [has("x", have("a", state="paused"), doubts=[doubt("update", "a")])]
        assert told(plan([want("a", **ACTIVATED)], known)).blocked == ("unknown-state a",)
        assert set(told(plan([want("a", **ACTIVATED, to=LATER)], known)).blocked) == {"unknown-state a", "in-doubt a"}

    def test_a_product_blocked_for_one_call_makes_none_of_its_others(self):
        known = [have("a", **RUNNING, service="kayak")]
        assert told(plan([want("a", **ACTIVATED, to=LATER, number="7")], known)).steps == ()

    def test_a_blocked_product_isn_t_warned_of_steps_it_doesn_t_make(self):
        known = [have("a", **RUNNING, service="tulo", number="6")]
        declared = [want("a", **ACTIVATED, to=PAST + " 10:00 +0000", number="7")]
        made = told(plan(declared, known, provision_service="kayak"))
        assert made.blocked != ()
        assert made.warnings == ()

    def test_a_blocked_product_defers_nothing(self):
        known = [have("a", **RUNNING, user=None, service="kayak")]
        made = told(plan([want("a", **ACTIVATED, to=LATER, number="7")], known))
        assert (made.blocked, made.deferred) == (("not-payway-provisioned a",), ())

    def test_other_products_of_the_account_go_on(self):
        known = [have("a", state="paused"), have("b", state="deactivated", to=SOON)]
        made = told(plan([want("a", **ACTIVATED), want("b", **ACTIVATED)], known))
        assert (made.blocked, made.steps) == (("unknown-state a",), ("update b: state",))

    def test_an_account_with_blocked_products_still_gets_its_syncs(self):
        declared = wants("x", want("a", **ACTIVATED), customer="1", sync={"address": "1", "subscriptions": "1"})
        made = told(plan([declared], [has("x", have("a", state="paused"))]))
        assert (made.blocked, made.steps) == (("unknown-state a",), ("sync_address", "sync_subscriptions"))

    def test_a_refused_number_and_reactivate_of_one_product_are_one_block(self):
        known = [have("a", user=None, **RUNNING)]
        assert told(plan([want("a", **ACTIVATED, number="7")], known)) == Told(blocked=("needs-user-product-id a",))


def test_every_finding_has_a_message_for_people():
    for case in CASES:
        made = plan(case.declared, case.known, **case.settings)
        for finding in (*made.blocked, *made.deferred, *made.warnings):
            assert len(finding.message) > 10
            assert "None" not in finding.message
            assert "UNKNOWN" not in finding.message
