"""What the simulation found, each as the smallest story that shows it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.planning import (
    NOW,
    account_id,
    has,
    have,
    minute,
    product_id,
    step_text,
    user_product_id,
    want,
    wants,
)
from support.running import Rig, answer, rig, statuses, updates

from reconciler.applying.settling import abandon, resolve
from reconciler.instants import clock_text
from reconciler.model import UNKNOWN, KnownHead
from reconciler.state.journal import verify_store
from reconciler.state.merge import import_accounts
from reconciler.wire import CallFailed, Phase

LOST = CallFailed("read_timeout", Phase.UNKNOWN)
A = account_id("a")


def seen(r: Rig, *accounts, at) -> None:
    """Import an export of ``accounts`` that was made at ``at``."""
    head = KnownHead("stage", observed_at=clock_text(at))
    import_accounts(r.store, head, accounts, holder=r.holder(), now_text=clock_text(at + timedelta(hours=1)))


def steal(r: Rig) -> None:
    """Take the lock away, as `unlock` does."""
    r.store.break_lock(r.store.lock().holder.lock_id)


def doubts(r: Rig, name="a"):
    return r.store.account(account_id(name)).doubts


# --- An answer for another object ---


def test_an_account_is_unverified_once_payway_changed_another_object_of_it():
    r = rig(*updates("a"), [answer(id=user_product_id("other"))])
    assert r.apply().exit_code == 8
    assert r.store.account(A).unverified


# --- Answers that come too late ---


def test_an_answer_after_a_newer_try_reopens_nothing():
    def while_another_goes_on(request):
        steal(r)
        assert statuses(r.resume()) == ["applied"]
        raise LOST

    r = rig(*updates("a"), [while_another_goes_on])
    with pytest.raises(Exception, match="was taken away"):
        r.apply()
    assert (doubts(r), r.run.status) == ((), "finished")
    # What came of the first try can't be told, only that the second has worked.
    assert [(status, attempt) for _, attempt, status in r.journal()][-2:] == [("applied", 2), ("in_doubt", 1)]
    assert r.store.account(A).unverified
    assert verify_store(r.store) == ()


def test_an_answer_after_a_newer_export_doesn_t_overwrite_what_that_says():
    exported = has("a", have("p", state="deactivated", to="2026-11-25", type="limited"))

    def while_an_export_comes_in(request):
        steal(r)
        r.clock.sleep(60)
        seen(r, exported, at=r.clock())
        r.clock.sleep(1)
        return r.payway.work(request)

    declared, known = updates("a", "b")
    r = rig(declared, known, [while_an_export_comes_in])
    with pytest.raises(Exception, match="was taken away"):
        r.apply()
    account = r.store.account(A)
    assert account.user_products == exported.user_products
    # The call may have been carried out before the export was made, or after.
    assert account.unverified
    assert r.sent() == ["update"]


def test_a_doubt_comes_back_if_the_answer_after_an_export_says_nothing():
    declared, known = updates("a")

    def while_an_export_comes_in(request):
        steal(r)
        r.clock.sleep(60)
        seen(r, *known, at=r.clock())
        assert doubts(r) == ()
        r.clock.sleep(1)
        raise LOST

    r = rig(declared, known, [while_an_export_comes_in])
    with pytest.raises(Exception, match="was taken away"):
        r.apply()
    assert [doubt.step for doubt in doubts(r)] == [1]
    assert statuses(r.resume()) == ["applied"]
    assert doubts(r) == ()


def test_resolving_what_an_export_has_settled_teaches_nothing_more():
    r = rig(*updates("a"), [LOST] * 4)
    r.apply()
    exported = has("a", have("p", state="deactivated", to="2026-11-25", type="limited"))
    seen(r, exported, at=r.clock() + timedelta(minutes=1))
    resolve(r.store, r.run, r.plan, 1, applied=True, holder=r.holder(), now=r.clock() + timedelta(minutes=2))
    assert r.store.account(A).user_products == exported.user_products
    assert not r.store.account(A).unverified
    assert r.run.status == "finished"


# --- Exports that don't tell what is in doubt ---


@pytest.mark.parametrize(
    ("exported", "settled"),
    [
        (has("a", have("p", state="activated", to="2027-12-01", type="limited")), True),
        (has("a", have("p", state="activated", to="2027-12-01")), False),
        (has("a", have("p", state="activated", type="limited")), False),
        (has("a", have("q", state="activated", to="2027-12-01", type="limited")), False),
        (has("a"), False),
    ],
    ids=["whole", "without the type", "without the end", "another product", "no product"],
)
def test_a_newer_export_settles_a_doubt_only_if_it_tells_what_the_call_may_have_changed(exported, settled):
    r = rig(*updates("a"), [LOST] * 4)
    r.apply()
    seen(r, exported, at=r.clock() + timedelta(minutes=1))
    assert (doubts(r) == ()) is settled


@pytest.mark.parametrize("number", ["7", UNKNOWN])
def test_a_newer_export_verifies_after_a_sync_only_if_it_tells_all_that_is_known(number):
    known = has("a", have("p", state="activated", to="2027-12-01", type="limited", number="6"))
    r = rig(wants("a", customer="1234567890", sync={"subscriptions": "1"}), known)
    assert r.apply().exit_code == 0
    exported = has("a", have("p", state="activated", to="2027-12-01", type="limited", number=number))
    seen(r, exported, at=r.clock() + timedelta(minutes=1))
    assert r.store.account(A).unverified is (number is UNKNOWN)


# --- States that nobody sent ---


def test_a_window_that_is_moved_into_the_future_leaves_the_product_pending():
    r = rig(wants("a", want("p", frm="2026-12-01")), has("a", have("p", state="activated", frm="2026-01-01")))
    assert "state" not in r.plan.steps[0].request.body
    r.apply()
    [product] = r.store.account(A).user_products
    assert (product.state, product.valid_from) == ("pending", minute("2026-12-01"))


@pytest.mark.parametrize(
    ("state", "kind", "left"),
    [
        ("activated", "limited", UNKNOWN),
        ("activated", "recurring", "activated"),
        ("cancelled", "recurring", UNKNOWN),
        ("deactivated", "limited", "deactivated"),
    ],
)
def test_a_term_that_ended_while_the_plan_waited_isn_t_said_to_live_again(state, kind, left):
    known = has("a", have("p", state=state, type=kind, to="2026-11-24 12:00 +0000"))
    r = rig(wants("a", want("p", to="2027-12-01")), known)
    assert step_text(r.plan.steps[0]) == "update p: valid_to"
    r.clock.sleep(6 * 3600)
    r.apply()
    [product] = r.store.account(A).user_products
    assert (product.state, product.valid_to) == (left, minute("2027-12-01"))


# --- Syncs one after the other ---


def synced(*names: str):
    """Accounts whose subscriptions are to be synced."""
    return (
        [wants(name, customer=f"{name}-1", sync={"subscriptions": "1"}) for name in names],
        [has(name, customer=f"{name}-1") for name in names],
    )


def sent_at(r: Rig) -> list[float]:
    """When each call is sent, in seconds since the plan was made."""
    times: list[float] = []
    r.payway.before = lambda _: times.append((r.clock() - NOW).total_seconds())
    return times


def test_no_sync_is_sent_while_a_lost_one_of_another_account_may_be_running():
    r = rig(*synced("a", "b"), [LOST])
    r.settings = replace(r.settings, tries=1)
    times = sent_at(r)
    r.apply()
    assert times == [0, 30]


def test_nor_after_the_run_was_given_up():
    r = rig(*synced("a", "b"), [KeyboardInterrupt()])
    times = sent_at(r)
    with pytest.raises(KeyboardInterrupt):
        r.apply()
    abandon(r.store, r.run, r.plan, holder=r.holder(), now=r.clock())
    again = rig(synced("b")[0], synced("b")[1])
    again.store, again.clock = r.store, r.clock
    again.payway.before = r.payway.before
    again.plan = replace(again.plan, known_state=r.plan.known_state)
    assert statuses(again.apply()) == ["applied"]
    assert times == [0, 30]


def test_an_update_need_not_wait_for_a_lost_sync():
    declared, known = synced("a")
    more, more_known = updates("b")
    r = rig([*declared, *more], [*known, *more_known], [LOST])
    r.settings = replace(r.settings, tries=1)
    times = sent_at(r)
    r.apply()
    assert times == [0, 0]
    assert r.plan.steps[1].product_id == product_id("p")
