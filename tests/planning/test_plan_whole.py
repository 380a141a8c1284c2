"""A plan as a whole: its head, its summary, its sameness."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from support.planning import CONTEXT, HOST, NOW, has, have, plan, want, wants

from reconciler.model import KnownHead
from reconciler.plan import ManifestsInfo
from reconciler.planfile import plan_text, seal

SOON, LATER = "2026-12-01", "2027-12-01"
ACTIVATED, DEACTIVATED = {"state": "activated"}, {"state": "deactivated"}


class TestHead:
    def test_of_the_context(self):
        made = plan(revision="abc123")
        assert (made.environment, made.host, made.what_if) == ("stage", HOST, False)
        assert (made.as_of, made.expires_at) == ("2026-11-24T10:00:00Z", "2026-11-25T10:00:00Z")
        assert made.manifests.revision == "abc123"

    def test_times_are_of_the_second_in_utc(self):
        now = datetime(2026, 11, 24, 11, 0, 59, 999_999, tzinfo=timezone(timedelta(hours=1)))
        made = plan(now=now, max_plan_age=timedelta(minutes=90))
        assert (made.as_of, made.expires_at) == ("2026-11-24T10:00:59Z", "2026-11-24T11:30:59Z")

    def test_a_what_if_says_so(self):
        assert plan(what_if=True).what_if is True

    def test_of_the_manifests(self):
        made = plan([wants("x", want("a"), want("b")), wants("y"), wants("z", want("c"))], select=("owner=me",))
        digest = made.manifests.digest
        assert made.manifests == ManifestsInfo(digest, None, accounts=3, user_products=3, select=("owner=me",))

    def test_of_known_state(self):
        head = KnownHead("stage", "ab" * 16, 12, "2026-11-01T00:00:00Z")
        known = [has("x", observed_at="2026-11-20T00:00:00Z"), has("y", observed_at="2026-11-19T23:00:00Z"), has("z")]
        made = plan([wants("x"), wants("y"), wants("z")], known, head=head)
        assert (made.known_state.lineage, made.known_state.serial) == ("ab" * 16, 12)
        assert made.known_state.oldest_observation == "2026-11-19T23:00:00Z"

    def test_the_oldest_observation_of_undeclared_accounts_says_nothing(self):
        known = [has("x", observed_at="2026-11-20T00:00:00Z"), has("y", observed_at="2026-11-01T00:00:00Z")]
        assert plan([wants("x")], known).known_state.oldest_observation == "2026-11-20T00:00:00Z"

    def test_where_no_account_says_when_the_store_does(self):
        head = KnownHead("stage", observed_at="2026-11-01T00:00:00Z")
        assert plan([wants("x")], [has("x")], head=head).known_state.oldest_observation == "2026-11-01T00:00:00Z"

    def test_a_snapshot_without_lineage_and_serial(self):
        made = plan(head=KnownHead("stage"))
        assert (made.known_state.lineage, made.known_state.serial) == (None, None)


def test_summary():
    known = [
        has("w", have("a"), have("b")),
        has(
            "x",
            have("a", state="cancelled", to=SOON),
            have("b", **ACTIVATED, to=SOON),
            have("c", **ACTIVATED),
            have("d", **ACTIVATED),
            have("e", state="frozen"),
            have("f", **ACTIVATED),
        ),
        has("y", have("a", state="paused"), have("b", **ACTIVATED, to=LATER), synced={"address": "1"}),
    ]
    declared = [
        wants(
            "x",
            want("a", **ACTIVATED, to=LATER),
            want("b", to=LATER),
            want("c", **DEACTIVATED),
            want("d", **ACTIVATED),
            want("e", **ACTIVATED),
            want("g", **ACTIVATED, number="7"),
            customer="1",
            sync={"address": "1"},
        ),
        wants(
            "y",
            want("a", **ACTIVATED),
            want("b", to=SOON),
            customer="2",
            sync={"address": "1", "subscriptions": "1"},
        ),
    ]
    made = plan(declared, known)
    assert dict(made.summary) == {
        "update": 4,  # a, b, c and g of x; b of y is withheld
        "reactivate": 1,
        "subscription_number": 0,
        "sync_address": 1,
        "sync_subscriptions": 1,
        "unchanged": 2,  # d, e of x
        "adopted": 1,
        "unmanaged": 3,
        "deferred": 1,
        "blocked": 2,  # a of y, and b of y withheld
        "impact": {"grant": 2, "extend": 2, "neutral": 2, "shorten": 0, "revoke": 1},
    }
    assert list(made.summary) == [
        "update", "reactivate", "subscription_number", "sync_address", "sync_subscriptions",
        "unchanged", "adopted", "unmanaged", "deferred", "blocked", "impact",
    ]  # fmt: skip


class TestUnchanged:
    """Declared products without step, deferral or block."""

    @pytest.mark.parametrize(
        ("known", "declared", "unchanged"),
        [
            ({"state": "activated"}, {"state": "activated"}, 1),
            ({"state": "frozen"}, {"state": "activated"}, 1),
            ({}, {}, 1),
            ({"state": "activated"}, {"state": "deactivated"}, 0),
            ({"state": "paused"}, {"state": "activated"}, 0),
        ],
    )
    def test_of_one(self, known, declared, unchanged):
        assert plan([want("a", **declared)], [have("a", **known)]).summary["unchanged"] == unchanged

    def test_a_withheld_product_is_not_unchanged(self):
        known = [have("a", **ACTIVATED), have("b", state="paused")]
        assert plan([want("a", **DEACTIVATED), want("b", **ACTIVATED)], known).summary["unchanged"] == 0

    def test_a_sync_changes_no_product(self):
        declared = wants("x", want("a", **ACTIVATED), customer="1", sync={"address": "1"})
        assert plan([declared], [has("x", have("a", **ACTIVATED))]).summary["unchanged"] == 1


class TestSameInputSameBytes:
    DECLARED = (wants("x", want("a", **ACTIVATED, to=LATER, number="7"), customer="1", sync={"address": "1"}),)
    KNOWN = (has("x", have("a", state="cancelled", to=SOON)), has("y", have("b")))

    def text(self, **settings):
        return plan_text(seal(plan(self.DECLARED, self.KNOWN, **settings)))

    def test_twice(self):
        assert self.text() == self.text()

    def test_seconds_of_the_clock_change_only_the_head(self):
        one, other = (seal(plan(self.DECLARED, self.KNOWN, now=NOW + timedelta(seconds=s))) for s in (0, 59))
        assert one.plan_id != other.plan_id
        assert one.steps_digest == other.steps_digest
        assert replace(one, as_of="", expires_at="", plan_id="") == replace(other, as_of="", expires_at="", plan_id="")

    def test_the_time_zone_of_the_clock_says_nothing(self):
        assert self.text(now=NOW) == self.text(now=NOW.astimezone(timezone(timedelta(hours=-5))))

    def test_the_context_is_a_value(self):
        assert replace(CONTEXT) == CONTEXT
        assert CONTEXT.as_of.tzinfo is UTC
