"""What outcomes teach known state, and the marks of doubt."""

from dataclasses import replace

import pytest
from support.planning import account_id, has, have, minute, product_id, user_product_id

from reconciler.applying.learning import (
    digest_of,
    expected_id,
    find_product,
    is_doubted,
    learn,
    other_ids,
    runs_cancelled,
    with_doubt,
    without_doubt,
)
from reconciler.model import UNKNOWN, Doubt, KnownAccount, KnownProduct, Source
from reconciler.operations import BY_ACTION
from reconciler.plan import FieldChange, Step

AT = "2026-11-24T10:00:00Z"
P, U, V = product_id("p"), user_product_id("p"), user_product_id("q")


def step(action, *, product="p", user="p", changes=(), number=1, **values):
    """A step for account x; ``values`` are body fields beyond the ids."""
    ids = {
        "account_id": account_id("x"),
        "product_id": product and product_id(product),
        "user_product_id": user and user_product_id(user),
    }
    names = {field.name for field in BY_ACTION[action].fields}
    return Step(
        number=number,
        action=action,
        account_id=ids["account_id"],
        product_id=ids["product_id"],
        user_product_id=ids["user_product_id"],
        customer_number=values.get("customer_number"),
        request=BY_ACTION[action].request({**{k: v for k, v in ids.items() if k in names}, **values}),
        changes=tuple(FieldChange(*change) for change in changes),
        impact="neutral",
        reversible=False,
        not_after=None,
        reason="",
        source=Source("manifests/a.yaml", 1),
        known="",
    )


def sync(kind, word, customer="77"):
    return step(
        f"sync_{kind}", product=None, user=None, customer_number=customer, changes=[(f"sync.{kind}", None, word)]
    )


def product_after(known, done, answered=U, at=AT):
    [product] = learn(known, done, answered, at).user_products
    return product


UPDATES = [
    ("every sent field is known", {"subscription_type": "limited", "valid_to": "2027-12-01 01:00 +0100"},
     {"subscription_type": "limited", "valid_to": minute("2027-12-01")}),
    ("what wasn't sent stays", {"valid_to": "2027-12-01 00:00 +0000"},
     {"state": "cancelled", "subscription_type": UNKNOWN}),
    ("activated", {"state": "activated"}, {"state": "activated"}),
    ("deactivated", {"state": "deactivated"}, {"state": "deactivated"}),
    ("a window that starts later leaves it pending", {"state": "activated", "valid_from": "2027-01-01 00:00 +0000"},
     {"state": "pending", "valid_from": minute("2027-01-01")}),
    ("a window that starts this minute doesn't", {"state": "activated", "valid_from": "2026-11-24 10:00 +0000"},
     {"state": "activated"}),
    ("deactivated for later is deactivated", {"state": "deactivated", "valid_from": "2027-01-01 00:00 +0000"},
     {"state": "deactivated"}),
]  # fmt: skip


@pytest.mark.parametrize(("values", "learned"), [case[1:] for case in UPDATES], ids=[case[0] for case in UPDATES])
def test_an_update_teaches_what_it_sent(values, learned):
    known = has("x", have("p", state="cancelled", to="2026-12-01"))
    product = product_after(known, step("update", **values))
    assert {name: getattr(product, name) for name in learned} == learned


def test_a_start_that_was_known_before_makes_an_activation_pending():
    known = has("x", have("p", state="deactivated", frm="2027-01-01"))
    assert product_after(known, step("update", state="activated")).state == "pending"


def test_an_adopted_product_appears_with_the_answered_id():
    done = step("update", user=None, state="activated")
    expected = KnownProduct(P, U, state="activated")
    assert product_after(None, done) == expected
    assert product_after(KnownAccount(account_id("x")), done) == expected


def test_an_unknown_user_product_id_is_learned_and_a_known_one_stays():
    done = step("update", user=None, state="activated")
    assert product_after(has("x", have("p", user=None)), done).user_product_id == U
    assert product_after(has("x", have("p", user="q")), done, answered=V).user_product_id == V


def test_a_product_known_by_its_own_id_learns_its_product_id():
    known = has("x", KnownProduct(None, U, state="deactivated"))
    assert product_after(known, step("update", state="activated")).product_id == P


def test_reactivate_and_number_teach_one_field_each():
    known = has("x", have("p", state="cancelled", to="2026-12-01", number="1"))
    assert product_after(known, step("reactivate")) == replace(known.user_products[0], state="activated")
    numbered = product_after(known, step("subscription_number", subscription_number="007"))
    assert numbered == replace(known.user_products[0], subscription_number="007")


def test_other_products_stay_as_they_were():
    known = has("x", have("a", state="activated"), have("p", state="cancelled"), have("z", number=None))
    after = learn(known, step("reactivate"), U, AT)
    assert [p.state for p in after.user_products] == ["activated", "activated", UNKNOWN]
    assert after.user_products[2] == known.user_products[2]


def test_a_sync_records_its_word_and_leaves_the_account_unverified():
    known = has("x", have("p", state="activated"), synced={"address": "1", "subscriptions": "1"})
    after = learn(known, sync("address", "2"), account_id("x"), AT)
    assert after.synced == {"address": "2", "subscriptions": "1"}
    assert after.unverified
    assert after.customer_number == "77"
    assert after.user_products == known.user_products


