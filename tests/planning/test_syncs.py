"""Syncs: asked for by a word, due while it isn't the one recorded as done."""

import pytest
from support.planning import Told, account_id, doubt, has, have, only_step, plan, told, want, wants

from reconciler.operations import SYNCS
from reconciler.plan import FieldChange

ACTIVATED = {"state": "activated"}
BOTH = {"subscriptions": "2026-11-24 renumbering", "address": "1"}


@pytest.mark.parametrize(
    ("synced", "asked", "steps"),
    [
        ({}, {"address": "1"}, ("sync_address",)),
        ({}, {"subscriptions": "1"}, ("sync_subscriptions",)),
        ({}, BOTH, ("sync_address", "sync_subscriptions")),
        ({"address": "1"}, BOTH, ("sync_subscriptions",)),
        (BOTH, BOTH, ()),
        ({"address": "1"}, {"address": "2"}, ("sync_address",)),
        ({"address": "2"}, {"address": "1"}, ("sync_address",)),
        ({"subscriptions": "1"}, {"address": "1"}, ("sync_address",)),
        ({"address": "1"}, {"address": "1 "}, ("sync_address",)),
        (BOTH, {}, ()),
    ],
)
def test_due_while_the_word_differs_from_the_one_done(synced, asked, steps):
    made = plan([wants("x", customer="7", sync=asked)], [has("x", customer="7", synced=synced)])
    assert told(made) == Told(steps=steps)


def test_due_on_an_account_that_nothing_is_known_of():
    assert told(plan([wants("x", customer="7", sync=BOTH)], [])).steps == ("sync_address", "sync_subscriptions")


@pytest.mark.parametrize("kind", list(SYNCS))
def test_a_sync_step(kind):
    step = only_step(plan([wants("x", customer="007", sync={kind: "2"})], [has("x", synced={kind: "1"})]))
    assert dict(step.request.body) == {"customer_number": "007"}
    assert (step.account_id, step.product_id, step.user_product_id) == (account_id("x"), None, None)
    assert step.customer_number == "007"
    assert (step.impact, step.reversible, step.not_after) == ("neutral", False, None)
    assert step.changes == (FieldChange(f"sync.{kind}", "1", "2"),)


def test_the_number_stands_only_on_syncs():
    made = plan([wants("x", want("a", **ACTIVATED), customer="7", sync={"address": "1"})], [])
    assert [(step.action, step.customer_number) for step in made.steps] == [("update", None), ("sync_address", "7")]


def test_a_step_and_a_block_point_at_their_lines():
    declared = wants("x", customer="7", sync=BOTH, line=2, fields={"customer_number": 4, "sync.address": 6})
    made = plan([declared], [has("x")])
    assert [(step.action, step.source.line) for step in made.steps] == [("sync_address", 6), ("sync_subscriptions", 2)]
    [blocked] = plan([declared], [has("x", customer="8")]).blocked
    assert (blocked.source.file, blocked.source.line) == ("manifests/x.yaml", 4)


class TestCustomerNumber:
    def test_a_mismatch_is_one_entry_about_the_account(self):
        [blocked] = plan([wants("x", customer="7", sync=BOTH)], [has("x", customer="8")]).blocked
        assert (blocked.account_id, blocked.product_id, blocked.user_product_id) == (account_id("x"), None, None)
        assert "7" in blocked.message
        assert "8" in blocked.message

    def test_known_to_have_none_is_a_mismatch(self):
        made = plan([wants("x", customer="7", sync=BOTH)], [has("x", customer=None)])
        assert told(made) == Told(blocked=("customer-number-mismatch",))

    def test_numbers_are_texts(self):
        made = plan([wants("x", customer="07", sync=BOTH)], [has("x", customer="7")])
        assert told(made).blocked == ("customer-number-mismatch",)

    def test_a_mismatch_withholds_nothing(self):
        known = has("x", have("a", **ACTIVATED), have("b", state="deactivated", to="2027-01-01"), customer="8")
        declared = wants("x", want("a", state="deactivated"), want("b", **ACTIVATED), customer="7", sync=BOTH)
        assert told(plan([declared], [known])).steps == ("update b: state", "update a: state")


class TestInDoubt:
    def test_a_sync_in_doubt_is_blocked_until_it_is_settled(self):
        made = told(plan([wants("x", customer="7", sync=BOTH)], [has("x", doubts=[doubt("sync_address", user=None)])]))
        assert (made.blocked, made.steps) == (("in-doubt",), ("sync_subscriptions",))

    def test_products_and_other_accounts_go_on(self):
        known = [has("x", have("a", **ACTIVATED), doubts=[doubt("sync_address", user=None)]), has("y")]
        declared = [wants("x", want("a", state="deactivated")), wants("y", customer="7", sync={"address": "1"})]
        assert told(plan(declared, known)) == Told(steps=("update a: state", "sync_address"))

    def test_nothing_is_said_of_a_sync_that_isn_t_due(self):
        known = has("x", synced=BOTH, doubts=[doubt("sync_address", user=None)])
        assert told(plan([wants("x", customer="7", sync=BOTH)], [known])) == Told()


def test_every_due_sync_warns_that_it_may_overwrite_declared_fields():
    declared = wants("x", want("a", **ACTIVATED), customer="7", sync=BOTH)
    made = plan([declared], [has("x", have("a", **ACTIVATED))])
    assert told(made).warnings == ("sync-may-overwrite", "sync-may-overwrite")
