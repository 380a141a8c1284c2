"""What every store promises, held against each of them."""

import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from reconciler.errors import Locked
from reconciler.model import known_record
from reconciler.state.accounts import row_of
from reconciler.state.journal import verify_chain, verify_store
from reconciler.state.memory import copy_of
from reconciler.state.store import CHAIN_START


def put(store, *accounts):
    with store.change() as change:
        for account in accounts:
            change.put_account(account)


def listed(store):
    return list(store.view().accounts())


# --- Known state ---


def test_a_new_store_is_empty_and_unfilled(store):
    head = store.head()
    assert (head.environment, head.serial, head.observed_at) == ("stage", 0, None)
    assert head.lineage
    assert not store.is_filled()
    assert listed(store) == []
    assert store.runs() == ()
    assert list(store.entries()) == []
    assert store.last_entry() is None
    assert store.lock() is None


def test_two_stores_have_two_lineages(backend):
    one, two = backend.create(), backend.create()
    assert one.head().lineage != two.head().lineage
    one.close()
    two.close()


def test_what_was_put_comes_back_in_order_of_ids(store, make):
    full = make.account(
        "a2",
        make.product("b2", "c2", state="cancelled", valid_to=29_000_000, subscription_number="007"),
        make.product("b1", valid_from=None, provision_service="tulo"),
        customer_number="123",
        synced={"address": "1"},
        observed_at="2026-11-24T10:00:00Z",
        unverified=True,
    )
    put(store, full, make.account("a1"))
    first, second = listed(store)
    assert first == make.account("a1")
    assert second == replace(full, user_products=(full.user_products[1], full.user_products[0]))
    assert store.account(full.account_id) == second
    assert store.account(make.id("a9")) is None


def test_a_change_is_seen_after_a_reopening(backend, make):
    store = backend.create()
    with store.change() as change:
        change.put_account(make.account("a1", customer_number="5"))
        change.put_run(make.run())
        entry = change.append(make.entry())
        change.mark_filled()
    head = store.head()
    store = backend.reopen(store)
    assert store.head() == head
    assert store.is_filled()
    assert listed(store) == [make.account("a1", customer_number="5")]
    assert store.runs() == (make.run(),)
    assert list(store.entries()) == [entry]
    store.close()


def test_a_change_that_fails_changes_nothing(store, make):
    put(store, make.account("a1"))
    before = store.head()
    with pytest.raises(ZeroDivisionError), store.change() as change:
        change.put_account(make.account("a1", customer_number="5"))
        change.remove_account(make.id("a1"))
        change.put_account(make.account("a2"))
        change.append(make.entry())
        change.put_run(make.run())
        change.mark_filled()
        _ = 1 / 0
    assert store.head() == before
    assert listed(store) == [make.account("a1")]
    assert list(store.entries()) == []
    assert store.runs() == ()
    assert not store.is_filled()
    put(store, make.account("a2"))
    assert len(listed(store)) == 2


def test_a_change_sees_itself(store, make):
    put(store, make.account("a1"))
    with store.change() as change:
        change.put_account(make.account("a2"))
        change.remove_account(make.id("a1"))
        assert change.account(make.id("a2")) == make.account("a2")
        assert change.account(make.id("a1")) is None


def test_rows_are_put_as_accounts_are(store, make):
    one, two = make.account("a1", make.product("b1", "c1")), make.account("a2", customer_number="5")
    with store.change() as change:
        change.put_account(two)
    with store.change() as change:
        assert list(change.records([one.account_id, two.account_id])) == [two.account_id]
        assert change.owners([make.id("c1"), make.id("c2")]) == {}
        assert change.account(one.account_id) is None
        change.put_rows([row_of(one), row_of(replace(two, user_products=(make.product("b1", "c2"),)))])
        assert change.account(one.account_id) == one
        assert change.records([one.account_id]) == {one.account_id: known_record(one)}
        change.put_rows([])
    assert store.head().serial == 2
    assert [store.view().account_of(make.id(each)) for each in ("c1", "c2")] == [one.account_id, two.account_id]
    with store.change() as change:
        assert change.owners([make.id("c1"), make.id("c2"), make.id("c3")]) == {
            make.id("c1"): one.account_id,
            make.id("c2"): two.account_id,
        }
        # Put, put otherwise and put again: the index follows.
        change.records([one.account_id])
        change.put_account(replace(one, user_products=()))
        change.put_rows([row_of(one)])
        change.records([two.account_id])
        change.put_rows([row_of(two)])
    assert list(store.view().accounts()) == [one, two]
    assert [store.view().account_of(make.id(each)) for each in ("c1", "c2")] == [one.account_id, None]
    assert store.damage() == ()


def test_the_serial_rises_once_for_each_change_that_touches_an_account(store, make):
    put(store, make.account("a1"), make.account("a2"))
    assert store.head().serial == 1
    with store.change() as change:
        change.append(make.entry())
        change.put_run(make.run())
        change.remove_account(make.id("a9"))
    assert store.head().serial == 1
    with store.change() as change:
        change.remove_account(make.id("a1"))
    assert store.head().serial == 2
    assert listed(store) == [make.account("a2")]


