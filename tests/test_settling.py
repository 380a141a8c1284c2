"""A person's word on a run: a doubt settled either way, a run given up."""

import json
from datetime import timedelta

import pytest
from support.planning import NOW, account_id, have, minute
from support.running import all_five, rig, statuses, updates

from reconciler.applying.settling import abandon, entry_from_json, recover, resolve
from reconciler.errors import InvalidInput, Locked, StalePlan, StoreFailed
from reconciler.wire import CallFailed, Phase

LOST = CallFailed("read_timeout", Phase.UNKNOWN)
LATER = NOW + timedelta(hours=1)


def doubtful(*names, **more):
    """A run whose first update stayed in doubt."""
    r = rig(*updates(*names), [LOST] * 4)
    r.apply(**more)
    return r


def settle(r, number, *, applied):
    return resolve(r.store, r.run, r.plan, number, applied=applied, holder=r.holder(), now=LATER)


def test_applied_teaches_what_the_step_did_and_finishes_the_run():
    r = doubtful("a")
    run = settle(r, 1, applied=True)
    assert (run.status, run.exit_code, run.stopped_by) == ("finished", 0, None)
    account = r.store.account(account_id("a"))
    assert account.user_products == (have("p", state="activated", type="limited", to="2027-12-01"),)
    assert account.doubts == ()
    assert r.journal()[-1] == (1, 4, "applied")
    assert r.store.lock() is None


def test_not_applied_takes_the_doubt_away_and_leaves_the_step_to_resume():
    r = doubtful("a")
    before = r.plan.steps[0].known
    run = settle(r, 1, applied=False)
    assert (run.status, run.exit_code) == ("stopped", 7)
    assert r.store.account(account_id("a")).digest() == before
    assert statuses(r.resume()) == ["applied"]


def test_what_stood_behind_the_doubt_is_sent_by_resume():
    r = rig(*all_five(), [None, *[LOST] * 4])
    r.apply()
    assert settle(r, 2, applied=True).status == "stopped"
    assert statuses(r.resume()) == ["applied"] * 5
    assert r.sent()[-3:] == ["subscription_number", "sync_address", "sync_subscriptions"]


def test_a_killed_runs_intent_can_be_settled_and_the_run_goes_on():
    class Kill(BaseException):
        pass

    r = rig(*updates("a", "b"), [Kill()])
    with pytest.raises(Kill):
        r.apply()
    assert settle(r, 1, applied=True).status == "running"
    assert statuses(r.resume()) == ["applied", "applied"]
    assert len(r.payway.requests) == 2


@pytest.mark.parametrize("number", [0, 2, 3])
def test_only_a_doubt_can_be_settled(number):
    r = doubtful("a", "b")
    with pytest.raises(InvalidInput, match=f"step {number} of run run-1 isn't in doubt") as caught:
        settle(r, number, applied=True)
    assert caught.value.hint == "in doubt: 1"
    settle(r, 1, applied=True)
    with pytest.raises(InvalidInput) as caught:
        settle(r, 1, applied=True)
    assert caught.value.hint == "no step of this run is in doubt"


def test_settling_needs_the_lock_and_the_runs_own_plan():
    r = doubtful("a")
    other = rig(*updates("b"))
    with pytest.raises(StalePlan):
        resolve(r.store, r.run, other.plan, 1, applied=True, holder=r.holder(), now=LATER)
    r.store.acquire(r.holder())
    with pytest.raises(Locked):
        settle(r, 1, applied=True)


def test_a_run_that_is_given_up_is_out_of_the_way_but_its_doubts_stay():
    r = doubtful("a", "b", limit=1)
    run = abandon(r.store, r.run, r.plan, holder=r.holder(), now=LATER)
    assert (run.status, run.exit_code, run.ended_at) == ("abandoned", 8, "2026-11-24T11:00:00Z")
    assert [doubt.step for doubt in r.store.account(account_id("a")).doubts] == [1]
    with pytest.raises(StalePlan, match="known differently"):
        r.apply()
    with pytest.raises(InvalidInput, match="is abandoned"):
        abandon(r.store, r.run, r.plan, holder=r.holder(), now=LATER)


def test_a_doubt_of_a_run_that_was_given_up_can_still_be_settled():
    r = doubtful("a")
    abandon(r.store, r.run, r.plan, holder=r.holder(), now=LATER)
    assert settle(r, 1, applied=True).status == "abandoned"
    assert r.store.account(account_id("a")).doubts == ()


# --- What the store couldn't take ---


def put_aside():
    """A rig whose first outcome couldn't be written, and the entry that was put aside."""

    class Full:
        def __init__(self, store):
            self.store, self.changes = store, 0

        def __getattr__(self, name):
            return getattr(self.store, name)

        def change(self, fence=None):
            self.changes += 1
            if self.changes == 3:
                raise StoreFailed("disk full")
            return self.store.change(fence)

    r = rig(*updates("a", "b"))
    store, r.store = r.store, Full(r.store)
    with pytest.raises(StoreFailed):
        r.apply()
    r.store = store
    return r, json.loads(json.dumps(r.put_aside[0].to_json()))


def test_an_entry_that_was_put_aside_is_folded_in_and_the_run_goes_on():
    r, data = put_aside()
    written = recover(r.store, entry_from_json(data), r.plan, holder=r.holder())
    assert written.status == "applied"
    account = r.store.account(account_id("a"))
    assert (account.doubts, written.known_after) == ((), account.digest())
    assert account.user_products[0].valid_to == minute("2027-12-01")
    report = r.resume()
    assert statuses(report) == ["applied", "applied"]
    assert len(r.payway.requests) == 2


def test_an_entry_is_folded_in_once():
    r, data = put_aside()
    recover(r.store, entry_from_json(data), r.plan, holder=r.holder())
    with pytest.raises(InvalidInput, match="isn't waiting"):
        recover(r.store, entry_from_json(data), r.plan, holder=r.holder())


@pytest.mark.parametrize(
    "spoiled",
    [
        {"account_id": account_id("b")},
        {"run_id": "other\x1b"},
        {"body_sha256": "sha256:0"},
        {"attempt": 2},
        {"step": 2},
    ],
)
def test_an_entry_of_another_call_is_refused(spoiled):
    r, data = put_aside()
    with pytest.raises(InvalidInput) as caught:
        recover(r.store, entry_from_json(data | spoiled), r.plan, holder=r.holder())
    assert caught.value.message.isprintable()
    assert r.store.lock() is None


@pytest.mark.parametrize(
    "spoiled",
    [
        {"extra": 1},
        {"status": "intent"},
        {"status": "done"},
        {"step": "1"},
        {"step": True},
        {"action": None},
        {"code": 1},
    ],
)
def test_what_is_no_entry_is_refused(spoiled):
    _, data = put_aside()
    entry_from_json(data)
    for bad in (data | spoiled, [], None, {}):
        with pytest.raises(InvalidInput):
            entry_from_json(bad)
