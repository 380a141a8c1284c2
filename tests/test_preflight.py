"""What is checked before the first call."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.planning import HOST, NOW, account_id, has, have
from support.running import rig, updates

from reconciler.applying.preflight import is_expired, open_run, verify, verify_resumable
from reconciler.errors import Locked, Refused, StalePlan
from reconciler.plan import Refusal
from reconciler.state.memory import MemoryStore


def check(r, plan=None, **more):
    verify(plan or r.plan, r.store, **{"now": NOW, "environment": "stage", "host": HOST, **more})


def test_a_plan_at_home_on_what_was_known_passes():
    check(rig(*updates("a", "b")))


REFUSAL = Refusal("revoked", "10%", "31%", False, "31% of the products would lose access")

STALE = [
    ("this plan is for stage, not for production", {}, {"environment": "production"}),
    ("this plan is for https://payway-api.stage.adeprimo.se, not for", {}, {"host": "https://127.0.0.1:1"}),
    ("made for a moment in the future", {"what_if": True}, {}),
    ("has expired at", {}, {"now": NOW + timedelta(days=1)}),
    ("from a snapshot that doesn't say which store", {"lineage": None}, {}),
    ("from another state store", {"lineage": "e" * 32}, {}),
]


@pytest.mark.parametrize(("message", "plan", "here"), STALE)
def test_a_plan_that_is_foreign_or_over_is_refused(message, plan, here):
    r = rig(*updates("a"))
    if "lineage" in plan:
        plan = {"known_state": replace(r.plan.known_state, **plan)}
    with pytest.raises(StalePlan, match=message) as caught:
        check(r, replace(r.plan, **plan), **here)
    assert caught.value.hint


def test_a_store_of_another_environment_is_refused():
    r = rig(*updates("a"))
    r.store = MemoryStore("production", lineage="f" * 32)
    with pytest.raises(StalePlan, match="not for production"):
        check(r)


def test_a_plan_lives_until_just_before_it_expires():
    r = rig(*updates("a"))
    check(r, now=NOW + timedelta(hours=23, minutes=59, seconds=59))
    assert not is_expired(r.plan, NOW)
    assert is_expired(r.plan, NOW + timedelta(hours=24))


def test_every_account_that_is_known_differently_is_listed():
    r = rig(*updates("a", "b", "c"))
    with r.store.change() as change:
        change.put_account(has("a", have("p", state="deactivated"), observed_at="2026-11-24T09:00:00Z"))
        change.remove_account(account_id("c"))
    with pytest.raises(StalePlan, match="known differently") as caught:
        check(r)
    assert caught.value.details == (
        f"account {account_id('a')} (step 1), observed 2026-11-24T09:00:00Z",
        f"account {account_id('c')} (step 3)",
    )


def test_learning_the_same_again_changes_nothing():
    r = rig(*updates("a"))
    with r.store.change() as change:
        change.put_account(replace(r.store.account(account_id("a")), observed_at="2026-11-24T09:59:00Z"))
    check(r)


def test_a_refusal_that_nobody_accepted_is_refused():
    r = rig(*updates("a"))
    with pytest.raises(Refused) as caught:
        check(r, replace(r.plan, refusals=(REFUSAL,)))
    assert caught.value.details == ("revoked: 31% of the products would lose access",)
    assert "--accept revoked" in caught.value.hint
    check(r, replace(r.plan, refusals=(replace(REFUSAL, accepted=True),)))


def test_a_plan_that_was_applied_is_not_applied_again():
    r = rig(*updates("a"))
    r.apply()
    with pytest.raises(StalePlan, match="applied already, by run run-1"):
        check(r)


def test_an_unfinished_run_of_another_plan_is_in_the_way_of_both_ways_on():
    r, other = rig(*updates("a", "b")), rig(*updates("c"))
    other.store = r.store
    r.apply(limit=1)
    assert open_run(r.store) == r.run
    for attempt in (
        lambda: check(other),
        lambda: verify_resumable(
            replace(r.run, plan_id=other.plan.plan_id), other.plan, r.store, environment="stage", host=HOST
        ),
    ):
        with pytest.raises(Locked) as caught:
            attempt()
        assert "`reconciler resume -e stage`" in caught.value.hint
        assert "`reconciler abandon -e stage run-1`" in caught.value.hint


def test_a_run_goes_on_only_with_its_own_plan_in_its_own_place():
    r, other = rig(*updates("a", "b")), rig(*updates("c"))
    r.apply(limit=1)
    home = {"environment": "stage", "host": HOST}
    verify_resumable(r.run, r.plan, r.store, **home)
    with pytest.raises(StalePlan, match="another plan"):
        verify_resumable(r.run, other.plan, r.store, **home)
    with pytest.raises(StalePlan, match="not for production"):
        verify_resumable(r.run, r.plan, r.store, environment="production", host=HOST)
    r.resume()
    assert open_run(r.store) is None
    with pytest.raises(StalePlan, match="is finished"):
        verify_resumable(r.run, r.plan, r.store, **home)