def test_the_head_tells_the_oldest_observation(store, make):
    put(store, make.account("a1", observed_at="2026-11-24T10:00:00Z"), make.account("a2"))
    put(store, make.account("a3", observed_at="2026-11-23T10:00:00Z"))
    assert store.head().observed_at == "2026-11-23T10:00:00Z"
    assert store.view().head == store.head()


def test_a_view_tells_some_accounts_as_text(store, make):
    put(store, *(make.account(name, make.product("b1", customer)) for name, customer in (("a1", "c1"), ("a2", "c2"))))
    put(store, make.account("a3", observed_at="2026-11-23T10:00:00Z"))
    view = store.view()
    every = {record.account_id: record for record in view.records()}
    first, _, third = (make.id(name) for name in ("a1", "a2", "a3"))
    assert view.records_of([third, make.id("a9"), first]) == {first: every[first], third: every[third]}


def test_a_view_is_one_moment(store, make):
    put(store, make.account("a1", make.product("b1", "c1")), make.account("a2"))
    view = store.view()
    reading = view.accounts()
    first = next(reading)
    put(store, make.account("a2", customer_number="5"), make.account("a3"))
    with store.change() as change:
        change.remove_account(make.id("a1"))
    assert [first, *reading] == list(view.accounts())
    assert list(view.accounts()) == [make.account("a1", make.product("b1", "c1")), make.account("a2")]
    assert view.account_of(make.id("c1")) == make.id("a1")
    assert view.head.serial == 1
    assert store.view().account_of(make.id("c1")) is None


def test_a_user_product_is_found_on_its_account(store, make):
    put(store, make.account("a1", make.product("b1", "c1")), make.account("a2", make.product("b1", "c2")))
    view = store.view()
    assert view.account_of(make.id("c1")) == make.id("a1")
    assert view.account_of(make.id("c2")) == make.id("a2")
    assert view.account_of(make.id("c3")) is None
    put(store, make.account("a1", make.product("b1")), make.account("a3", make.product("b1", "c1")))
    assert store.view().account_of(make.id("c1")) == make.id("a3")


def test_a_user_product_on_two_accounts_is_told_of_the_first(store, make):
    put(store, make.account("a2", make.product("b1", "c1")), make.account("a1", make.product("b1", "c1")))
    assert store.view().account_of(make.id("c1")) == make.id("a1")


def test_a_second_change_inside_one_is_a_bug(store):
    with store.change(), pytest.raises(RuntimeError, match="under way"), store.change():
        pass


# --- The journal and runs ---


def test_entries_are_chained(store, make):
    with store.change() as change:
        first = change.append(make.entry(status="intent"))
        second = change.append(make.entry(status="applied", http_status=200))
    with store.change() as change:
        third = change.append(make.entry(run="run-2", message="no ☃"))
    assert [entry.sequence for entry in (first, second, third)] == [1, 2, 3]
    assert [first.previous, second.previous, third.previous] == [CHAIN_START, first.hash, second.hash]
    assert list(store.entries()) == [first, second, third]
    assert list(store.entries("run-1")) == [first, second]
    assert list(store.entries("run-3")) == []
    assert store.last_entry() == third
    assert list(verify_chain(store.entries())) == []


def test_entries_can_be_read_while_others_are_written(store, make):
    with store.change() as change:
        for step in range(3):
            change.append(make.entry(step=step))
    reading = store.entries()
    next(reading)
    with store.change() as change:
        change.append(make.entry(step=9))
    assert len(list(reading)) >= 2
    assert len(list(store.entries())) == 4


def test_an_edited_removed_or_moved_entry_breaks_the_chain(make):
    entries = []
    previous = CHAIN_START
    for sequence in (1, 2, 3):
        entries.append(make.entry(step=sequence).chained(sequence, previous))
        previous = entries[-1].hash
    one, two, three = entries
    assert list(verify_chain(entries)) == []
    assert list(verify_chain([one, replace(two, status="rejected"), three])) == ["journal: entry 2 was altered"]
    assert list(verify_chain([one, three])) == ["journal: entry 2 is missing, 3 follows instead"]
    resealed = replace(two, status="rejected").chained(2, one.hash)
    assert list(verify_chain([one, resealed, three])) == ["journal: entry 3 doesn't follow the entry before it"]


def test_runs_keep_their_order_when_they_change(store, make):
    with store.change() as change:
        change.put_run(make.run("run-2"))
        change.put_run(make.run("run-1"))
    done = make.run("run-2", status="finished", ended_at="2026-11-24T11:00:00Z", exit_code=0)
    with store.change() as change:
        change.put_run(done)
    assert store.runs() == (done, make.run("run-1"))


