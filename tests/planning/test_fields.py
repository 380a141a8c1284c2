"""When a field makes a call due, what the call then sends, and what of it can be taken back."""

import pytest
from support.planning import (
    Told,
    account_id,
    has,
    have,
    only_step,
    plan,
    product_id,
    told,
    user_product_id,
    want,
    wants,
)

from reconciler.model import UNKNOWN, Source
from reconciler.operations import body_bytes

ACTIVATED = {"state": "activated"}
WHOLE = {"type": "limited", "state": "activated", "frm": "2026-01-01", "to": "2026-12-01"}


@pytest.mark.parametrize(
    ("known", "declared", "steps"),
    [
        ({"type": "limited"}, {"type": "recurring"}, ("update a: subscription_type",)),
        ({"type": "limited"}, {"type": "limited"}, ()),
        ({"type": None}, {"type": "limited"}, ("update a: subscription_type",)),
        ({"type": UNKNOWN}, {"type": "limited"}, ("update a: subscription_type",)),
        ({"type": "gift"}, {"type": "limited"}, ("update a: subscription_type",)),
        ({"frm": "2026-01-01"}, {"frm": "2026-01-02"}, ("update a: valid_from",)),
        ({"frm": "2026-01-01"}, {"frm": "2026-01-01"}, ()),
        ({"frm": None}, {"frm": "2026-01-01"}, ("update a: valid_from",)),
        ({"frm": UNKNOWN}, {"frm": "2026-01-01"}, ("update a: valid_from",)),
        ({"to": "2026-12-01"}, {"to": "2026-12-02"}, ("update a: valid_to",)),
        ({"to": "2026-12-01"}, {"to": "2026-12-01"}, ()),
        ({"to": None}, {"to": "2026-12-01"}, ("update a: valid_to",)),
        ({"to": UNKNOWN}, {"to": "2026-12-01"}, ("update a: valid_to",)),
        ({"to": "2026-12-01"}, {}, ()),
        ({"number": "7"}, {"number": "8"}, ("subscription_number a",)),
        ({"number": "7"}, {"number": "7"}, ()),
        ({"number": "7"}, {"number": "07"}, ("subscription_number a",)),
        ({"number": None}, {"number": "7"}, ("subscription_number a",)),
        ({"number": UNKNOWN}, {"number": "7"}, ("subscription_number a",)),
        ({"number": "7"}, {}, ()),
        ({"service": "tulo"}, {}, ()),
    ],
)
def test_a_declared_field_that_differs_makes_its_call_due(known, declared, steps):
    assert told(plan([want("a", **declared)], [have("a", **known)])).steps == steps


class TestTimes:
    """Times differ when their instants differ at minute precision."""

    @pytest.mark.parametrize(
        ("known", "declared", "differs"),
        [
            ("2026-12-01T00:00:00Z", "2026-12-01 01:00 +0100", False),
            ("2026-12-01T00:00:45Z", "2026-12-01 01:00 +0100", False),
            ("2026-12-01T00:00:59.999Z", "2026-12-01T00:00Z", False),
            ("2026-12-01T00:01:00Z", "2026-12-01 01:00 +0100", True),
            ("2026-11-30T23:59:59Z", "2026-12-01 01:00 +0100", True),
            ("2026-12-01T02:00:00+02:00", "2026-11-30 19:00 -0500", False),
            ("2026-12-01T00:00:00+01:00", "2026-12-01 00:00 +0000", True),
        ],
    )
    @pytest.mark.parametrize("end", ["frm", "to"])
    def test_compared(self, end, known, declared, differs):
        made = plan([want("a", **{end: declared})], [have("a", **{end: known})])
        assert bool(made.steps) is differs

    def test_are_sent_with_the_manifest_s_own_offset(self):
        step = only_step(plan([want("a", frm="2026-12-01 01:00 +0100", to="2027-12-01T05:30-03:30")], [have("a")]))
        assert step.request.body["valid_from"] == "2026-12-01 01:00 +0100"
        assert step.request.body["valid_to"] == "2027-12-01 05:30 -0330"

    def test_are_shown_as_instants_in_changes(self):
        step = only_step(plan([want("a", to="2027-12-01 01:00 +0100")], [have("a", to="2026-12-01T00:00:45Z")]))
        [change] = step.changes
        assert (change.before, change.after) == ("2026-12-01T00:00:00Z", "2027-12-01T00:00:00Z")


