"""Known accounts as JSON and back."""

import json

from hypothesis import given
from support.known import known_accounts, object_id

from reconciler.model import UNKNOWN, KnownAccount, KnownProduct, known_account_from_json, known_record
from reconciler.state.accounts import decoded


@given(known_accounts())
def test_an_account_survives_its_json(account):
    _, document, _, digest = known_record(account)
    assert decoded(document, account.observed_at) == account
    assert digest == account.digest()


@given(known_accounts())
def test_the_digest_says_nothing_of_the_time(account):
    again = known_account_from_json(
        {**json.loads(known_record(account).document), "observed_at": "2000-01-01T00:00:00Z"}
    )
    assert again.digest() == account.digest()


def test_unknown_and_empty_are_two_things():
    unknown = KnownAccount(object_id("a1"), user_products=(KnownProduct(object_id("b1")),))
    empty = KnownAccount(
        object_id("a1"), customer_number=None, user_products=(KnownProduct(object_id("b1"), valid_to=None),)
    )
    assert "customer_number" not in unknown.to_json()
    assert empty.to_json()["customer_number"] is None
    read = known_account_from_json(empty.to_json())
    assert read.customer_number is None
    assert read.user_products[0].valid_to is None
    assert read.user_products[0].state is UNKNOWN
    assert unknown.digest() != empty.digest()


def test_ids_are_lower_case_and_times_lose_their_seconds():
    data = {
        "account_id": "52A781D6400E06897C00000F",
        "user_products": [{"product_id": "56E1741A6FC9365306000002", "valid_to": "2026-12-01T01:00:45.120+01:00"}],
        "a_new_field": 1,
    }
    account = known_account_from_json(data)
    assert account.account_id == "52a781d6400e06897c00000f"
    assert account.to_json()["user_products"] == [
        {"product_id": "56e1741a6fc9365306000002", "valid_to": "2026-12-01T00:00:00Z"}
    ]