def test_known_state_follows_from_the_journal(store, make):
    account = make.account("a1", customer_number="5")
    with store.change() as change:
        change.put_account(account)
        entry = change.append(make.entry("a1", known_after=account.digest()))
    assert store.written_by(account.account_id) == entry.sequence
    assert verify_store(store) == ()
    put(store, make.account("a1", customer_number="6"))
    assert store.written_by(account.account_id) is None
    assert verify_store(store) == ()


def test_known_state_that_the_journal_does_not_explain_is_found(store, make):
    with store.change() as change:
        change.append(make.entry("a1", known_after=make.account("a1").digest()))
        change.put_account(make.account("a1", customer_number="6"))
    assert verify_store(store) == (f"account {make.id('a1')}: what is known isn't what journal entry 1 left",)


# --- The lock ---


def test_the_lock_is_taken_once(store, make):
    holder = make.holder(ci_url="https://ci.example/7")
    lock = store.acquire(holder)
    assert store.lock() == lock
    with pytest.raises(Locked) as refused:
        store.acquire(make.holder("lock-2"))
    said = "\n".join((refused.value.message, refused.value.hint, *refused.value.details))
    for word in ("anna", "elsewhere", "4242", "reconciler apply plan.json", "https://ci.example/7", " h "):
        assert word in said
    assert "`reconciler unlock lock-1`" in refused.value.hint
    store.release(lock)
    assert store.lock() is None
    assert store.acquire(make.holder("lock-2")).epoch > lock.epoch


def test_the_lock_stays_over_a_reopening(backend, make):
    store = backend.create()
    lock = store.acquire(make.holder())
    store = backend.reopen(store)
    assert store.lock() == lock
    store.close()


def test_a_broken_lock_stops_its_holder(store, make):
    lock = store.acquire(make.holder())
    with store.change(lock) as change:
        change.put_account(make.account("a1"))
    assert store.break_lock("lock-1") == lock
    with pytest.raises(Locked, match="taken away"), store.change(lock) as change:
        change.put_account(make.account("a2"))
    assert listed(store) == [make.account("a1")]
    later = store.acquire(make.holder())
    assert later.epoch > lock.epoch
    with pytest.raises(Locked, match="taken away"), store.change(lock):
        pass
    store.release(lock)
    assert store.lock() == later


def test_only_the_holders_lock_can_be_broken(store, make):
    with pytest.raises(Locked, match="nobody holds"):
        store.break_lock("lock-1")
    lock = store.acquire(make.holder())
    with pytest.raises(Locked, match="isn't the id"):
        store.break_lock("lock-2")
    assert store.lock() == lock


def test_a_holder_whose_process_is_gone_is_told_as_such(store, make):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    store.acquire(make.holder(host=socket.gethostname(), process=ended.pid))
    with pytest.raises(Locked) as refused:
        store.acquire(make.holder("lock-2"))
    assert "isn't running" in refused.value.hint
    assert store.lock() is not None, "it is told, not taken over"


@pytest.mark.parametrize("host", [None, "elsewhere"])
def test_a_holder_who_may_be_alive_is_waited_for(store, make, host):
    process = os.getpid() if host is None else 2**22 + 1
    store.acquire(make.holder(host=host or socket.gethostname(), process=process))
    with pytest.raises(Locked) as refused:
        store.acquire(make.holder("lock-2"))
    assert "wait until" in refused.value.hint


# --- The copy for a dry run ---


def test_a_copy_starts_the_same_and_leaves_the_original_alone(store, make):
    with store.change() as change:
        change.put_account(make.account("a1", make.product("b1", "c1")))
        change.put_account(make.account("a2", make.product("b1", "c2")))
        change.put_run(make.run())
        change.append(make.entry("a1"))
        change.mark_filled()
    store.acquire(make.holder())
    before = (store.head(), listed(store), list(store.entries()), store.runs(), store.lock())
    copy = copy_of(store)
    assert (copy.head(), listed(copy), list(copy.entries()), copy.runs()) == before[:4]
    assert copy.is_filled()
    assert copy.written_by(make.id("a1")) == 1
    assert copy.lock() is None
    lock = copy.acquire(make.holder("dry"))
    with copy.change(lock) as change:
        change.put_account(make.account("a1", make.product("b1", "c3")))
        change.remove_account(make.id("a2"))
        change.put_account(make.account("a3", make.product("b1", "c1")))
        change.append(make.entry("a1"))
        change.put_run(make.run(status="finished"))
    assert [account.account_id for account in listed(copy)] == [make.id("a1"), make.id("a3")]
    view = copy.view()
    assert [view.account_of(make.id(name)) for name in ("c1", "c2", "c3")] == [make.id("a3"), None, make.id("a1")]
    assert copy.head().serial == before[0].serial + 1
    assert list(verify_chain(copy.entries())) == []
    assert [entry.sequence for entry in copy.entries()] == [1, 2]
    assert copy.runs() == (make.run(status="finished"),)
    assert (store.head(), listed(store), list(store.entries()), store.runs(), store.lock()) == before