class TestBodies:
    def test_update_sends_every_declared_field_in_the_rules_order(self):
        declared = want("a", user="u", number="7", **WHOLE | {"to": "2027-12-01"})
        update = plan([declared], [have("a", user="u", number="7", **WHOLE)]).steps[0]
        assert list(update.request.body.items()) == [
            ("account_id", account_id("x")),
            ("product_id", product_id("a")),
            ("subscription_type", "limited"),
            ("state", "activated"),
            ("valid_from", "2026-01-01 00:00 +0000"),
            ("valid_to", "2027-12-01 00:00 +0000"),
        ]
        assert (update.request.method, update.request.path) == ("PUT", "/external/api/v1/userproducts")

    @pytest.mark.parametrize("left_out", ["type", "state", "frm"])
    def test_an_undeclared_field_is_never_sent(self, left_out):
        declared = {name: value for name, value in WHOLE.items() if name != left_out} | {"to": "2027-12-01"}
        sent = {"type": "subscription_type", "state": "state", "frm": "valid_from"}[left_out]
        body = only_step(plan([want("a", **declared)], [have("a", **WHOLE)])).request.body
        assert sent not in body
        assert len(body) == 5

    def test_reactivate(self):
        known = have("a", user="u", state="cancelled", to="2026-12-01")
        step = only_step(plan([want("a", state="activated")], [known]))
        assert body_bytes(step.request).decode() == (
            f'{{"account_id":"{account_id("x")}","user_product_id":"{user_product_id("u")}"}}'
        )

    def test_subscription_number_keeps_leading_zeros(self):
        step = only_step(plan([want("a", user="u", number="0012345670")], [have("a", user="u")]))
        assert list(step.request.body.items()) == [
            ("account_id", account_id("x")),
            ("user_product_id", user_product_id("u")),
            ("subscription_number", "0012345670"),
        ]

    def test_the_declared_product_id_is_what_update_addresses(self):
        known = have(None, user="u", state="activated")
        step = only_step(plan([want("a", user="u", state="deactivated")], [known]))
        assert step.request.body["product_id"] == product_id("a")


class TestChanges:
    def test_only_what_differs(self):
        made = plan([want("a", **WHOLE | {"to": "2027-12-01"})], [have("a", **WHOLE)])
        assert [(c.field, c.before, c.after) for c in only_step(made).changes] == [
            ("valid_to", "2026-12-01T00:00:00Z", "2027-12-01T00:00:00Z")
        ]

    def test_reactivate_claims_the_state(self):
        made = plan([want("a", state="activated")], [have("a", state="cancelled", to="2026-12-01")])
        assert [(c.field, c.before, c.after) for c in only_step(made).changes] == [("state", "cancelled", "activated")]

    def test_the_calls_of_one_product_never_overlap(self):
        known = have("a", state="cancelled", type="limited", frm="2026-01-01", to="2026-12-01", number="6")
        declared = want("a", state="activated", type="recurring", frm="2026-02-01", to="2027-12-01", number="7")
        made = plan([declared], [known])
        assert [(step.action, [c.field for c in step.changes]) for step in made.steps] == [
            ("reactivate", ["state"]),
            ("update", ["subscription_type", "valid_from", "valid_to"]),
            ("subscription_number", ["subscription_number"]),
        ]

    @pytest.mark.parametrize("state", ["pending", "frozen"])
    def test_a_state_that_the_table_leaves_alone_is_no_change(self, state):
        made = plan([want("a", state="activated", to="2027-12-01")], [have("a", state=state, to="2026-12-01")])
        assert [c.field for c in only_step(made).changes] == ["valid_to"]

    def test_an_ended_state_is_no_change(self):
        known = have("a", state="deactivated", to="2026-11-01", type="limited")
        made = plan([want("a", state="activated", type="recurring")], [known])
        assert [c.field for c in only_step(made).changes] == ["subscription_type"]


