"""What each call does to a reader's access: the impact table of the rules with its edges."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from support.planning import (
    NOW,
    NOW_TEXT,
    account_id,
    has,
    have,
    impacts,
    minute,
    only_step,
    plan,
    told,
    user_product_id,
    want,
    wants,
)

from reconciler.model import UNKNOWN
from reconciler.plan import IMPACTS

NOW_AND_A_MINUTE = "2026-11-24 10:01 +0000"
SOON, LATER, PAST, LONG_PAST = "2026-12-01", "2027-12-01", "2026-11-01", "2026-01-01"


@dataclass(frozen=True)
class Row:
    row: str
    known: dict
    declared: dict
    impacts: tuple


ROWS = [
    # grant: none before, some after
    Row("deactivated to activated, end later", {"state": "deactivated", "to": SOON}, {"state": "activated"},
        ("grant",)),
    Row("deactivated to activated, end open", {"state": "deactivated"}, {"state": "activated"}, ("grant",)),
    Row("lapsed to activated for a new term", {"state": "cancelled", "to": PAST}, {"state": "activated", "to": LATER},
        ("grant",)),
    Row("activated, over, gets a new term", {"state": "activated", "to": PAST}, {"to": LATER}, ("grant",)),
    Row("activated, over since this minute", {"state": "activated", "to": NOW_TEXT}, {"to": LATER}, ("grant",)),
    Row("frozen, over, gets a new term", {"state": "frozen", "to": PAST}, {"to": LATER}, ("grant",)),
    Row("reactivate of a running term", {"state": "cancelled", "to": SOON}, {"state": "activated"}, ("grant",)),
    Row("reactivate, end unknown", {"state": "cancelled"}, {"state": "activated"}, ("grant",)),
    Row("deactivated to activated, starting later", {"state": "deactivated", "frm": SOON, "to": LATER},
        {"state": "activated"}, ("grant",)),
    # extend: nothing lost, something gained
    Row("activated to later", {"state": "activated", "to": SOON}, {"to": LATER}, ("extend",)),
    Row("activated, a minute more", {"state": "activated", "to": NOW_TEXT.replace("10:00", "10:01")},
        {"to": NOW_TEXT.replace("10:00", "10:02")}, ("extend",)),
    Row("pending from earlier", {"state": "pending", "frm": "2027-01-01", "to": LATER}, {"frm": SOON}, ("extend",)),
    Row("pending to later", {"state": "pending", "frm": "2027-01-01", "to": LATER}, {"to": "2028-12-01"}, ("extend",)),
    Row("cancelled to later, no state", {"state": "cancelled", "to": SOON}, {"to": LATER}, ("extend",)),
    Row("frozen to later", {"state": "frozen", "to": SOON}, {"to": LATER}, ("extend",)),
    Row("activated from the future, from now on", {"state": "activated", "frm": SOON, "to": LATER}, {"frm": PAST},
        ("extend",)),
    Row("update after a reactivate, to later", {"state": "cancelled", "to": SOON}, {"state": "activated", "to": LATER},
        ("grant", "extend")),
    Row("an unknown word counts as access: to later", {"state": "paused", "to": SOON}, {"to": LATER}, ("extend",)),
    Row("an unknown state counts as access: to later", {"to": SOON}, {"to": LATER}, ("extend",)),
    Row("an unknown state counts as access: activated, to later", {"to": SOON}, {"state": "activated", "to": LATER},
        ("extend",)),
    # neutral: the same
    Row("type alone", {"state": "activated", "type": "limited", "to": SOON}, {"type": "recurring"}, ("neutral",)),
    Row("the past is over: from", {"state": "activated", "frm": LONG_PAST, "to": SOON}, {"frm": PAST}, ("neutral",)),
    Row("the past is over: from unknown to past", {"state": "activated", "to": SOON}, {"frm": PAST}, ("neutral",)),
    Row("the past is over: from now", {"state": "activated", "frm": PAST, "to": SOON}, {"frm": NOW_TEXT}, ("neutral",)),
    Row("the past is over: to", {"state": "activated", "to": LONG_PAST}, {"to": PAST}, ("neutral",)),
    Row("deactivated, another window", {"state": "deactivated", "to": SOON}, {"to": LATER}, ("neutral",)),
    Row("deactivated, a shorter window", {"state": "deactivated", "to": LATER}, {"to": SOON}, ("neutral",)),
    Row("lapsed counts as none until state changes", {"state": "cancelled", "to": PAST}, {"to": LATER}, ("neutral",)),
    Row("lapsed and ended, type alone", {"state": "cancelled", "to": PAST, "type": "limited"},
        {"state": "activated", "type": "recurring"}, ("neutral",)),
    Row("over already, deactivated", {"state": "activated", "to": PAST}, {"state": "deactivated"}, ("neutral",)),
    Row("unknown state, over already, deactivated", {"to": PAST}, {"state": "deactivated"}, ("neutral",)),
    Row("unknown state counts as access: activated", {}, {"state": "activated"}, ("neutral",)),
    Row("empty state counts as access: activated", {"state": None}, {"state": "activated"}, ("neutral",)),
    Row("unknown state counts as access: activated, known window", {"frm": PAST, "to": SOON}, {"state": "activated"},
        ("neutral",)),
    Row("number", {"number": "6"}, {"number": "7"}, ("neutral",)),
    Row("update after a reactivate, type alone", {"state": "cancelled", "to": SOON, "type": "limited"},
        {"state": "activated", "type": "recurring"}, ("grant", "neutral")),
    # shorten: something lost, something left
    Row("activated to earlier", {"state": "activated", "to": LATER}, {"to": SOON}, ("shorten",)),
    Row("activated, a minute is left", {"state": "activated", "to": SOON}, {"to": NOW_AND_A_MINUTE}, ("shorten",)),
    Row("an unknown end is open", {"state": "activated"}, {"to": LATER}, ("shorten",)),
    Row("an empty end is open", {"state": "activated", "to": None}, {"to": LATER}, ("shorten",)),
    Row("an unknown start is open", {"state": "activated", "to": LATER}, {"frm": SOON}, ("shorten",)),
    Row("pending from later", {"state": "pending", "frm": SOON, "to": LATER}, {"frm": "2027-01-01"}, ("shorten",)),
    Row("activated from later", {"state": "activated", "frm": PAST, "to": LATER}, {"frm": SOON}, ("shorten",)),
    Row("a start a minute from now", {"state": "activated", "frm": PAST, "to": LATER}, {"frm": NOW_AND_A_MINUTE},
        ("shorten",)),
    Row("gained and lost", {"state": "activated", "frm": PAST, "to": SOON}, {"frm": "2026-11-28", "to": LATER},
        ("shorten",)),
    Row("gained and lost, pending", {"state": "pending", "frm": "2027-01-01", "to": LATER},
        {"frm": "2027-02-01", "to": "2028-12-01"}, ("shorten",)),
    Row("gained and lost, nothing in common", {"state": "pending", "frm": "2027-01-01", "to": "2027-02-01"},
        {"frm": "2028-01-01", "to": "2028-02-01"}, ("shorten",)),
    Row("frozen to earlier", {"state": "frozen", "to": LATER}, {"to": SOON}, ("shorten",)),
    Row("cancelled to earlier", {"state": "cancelled", "to": SOON}, {"to": "2026-11-28"}, ("shorten",)),
    Row("unknown word to earlier", {"state": "paused", "to": LATER}, {"to": SOON}, ("shorten",)),
    Row("unknown state and end", {}, {"state": "activated", "to": LATER}, ("shorten",)),
    Row("update after a reactivate, to earlier", {"state": "cancelled", "to": SOON},
        {"state": "activated", "to": "2026-11-28"}, ("grant", "shorten")),
    # revoke: some before, none left
    Row("activated to deactivated", {"state": "activated", "to": SOON}, {"state": "deactivated"}, ("revoke",)),
    Row("activated, open, to deactivated", {"state": "activated"}, {"state": "deactivated"}, ("revoke",)),
    Row("pending to deactivated", {"state": "pending", "frm": SOON}, {"state": "deactivated"}, ("revoke",)),
    Row("cancelled to deactivated", {"state": "cancelled", "to": SOON}, {"state": "deactivated"}, ("revoke",)),
    Row("frozen to deactivated", {"state": "frozen"}, {"state": "deactivated"}, ("revoke",)),
    Row("unknown word to deactivated", {"state": "paused"}, {"state": "deactivated"}, ("revoke",)),
    Row("unknown state to deactivated", {"state": UNKNOWN}, {"state": "deactivated"}, ("revoke",)),
    Row("empty state to deactivated", {"state": None}, {"state": "deactivated"}, ("revoke",)),
    Row("activated to past", {"state": "activated", "to": SOON}, {"to": PAST}, ("revoke",)),
    Row("activated to this minute", {"state": "activated", "to": SOON}, {"to": NOW_TEXT}, ("revoke",)),
    Row("deactivated with a longer window", {"state": "activated", "to": SOON}, {"state": "deactivated", "to": LATER},
        ("revoke",)),
]  # fmt: skip

ADOPTED = [
    Row("activated, open", {}, {"state": "activated"}, ("grant",)),
    Row("activated, to later", {}, {"state": "activated", "to": LATER}, ("grant",)),
    Row("activated, from later", {}, {"state": "activated", "frm": SOON}, ("grant",)),
    Row("activated, with type and number", {}, {"state": "activated", "type": "limited", "user": "u", "number": "7"},
        ("grant", "neutral")),
    Row("type alone", {}, {"type": "limited"}, ("neutral",)),
    Row("type and number", {}, {"type": "limited", "user": "u", "number": "7"}, ("neutral", "neutral")),
    Row("number alone", {}, {"user": "u", "number": "7"}, ("neutral",)),
    Row("deactivated", {}, {"state": "deactivated"}, ("revoke",)),
    Row("an end alone", {}, {"to": LATER}, ("revoke",)),
    Row("a start alone", {}, {"frm": PAST}, ("revoke",)),
    Row("type and an end", {}, {"type": "limited", "to": LATER}, ("revoke",)),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
def test_impact(row):
    made = plan([want("a", **row.declared)], [have("a", **row.known)])
    assert (tuple(impacts(made)), told(made).blocked) == (row.impacts, ())


@pytest.mark.parametrize("row", ADOPTED, ids=lambda row: row.row)
def test_impact_on_an_adopted_product(row):
    assert tuple(impacts(plan([want("a", **row.declared)], []))) == row.impacts


def test_every_impact_has_rows():
    assert {impact for row in ROWS for impact in row.impacts} == set(IMPACTS)


def test_syncs_are_neutral():
    made = plan([wants("x", customer="1", sync={"address": "1", "subscriptions": "1"})], [has("x")])
    assert impacts(made) == ["neutral", "neutral"]


@pytest.mark.parametrize("type", ["recurring", "limited", UNKNOWN])
def test_a_reactivated_term_goes_on_at_least_to_its_end(type):
    known = have("a", state="cancelled", to=SOON, type=type)
    assert impacts(plan([want("a", state="activated", to=LATER)], [known])) == ["grant", "extend"]


class TestAccessWindows:
    """``accounts``: what readers of the plan see of each product with steps, before and after all of them."""

    def test_before_and_after(self):
        known = have("a", state="activated", frm="2025-12-01", to=SOON)
        [account] = plan([want("a", to=LATER)], [known]).accounts
        [product] = account.user_products
        assert product.before == ((minute("2025-12-01"), minute(SOON)),)
        assert product.after == ((minute("2025-12-01"), minute(LATER)),)

    def test_no_access_is_no_window(self):
        made = plan([want("a", state="deactivated")], [have("a", state="activated", to=SOON)])
        [product] = made.accounts[0].user_products
        assert (product.before, product.after) == (((None, minute(SOON)),), ())

    def test_unknown_access_is_null(self):
        [product] = plan([want("a", state="deactivated")], []).accounts[0].user_products
        assert (product.before, product.after) == (None, ())

    @pytest.mark.parametrize(
        ("type", "declared", "after_end"),
        [
            # A recurring subscription renews itself once its cancellation is taken back.
            ("recurring", {}, None),
            (UNKNOWN, {}, None),
            ("limited", {}, SOON),
            ("limited", {"type": "recurring"}, None),
            ("recurring", {"type": "limited"}, SOON),
            ("recurring", {"to": LATER}, LATER),
            ("limited", {"to": LATER}, LATER),
        ],
    )
    def test_after_a_reactivate(self, type, declared, after_end):
        known = have("a", state="cancelled", type=type, frm="2025-12-01", to=SOON)
        [account] = plan([want("a", state="activated", **declared)], [known]).accounts
        [product] = account.user_products
        assert product.before == ((minute("2025-12-01"), minute(SOON)),)
        assert product.after == ((minute("2025-12-01"), None if after_end is None else minute(after_end)),)

    def test_a_deferred_reactivate_changes_no_access_yet(self):
        known = have("a", user=None, state="cancelled", type="limited", frm="2025-12-01", to=SOON)
        made = plan([want("a", state="activated", type="recurring")], [known])
        [product] = made.accounts[0].user_products
        assert product.before == product.after == ((minute("2025-12-01"), minute(SOON)),)

    def test_a_withheld_update_changes_no_access(self):
        known = [
            have("a", state="cancelled", type="limited", to=SOON),
            have("z", state="cancelled", to=SOON, service="kayak"),
        ]
        made = plan([want("a", state="activated", to="2026-11-28"), want("z", state="activated")], known)
        assert told(made).steps == ("reactivate a",)
        [product] = made.accounts[0].user_products
        assert product.after == ((None, minute(SOON)),)

    def test_only_products_with_steps_are_listed_with_their_account(self):
        made = plan(
            [
                wants("x", want("a", state="deactivated"), want("b", state="activated"), customer="1", owner="me",
                      labels={"b": "2", "a": "1"}),
                wants("y", want("c", state="activated")),
            ],
            [
                has("x", have("a", state="activated"), have("b", state="activated")),
                has("y", have("c", state="activated")),
            ],
        )  # fmt: skip
        [account] = made.accounts
        assert (account.account_id, account.customer_number, account.owner) == (account_id("x"), "1", "me")
        assert dict(account.labels) == {"a": "1", "b": "2"}
        assert [product.user_product_id for product in account.user_products] == [user_product_id("a")]

    def test_an_account_with_a_sync_alone_is_listed_too(self):
        made = plan([wants("x", customer="1", sync={"address": "1"})], [has("x")])
        assert [(a.account_id, a.user_products) for a in made.accounts] == [(account_id("x"), ())]


def test_impact_is_judged_from_now_on():
    known, declared = [have("a", state="activated", to=SOON)], [want("a", to="2026-11-24 10:05 +0000")]
    assert only_step(plan(declared, known)).impact == "shorten"
    assert only_step(plan(declared, known, now=NOW + timedelta(minutes=5))).impact == "revoke"