def test_observations_only_get_newer():
    later = "2026-11-25T00:00:00Z"
    assert learn(has("x", observed_at="2026-01-01T00:00:00Z"), sync("address", "2"), None, AT).observed_at == AT
    assert learn(has("x", observed_at=later), sync("address", "2"), None, AT).observed_at == later
    # This text sorts behind AT but stands for an earlier moment.
    assert learn(has("x", observed_at="2026-11-24T10:30:00+01:00"), sync("address", "2"), None, AT).observed_at == AT
    assert learn(has("x", observed_at="long ago"), sync("address", "2"), None, AT).observed_at == AT


# --- Which product a step is for ---

MATCHES = [
    ("by user_product_id", [have("q", user="p"), have("p", user="q")], ("p", "p"), 0),
    ("by product_id if the step has no user_product_id", [have("a"), have("p")], ("p", None), 1),
    ("by product_id if the known one has no user_product_id", [have("p", user=None)], ("p", "p"), 0),
    ("not by product_id if both have an id and they differ", [have("p", user="q")], ("p", "p"), None),
    ("the one without an id before the one with one", [have("p", user="q"), have("p", user=None)], ("p", None), 1),
    ("by user_product_id alone", [have(None, user="p")], (None, "p"), 0),
    ("none", [have("q")], ("p", None), None),
]


@pytest.mark.parametrize(("products", "ids", "found"), [m[1:] for m in MATCHES], ids=[m[0] for m in MATCHES])
def test_a_step_finds_its_product_as_the_planner_does(products, ids, found):
    account = KnownAccount(account_id("x"), user_products=tuple(products))
    given = replace(step("update", state="activated"), product_id=ids[0] and P, user_product_id=ids[1] and U)
    assert find_product(account, given) == (None if found is None else products[found])


def test_the_users_own_id_may_be_what_update_takes_as_product_id():
    account = KnownAccount(account_id("x"), user_products=(KnownProduct(None, P),))
    assert find_product(account, step("update", user=None, state="activated")) == KnownProduct(None, P)


def test_the_expected_id_is_the_products_or_the_accounts():
    known = has("x", have("p"), have("q"))
    assert expected_id(known, step("update", user=None, state="activated")) == U
    assert expected_id(None, step("update", user=None, state="activated")) is None
    assert expected_id(None, step("update", state="activated")) == U
    assert expected_id(known, sync("address", "2")) == account_id("x")
    assert other_ids(known, step("update", user=None, state="activated")) == {V}
    assert other_ids(None, step("update", state="activated")) == frozenset()


RUNNING = [
    ({"state": "cancelled", "to": "2026-12-01"}, True),
    ({"state": "cancelled", "to": None}, True),
    ({"state": "cancelled"}, False),
    ({"state": "cancelled", "to": "2026-11-24T10:00Z"}, False),
    ({"state": "cancelled", "to": "2026-11-24T10:01Z"}, True),
    ({"state": "activated", "to": "2026-12-01"}, False),
    ({"to": "2026-12-01"}, False),
]


@pytest.mark.parametrize(("fields", "running"), RUNNING)
def test_a_lost_reactivation_is_only_assumed_for_a_known_running_term(fields, running):
    assert runs_cancelled(has("x", have("p", **fields)), step("reactivate"), AT) is running
    assert runs_cancelled(None, step("reactivate"), AT) is False


# --- Doubts ---


def test_a_doubt_says_what_for_and_makes_older_exports_too_old():
    marked = with_doubt(has("x", have("p"), observed_at="2026-01-01T00:00:00Z"), step("reactivate"), "run-1", AT)
    assert marked.doubts == (Doubt("reactivate", P, U, "run-1", 1),)
    assert marked.observed_at == AT
    assert marked.user_products == (have("p"),)
    assert is_doubted(marked, step("reactivate"))
    assert not is_doubted(marked, step("update", state="activated"))


def test_a_second_try_leaves_one_doubt():
    once = with_doubt(None, step("reactivate"), "run-1", AT)
    assert with_doubt(once, step("reactivate"), "run-2", AT).doubts == (Doubt("reactivate", P, U, "run-2", 1),)


def test_a_settled_doubt_leaves_the_others():
    both = with_doubt(with_doubt(None, step("reactivate"), "r", AT), step("update", state="activated"), "r", AT)
    settled = without_doubt(both, step("reactivate"))
    assert [doubt.action for doubt in settled.doubts] == ["update"]


def test_an_account_that_was_only_doubted_disappears():
    assert without_doubt(with_doubt(None, step("reactivate"), "r", AT), step("reactivate")) is None
    assert without_doubt(None, step("reactivate")) is None
    kept = with_doubt(has("x", customer=None), step("reactivate"), "r", AT)
    assert without_doubt(kept, step("reactivate")) is not None


def test_nothing_known_and_an_empty_account_have_one_digest():
    assert digest_of(None, account_id("x")) == digest_of(KnownAccount(account_id("x")), account_id("x"))