class TestReversible:
    """False for `reactivate`, both syncs, a number set where none was known, an `update` with an unknown before."""

    @pytest.mark.parametrize(
        ("known", "declared", "reversible"),
        [
            ({"state": "cancelled", "to": "2026-12-01"}, {"state": "activated"}, False),
            ({"number": "6"}, {"number": "7"}, True),
            ({"number": None}, {"number": "7"}, False),
            ({"number": UNKNOWN}, {"number": "7"}, False),
            ({"state": "activated"}, {"state": "deactivated"}, True),
            ({"state": "deactivated", "to": "2027-01-01"}, {"state": "activated"}, True),
            ({"to": "2026-12-01"}, {"to": "2027-12-01"}, True),
            ({"to": UNKNOWN}, {"to": "2027-12-01"}, False),
            ({"frm": UNKNOWN, "to": "2026-12-01"}, {"frm": "2026-01-01", "to": "2027-12-01"}, False),
            ({"type": UNKNOWN}, {"type": "limited"}, False),
            ({"type": "recurring"}, {"type": "limited"}, True),
            ({"state": UNKNOWN}, {"state": "deactivated"}, False),
            # What no call can set can't come back either.
            ({"to": None}, {"to": "2027-12-01"}, False),
            ({"type": "gift"}, {"type": "limited"}, False),
            ({"state": "cancelled"}, {"state": "deactivated"}, False),
            ({"state": "pending"}, {"state": "deactivated"}, False),
            ({"state": "frozen"}, {"state": "deactivated"}, False),
            ({"state": "paused"}, {"state": "deactivated"}, False),
            # A field whose before isn't known matters only where it changes.
            ({"state": "activated", "type": UNKNOWN}, {"state": "deactivated"}, True),
        ],
    )
    def test_of_a_known_product(self, known, declared, reversible):
        made = plan([want("a", **declared)], [have("a", **known)])
        assert only_step(made).reversible is reversible

    def test_of_an_adopted_product(self):
        assert only_step(plan([want("a", state="activated")], [])).reversible is False

    def test_of_syncs(self):
        made = plan([wants("x", customer="1", sync={"address": "1", "subscriptions": "1"})], [has("x")])
        assert [step.reversible for step in made.steps] == [False, False]


class TestWhereAndWhy:
    def test_a_step_points_at_the_list_item_of_its_product(self):
        made = plan([want("a", state="deactivated", line=9, fields={"state": 11})], [have("a", state="activated")])
        assert only_step(made).source == Source("manifests/a.yaml", 9, {"state": 11})

    def test_with_the_lines_of_what_its_call_is_about(self):
        lines = {"product_id": 9, "state": 10, "valid_to": 11, "subscription_number": 12}
        declared = want("a", **ACTIVATED, to="2027-12-01", number="7", line=9, fields=lines)
        made = plan([declared], [have("a", **ACTIVATED, to="2026-12-01", number="6")])
        assert {step.action: dict(step.source.fields) for step in made.steps} == {
            "update": {"product_id": 9, "state": 10, "valid_to": 11},
            "subscription_number": {"subscription_number": 12},
        }

    def test_a_block_and_a_warning_too(self):
        made = plan(
            [want("a", state="activated", line=9), want("b", state="activated", line=12)],
            [have("a", state="paused"), have("b", state="frozen")],
        )
        assert [finding.source.line for finding in (*made.blocked, *made.warnings)] == [9, 12]

    def test_every_step_has_a_reason_and_the_digest_of_its_known_account(self):
        known = has("x", have("a", state="cancelled", to="2026-12-01"), observed_at="2026-11-24T09:00:00Z")
        step = only_step(plan([want("a", state="activated")], [known]))
        assert step.reason == "cancelled, term runs until 2026-12-01"
        assert step.known == known.digest()

    def test_what_is_not_known_has_a_digest_too(self):
        step = only_step(plan([want("a", state="activated")], []))
        assert step.known.startswith("sha256:")
        assert step.known == has("x").digest()

    def test_not_after_stands_only_on_a_reactivate(self):
        known = have("a", state="cancelled", to="2026-12-01")
        made = plan([want("a", state="activated", to="2027-12-01", number="7")], [known])
        assert [step.not_after is None for step in made.steps] == [False, True, True]


def test_nothing_declared_and_nothing_known_is_an_empty_plan():
    assert told(plan()) == Told()
