"""The one sequence: groups within an account, accounts among each other."""

from itertools import permutations

import pytest
from support.planning import has, have, name_of, plan, told, want, wants

SOON, LATER = "2026-12-01", "2027-12-01"
CANCELLED = {"state": "cancelled", "to": SOON}
ACTIVATED, DEACTIVATED = {"state": "activated"}, {"state": "deactivated"}

#: An account with calls of every group; names are the other way round than the order.
KNOWN = has(
    "x",
    have("h", **CANCELLED),
    have("g", **CANCELLED),
    have("f", state="deactivated", to=SOON),
    have("e", **ACTIVATED, to=SOON),
    have("d", **ACTIVATED, type="limited", number="1"),
    have("c", **ACTIVATED, number="2"),
    have("b", **ACTIVATED, to=LATER),
    have("a", **ACTIVATED),
)
DECLARED = (
    want("a", **DEACTIVATED, number="3"),
    want("b", to=SOON),
    want("c", number="4"),
    want("d", type="recurring", number="5"),
    want("e", to=LATER),
    want("f", **ACTIVATED),
    want("g", **ACTIVATED),
    want("h", **ACTIVATED, to=LATER),
)
ORDER = (
    # 1. every reactivate
    "reactivate g",
    "reactivate h",
    # 2. every update that takes nothing away
    "update d: subscription_type",
    "update e: valid_to",
    "update f: state",
    "update h: valid_to",
    # 3. every subscription_number
    "subscription_number a",
    "subscription_number c",
    "subscription_number d",
    # 4. every update that shortens or revokes
    "update a: state",
    "update b: valid_to",
    # 5. and 6.
    "sync_address",
    "sync_subscriptions",
)


def account(*products):
    return wants("x", *products, customer="1", sync={"subscriptions": "1", "address": "1"})


def test_groups_within_an_account():
    made = plan([account(*DECLARED)], [KNOWN])
    assert told(made).steps == ORDER
    assert [step.number for step in made.steps] == list(range(1, len(ORDER) + 1))


@pytest.mark.parametrize("turn", range(0, 8, 3))
def test_the_order_in_the_manifest_says_nothing(turn):
    turned = (*DECLARED[turn:], *DECLARED[:turn])
    assert told(plan([account(*turned)], [KNOWN])).steps == ORDER
    assert told(plan([account(*reversed(turned))], [KNOWN])).steps == ORDER


class TestByProduct:
    def test_product_id_then_user_product_id(self):
        known = [have("b", user="1"), have("a", user="3"), have("b", user="0"), have("a", user="2")]
        declared = [want(user=user, number="7") for user in ("0", "1", "2", "3")]
        made = plan(declared, known)
        assert [(name_of(s.product_id), name_of(s.user_product_id)) for s in made.steps] == [
            ("a", "2"), ("a", "3"), ("b", "0"), ("b", "1"),
        ]  # fmt: skip

    def test_a_missing_id_sorts_first(self):
        known = [have("a", user="1"), have(None, user="9"), have(None, user="8")]
        declared = [want(user="1", number="7"), want(user="9", number="7"), want(user="8", number="7")]
        assert [name_of(step.user_product_id) for step in plan(declared, known).steps] == ["8", "9", "1"]

    def test_so_do_findings(self):
        known = [have(name, state="paused") for name in "cab"]
        declared = [want(name, **ACTIVATED) for name in "bca"]
        assert told(plan(declared, known)).blocked == ("unknown-state a", "unknown-state b", "unknown-state c")


class TestAccounts:
    """Those with a `not_after` in the plan first, earliest first; then the others; ties by account_id."""

    def order(self, known, declared):
        return [name_of(step.account_id) for step in plan(declared, known).steps]

    def test_in_the_rules_order(self):
        known = [
            has("a", have("p", **ACTIVATED)),
            has("b", have("p", state="cancelled", to="2026-12-03")),
            has("c", have("p", state="cancelled", to="2026-12-02")),
            has("d", have("p", state="cancelled")),
            has("e", have("p", state="cancelled", to="2026-12-03")),
        ]
        declared = [wants("a", want("p", **DEACTIVATED)), *(wants(name, want("p", **ACTIVATED)) for name in "bcde")]
        assert self.order(known, declared) == ["c", "b", "e", "a", "d"]

    def test_an_account_counts_by_its_earliest(self):
        known = [
            has("a", have("p", state="cancelled", to="2026-12-03")),
            has("b", have("p", state="cancelled", to="2026-12-09"), have("q", state="cancelled", to="2026-12-02")),
        ]
        declared = [
            wants("a", want("p", **ACTIVATED)),
            wants("b", want("p", **ACTIVATED), want("q", **ACTIVATED)),
        ]
        assert self.order(known, declared) == ["b", "b", "a"]

    def test_a_blocked_or_deferred_reactivate_gives_no_precedence(self):
        known = [
            has("a", have("p", **ACTIVATED)),
            has("b", have("p", state="cancelled", to="2026-12-02", service="kayak"), have("q", **ACTIVATED)),
            has("c", have("p", user=None, state="cancelled", to="2026-12-02")),
        ]
        declared = [
            wants("a", want("p", number="7")),
            wants("b", want("p", **ACTIVATED), want("q", number="7")),
            wants("c", want("p", **ACTIVATED, to="2027-12-01")),
        ]
        assert self.order(known, declared) == ["a", "b", "c"]

    def test_the_accounts_of_the_plan_stand_in_the_same_order(self):
        known = [has("a", have("p", **ACTIVATED)), has("b", have("p", **CANCELLED))]
        made = plan([wants("a", want("p", **DEACTIVATED)), wants("b", want("p", **ACTIVATED))], known)
        assert [name_of(account.account_id) for account in made.accounts] == ["b", "a"]

    def test_an_account_s_steps_stand_together(self):
        known = [has(name, have("p", **CANCELLED), have("q", **ACTIVATED)) for name in "abc"]
        declared = [wants(name, want("p", **ACTIVATED), want("q", **DEACTIVATED)) for name in "abc"]
        assert self.order(known, declared) == ["a", "a", "b", "b", "c", "c"]


def test_nobody_loses_the_old_subscription_before_the_new_one_stands():
    known = {"a": have("a", **ACTIVATED), "b": have("b", **CANCELLED), "c": have("c", state="deactivated", to=LATER)}
    declared = {"a": want("a", **DEACTIVATED), "b": want("b", **ACTIVATED), "c": want("c", **ACTIVATED)}
    for names in permutations("abc"):
        made = plan([declared[name] for name in names], [known[name] for name in names])
        assert told(made).steps == ("reactivate b", "update c: state", "update a: state")
