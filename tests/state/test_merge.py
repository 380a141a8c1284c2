"""What an import makes of what was known."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.known import CLOCKS, known_account, known_accounts, known_fleets, known_product, object_id, some_holder

from reconciler.errors import InvalidInput, Locked, StalePlan
from reconciler.model import UNKNOWN, Doubt, KnownHead
from reconciler.state.fieldmerge import merge_account, merge_products
from reconciler.state.memory import MemoryStore
from reconciler.state.merge import ImportReport, import_accounts

BEFORE, SINCE, LATER = CLOCKS
DOUBT = Doubt("reactivate", object_id("b1"), object_id("c1"), "run-1", 2)
NOW = "2026-11-30T12:00:00Z"


def imported(store, *accounts, head=None, **options):
    head = head or KnownHead("stage", observed_at=SINCE)
    return import_accounts(store, head, accounts, holder=some_holder(), now_text=NOW, **options)


def store_with(*accounts, environment="stage"):
    store = MemoryStore(environment)
    with store.change() as change:
        for account in accounts:
            change.put_account(account)
    return store


# --- One account ---


def test_an_absent_field_keeps_what_was_known_and_an_empty_one_is_empty():
    known = known_account(
        "a1",
        known_product("b1", "c1", state="activated", valid_to=5, subscription_number="7"),
        customer_number="1",
        synced={"address": "1", "subscriptions": "x"},
        observed_at=BEFORE,
    )
    seen = known_account(
        "a1",
        known_product(None, "c1", state="cancelled", subscription_number=None),
        synced={"subscriptions": "y"},
        observed_at=SINCE,
    )
    assert merge_account(known, seen, complete=False) == known_account(
        "a1",
        known_product("b1", "c1", state="cancelled", valid_to=5, subscription_number=None),
        customer_number="1",
        synced={"address": "1", "subscriptions": "y"},
        observed_at=SINCE,
    )
    emptied = merge_account(known, replace(seen, customer_number=None), complete=False)
    assert emptied.customer_number is None


P, U = "b1", "c1"
PRODUCTS = {
    # name: (known, seen, merged; merged when complete, if it differs)
    "by user_product_id": ([(P, U, "old")], [(None, U, "new")], [(P, U, "new")]),
    "the user_product_id wins over the product_id": (
        [(P, U, "old"), ("b2", "c2", "old")],
        [("b2", U, "new")],
        [("b2", U, "new"), ("b2", "c2", "old")],
        [("b2", U, "new")],
    ),
    "by product_id, and the id is learned": ([(P, None, "old")], [(P, U, "new")], [(P, U, "new")]),
    "by product_id, and the id is kept": ([(P, U, "old")], [(P, None, "new")], [(P, U, "new")]),
    "by product_id alone": ([(P, None, "old")], [(P, None, "new")], [(P, None, "new")]),
    "not against another id": (
        [(P, U, "old")],
        [(P, "c2", "new")],
        [(P, U, "old"), (P, "c2", "new")],
        [(P, "c2", "new")],
    ),
    "not when two known ones could be meant": (
        [(P, U, "old"), (P, "c2", "old")],
        [(P, None, "new")],
        [(P, None, "new"), (P, U, "old"), (P, "c2", "old")],
        [(P, None, "new")],
    ),
    "not when two seen ones could be meant": (
        [(P, None, "old")],
        [(P, None, "new"), (P, None, "newer")],
        [(P, None, "old"), (P, None, "new"), (P, None, "newer")],
        [(P, None, "new"), (P, None, "newer")],
    ),
    "one that is taken by its id is no candidate": (
        [(P, U, "old"), (P, "c2", "old")],
        [(P, U, "new"), (P, None, "newer")],
        [(P, U, "new"), (P, "c2", "newer")],
    ),
    "what says nothing new finds its like first": (
        [(P, None, "one"), (P, None, "two")],
        [(P, None, "two"), (P, None, "three")],
        [(P, None, "three"), (P, None, "two")],
    ),
    "a new product": ([], [(P, U, "new")], [(P, U, "new")]),
    "a product that wasn't seen": ([(P, U, "old")], [], [(P, U, "old")], []),
}


@pytest.mark.parametrize("case", PRODUCTS)
@pytest.mark.parametrize("complete", [False, True])
def test_products_are_matched_by_what_identifies_them(case, complete):
    known, seen, merged, *when_complete = PRODUCTS[case]
    expected = when_complete[0] if complete and when_complete else merged

    def products(rows):
        return [known_product(product_id, user_id, state=state) for product_id, user_id, state in rows]

    result = merge_products(products(known), products(seen), complete=complete)
    assert sorted(map(repr, result)) == sorted(map(repr, products(expected)))


def test_a_newer_observation_settles_doubts_and_the_mark_of_a_sync():
    known = known_account("a1", observed_at=BEFORE, unverified=True, doubts=(DOUBT,))
    newer = merge_account(known, known_account("a1", observed_at=SINCE), complete=False)
    assert (newer.doubts, newer.unverified, newer.observed_at) == ((), False, SINCE)


@pytest.mark.parametrize("time", [BEFORE, SINCE])
def test_an_observation_that_may_be_from_before_the_call_settles_nothing(time):
    known = known_account("a1", observed_at=SINCE, unverified=True, doubts=(DOUBT,))
    merged = merge_account(known, known_account("a1", observed_at=time), complete=False)
    assert (merged.doubts, merged.unverified) == ((DOUBT,), True)
    assert merged.observed_at == SINCE, "or the next import from before the call would look newer"


@settings(max_examples=50)
@given(known_accounts(object_id("a1")), known_accounts(object_id("a1")), st.booleans())
def test_merging_the_same_again_changes_nothing(known, seen, complete):
    once = merge_account(known, seen, complete=complete)
    assert merge_account(once, seen, complete=complete) == once


@given(known_accounts(object_id("a1")))
def test_an_account_merged_into_nothing_or_itself_is_itself(account):
    assert merge_account(None, account, complete=False) == account
    assert merge_account(account, account, complete=True) == account


@given(known_accounts(object_id("a1")), known_accounts(object_id("a1")))
def test_nothing_vanishes_unless_the_observation_is_complete(known, seen):
    merged = merge_account(known, seen, complete=False)
    ids = {product.user_product_id for product in merged.user_products}
    assert ids >= {product.user_product_id for product in (*known.user_products, *seen.user_products)} - {None}
    assert merged.synced.keys() == known.synced.keys() | seen.synced.keys()
    assert merged.customer_number is not UNKNOWN or known.customer_number is UNKNOWN


@given(known_accounts(object_id("a1")), known_accounts(object_id("a1")))
def test_a_complete_observation_says_how_many_products_there_are(known, seen):
    assert len(merge_account(known, seen, complete=True).user_products) == len(seen.user_products)


# --- A whole import ---


def test_an_import_reports_what_it_did_and_fills_the_store():
    same = known_account("a1", customer_number="1", observed_at=BEFORE)
    changes = known_account("a2", customer_number="1", observed_at=BEFORE)
    ours = known_account("a3", customer_number="1", observed_at=LATER)
    store = store_with(same, changes, ours)
    report = imported(
        store,
        known_account("a4"),
        known_account("a3", customer_number="2"),
        known_account("a2", customer_number="2"),
        known_account("a1", customer_number="1"),
    )
    a1, a2, a3, a4 = (object_id(f"a{number}") for number in (1, 2, 3, 4))
    assert report == ImportReport(added=(a4,), changed=(a2,), unchanged=(a1,), older=(a3,))
    assert store.is_filled()
    assert store.lock() is None
    assert store.head().serial == 2
    assert {a.account_id: (a.customer_number, a.observed_at) for a in store.view().accounts()} == {
        a1: ("1", SINCE),
        a2: ("2", SINCE),
        a3: ("1", LATER),
        a4: (UNKNOWN, SINCE),
    }


def test_an_older_observation_is_taken_by_force():
    store = store_with(known_account("a1", customer_number="1", observed_at=LATER))
    imported(store, known_account("a1", customer_number="2"), force=True)
    assert store.account(object_id("a1")) == known_account("a1", customer_number="2", observed_at=SINCE)


def test_an_observation_without_a_time_is_of_now():
    store = store_with()
    imported(store, known_account("a1"), head=KnownHead("stage"))
    assert store.account(object_id("a1")).observed_at == NOW


def test_times_are_compared_as_moments_not_as_texts():
    store = store_with(known_account("a1", customer_number="1", observed_at="2026-11-24T10:00:00Z"))
    late = known_account("a1", customer_number="2", observed_at="2026-11-24T10:30:00+01:00")
    assert imported(store, late).older == (object_id("a1"),)
    newer = replace(late, observed_at="2026-11-24T11:30:00.5+01:00")
    assert imported(store, newer).changed == (object_id("a1"),)
    assert store.account(object_id("a1")).observed_at == "2026-11-24T10:30:00Z"


def test_an_observation_from_the_future_is_refused_since_nothing_could_ever_be_newer():
    store = store_with()
    future = known_account("a2", observed_at="2062-11-24T10:00:00Z")
    with pytest.raises(InvalidInput, match="in the future"):
        imported(store, known_account("a1"), future)
    assert list(store.view().accounts()) == []
    assert not store.is_filled()
    assert store.lock() is None
    imported(store, future, force=True)
    assert store.account(future.account_id) == future


def test_an_import_waits_for_the_lock():
    store = store_with()
    store.acquire(some_holder("another"))
    with pytest.raises(Locked):
        imported(store, known_account("a1"))
    assert store.lock().holder.lock_id == "another"


def test_a_complete_import_takes_products_but_no_accounts():
    product = known_product("b1", "c1")
    gone = known_account("a1", product, synced={"address": "1"}, observed_at=BEFORE, doubts=(DOUBT,))
    ours = known_account("a2", known_product("b1", "c2"), observed_at=LATER)
    store = store_with(gone, ours)
    assert imported(store, known_account("a3")).emptied == ()
    report = imported(store, known_account("a3"), complete=True)
    assert report.emptied == (object_id("a1"),)
    assert report.older == (object_id("a2"),)
    assert store.account(object_id("a1")) == known_account("a1", synced={"address": "1"}, observed_at=SINCE)
    assert store.account(object_id("a2")) == ours


def test_a_complete_import_counts_as_old_as_its_oldest_account():
    store = store_with(known_account("a1", known_product("b1", "c1"), observed_at=SINCE))
    report = imported(store, known_account("a2", observed_at=BEFORE), head=KnownHead("stage"), complete=True)
    assert report.older == (object_id("a1"),)


def test_a_complete_import_without_accounts_is_refused():
    store = store_with(known_account("a1", known_product("b1", "c1"), observed_at=BEFORE))
    with pytest.raises(InvalidInput, match="empty all that is known"):
        imported(store, complete=True)
    assert store.account(object_id("a1")).user_products
    imported(store, complete=True, force=True)
    assert not store.account(object_id("a1")).user_products


def test_a_user_product_that_was_seen_on_another_account_moves_there():
    product = known_product("b1", "c1", state="activated")
    store = store_with(known_account("a1", product, known_product("b2", "c2"), observed_at=BEFORE))
    report = imported(store, known_account("a2", product))
    assert report.moved == (object_id("c1"),)
    assert store.view().account_of(object_id("c1")) == object_id("a2")
    assert store.account(object_id("a1")).user_products == (known_product("b2", "c2"),)


def test_a_user_product_that_is_known_better_elsewhere_stays_there():
    product = known_product("b1", "c1", state="activated")
    store = store_with(known_account("a1", product, observed_at=LATER))
    report = imported(store, known_account("a2", product))
    assert report.moved == ()
    assert store.view().account_of(object_id("c1")) == object_id("a1")
    assert store.account(object_id("a2")).user_products == ()


@pytest.mark.parametrize(
    ("source", "target", "taken"),
    [
        ("stage", "stage", True),
        ("", "production", True),
        ("production", "simulator", True),
        ("simulator", "simulator", True),
        ("simulator", "stage", False),
        ("stage", "production", False),
    ],
)
def test_any_snapshot_may_enter_the_simulator_and_none_leaves_it(source, target, taken):
    store = store_with(environment=target)
    head = KnownHead(source, observed_at=SINCE)
    if taken:
        imported(store, known_account("a1"), head=head)
        assert store.is_filled()
    else:
        with pytest.raises(StalePlan, match=f"{source!r}.*{target!r}"):
            imported(store, known_account("a1"), head=head)
        assert not store.is_filled()


@settings(max_examples=50)
@given(known_fleets(), known_fleets(), st.booleans())
def test_the_same_import_twice_is_one_import(first, second, complete):
    store = store_with(*first)
    assume(second or not complete)
    imported(store, *second, complete=complete, force=True)
    once = list(store.view().accounts())
    report = imported(store, *second, complete=complete)
    assert (report.added, report.changed, report.moved) == ((), (), ())
    assert list(store.view().accounts()) == once
    owners = [p.user_product_id for account in once for p in account.user_products if p.user_product_id]
    assert len(owners) == len(set(owners)), "no user product is on two accounts"


def test_a_doubt_keeps_its_time_when_the_same_is_seen_older():
    known = known_account("a1", known_product("b1"), observed_at=LATER, doubts=(Doubt("update", object_id("b1")),))
    store = store_with(known)
    report = imported(store, replace(known, observed_at=SINCE), force=True)
    assert report.unchanged == (object_id("a1"),)
    assert store.account(object_id("a1")) == known
    certain = replace(known, doubts=())
    store = store_with(certain)
    imported(store, replace(certain, observed_at=SINCE), force=True)
    assert store.account(object_id("a1")) == replace(certain, observed_at=SINCE)
