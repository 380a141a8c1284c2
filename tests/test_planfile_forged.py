"""Plans forged by somebody who can compute digests: only what operations would make is read."""

import json
from functools import cache

import pytest
from support.planfiles import SEALED, TEXT, read

from reconciler import canonical
from reconciler.errors import InvalidInput, StalePlan


def forged(data, *, steps=True):
    """The text of a plan with both digests made to fit."""
    if steps:
        data["steps_digest"] = canonical.digest(
            {
                "environment": data["environment"],
                "host": data["host"],
                "accepted": sorted(r["guard"] for r in data["refusals"] if r["accepted"]),
                "steps": [
                    [s["action"], s["request"]["method"], s["request"]["path"], s["request"]["body"]]
                    for s in data["steps"]
                ],
            }
        )
    data["plan_id"] = canonical.digest({name: value for name, value in data.items() if name != "plan_id"})
    return json.dumps(data)


@cache
def places():
    """The index of the first step of each action."""
    return {step.action: index for index, step in reversed(list(enumerate(SEALED.steps)))}


def forge(action, change):
    """The example with ``change`` made to the first step of ``action``, and digests that fit."""
    data = json.loads(TEXT)
    step = data["steps"][places()[action]]
    change(step)
    return forged(data, steps="request" in step)


def set_in(*path):
    """A change that sets the last of ``path`` at the place the others lead to."""
    *lead, name, value = path

    def change(step):
        for part in lead:
            step = step[part]
        step[name] = value

    return change


def move_key_to_end(name):
    def change(step):
        body = step["request"]["body"]
        body[name] = body.pop(name)

    return change


def drop(*path):
    *lead, name = path

    def change(step):
        for part in lead:
            step = step[part]
        del step[name]

    return change


NUMBER_PATH = "/external/api/v1/subscription_system/subscription_number"
OTHER_ID = "ab" * 12

FORGERIES = {
    "another host in the path": (
        "update",
        set_in("request", "path", "https://evil.example/external/api/v1/userproducts"),
    ),
    "another path": ("update", set_in("request", "path", "/external/api/v1/accounts")),
    "the path of another action": ("update", set_in("request", "path", NUMBER_PATH)),
    "a path that climbs": ("update", set_in("request", "path", "/external/api/v1/x/../userproducts")),
    "a path with a query": ("update", set_in("request", "path", "/external/api/v1/userproducts?force=1")),
    "another action": ("update", set_in("action", "subscription_number")),
    "a sync called another sync": ("sync_address", set_in("action", "sync_subscriptions")),
    "an unknown body field": ("update", set_in("request", "body", "admin", "true")),
    "a field of another action": ("reactivate", set_in("request", "body", "state", "activated")),
    "a required field missing": ("reactivate", drop("request", "body", "user_product_id")),
    "the account missing": ("update", drop("request", "body", "account_id")),
    "an empty body": ("update", set_in("request", "body", {})),
    "fields in another order": ("update", move_key_to_end("account_id")),
    "a state that can't be set": ("update", set_in("request", "body", "state", "cancelled")),
    "a time in another form": ("update", set_in("request", "body", "valid_to", "2027-12-01T00:00:00Z")),
    "a time with a line break": ("update", set_in("request", "body", "valid_to", "2027-12-01 00:00 +0000\n")),
    "an id in upper case": ("reactivate", set_in("request", "body", "user_product_id", "AB" * 12)),
    "an id with a line break": ("reactivate", set_in("request", "body", "user_product_id", OTHER_ID + "\n")),
    "a number with a space": ("subscription_number", set_in("request", "body", "subscription_number", "1 2")),
    "a number of other digits": ("subscription_number", set_in("request", "body", "subscription_number", "١٢")),
    "an empty number": ("subscription_number", set_in("request", "body", "subscription_number", "")),
    "a number that is too long": ("subscription_number", set_in("request", "body", "subscription_number", "1" * 51)),
    "a customer number of two lines": ("sync_address", set_in("request", "body", "customer_number", "1\n")),
    "another account than the body's": ("update", set_in("account_id", OTHER_ID)),
    "another account in the body": ("update", set_in("request", "body", "account_id", OTHER_ID)),
    "another product than the body's": ("update", set_in("product_id", OTHER_ID)),
    "no product beside a body with one": ("update", set_in("product_id", None)),
    "another user product than the body's": ("reactivate", set_in("user_product_id", OTHER_ID)),
    "another customer number than the body's": ("sync_address", set_in("customer_number", "1")),
    "no customer number beside a body with one": ("sync_address", set_in("customer_number", None)),
    "a customer number on a product's call": ("update", set_in("customer_number", "1")),
    "a product on a sync": ("sync_address", set_in("product_id", OTHER_ID)),
    "a user product on a sync": ("sync_subscriptions", set_in("user_product_id", OTHER_ID)),
    "a number out of turn": ("update", set_in("number", 99)),
}

BROKEN = {
    "another method": ("update", set_in("request", "method", "DELETE")),
    "an unknown action": ("update", set_in("action", "delete")),
    "a header": ("update", set_in("request", "headers", {"Host": "evil.example"})),
    "a body value that is no text": ("update", set_in("request", "body", "valid_to", 5)),
    "a body value that is a list": ("update", set_in("request", "body", "valid_to", ["2027-12-01 00:00 +0000"])),
    "a null in the body": ("update", set_in("request", "body", "state", None)),
    "a number that is a text": ("update", set_in("number", "1")),
    "a number that is true": ("update", set_in("number", True)),
    "a number that isn't whole": ("update", set_in("number", 1.5)),
    "a number with a point": ("reactivate", set_in("number", 1.0)),
    "no request": ("update", drop("request")),
    "no changes": ("update", set_in("changes", [])),
    "an unknown impact": ("update", set_in("impact", "none")),
    "an unknown key": ("update", set_in("note", "trust me")),
    "an id that is no id": ("update", set_in("account_id", "../etc")),
    "an id with a line break": ("update", set_in("account_id", OTHER_ID + "\n")),
    "a day that doesn't exist": ("reactivate", set_in("not_after", "2026-02-30T00:00:00Z")),
    "a year that doesn't exist": ("reactivate", set_in("not_after", "0000-01-01T00:00:00Z")),
    "a deadline that is no time": ("reactivate", set_in("not_after", "tomorrow")),
    "a known that is no digest": ("update", set_in("known", "sha256:0")),
    "line nought": ("update", set_in("source", "line", 0)),
}


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
def test_a_request_that_no_operation_would_make_is_refused_whatever_its_digests_say(forgery):
    with pytest.raises(StalePlan, match="no operation would make") as caught:
        read(forge(*FORGERIES[forgery]))
    assert caught.value.details
    assert "reconciler plan" in caught.value.hint


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_step_of_another_shape_is_no_plan(broken):
    with pytest.raises(InvalidInput) as caught:
        read(forge(*BROKEN[broken]))
    assert "plan.json" in caught.value.message


def test_a_plan_forged_without_a_change_is_read():
    assert read(forged(json.loads(TEXT))) == SEALED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "reconciler.plan/v2"),
        ("environment", None),
        ("host", 5),
        ("as_of", "2026-11-24T10:00:00+00:00"),
        ("as_of", "2026-02-30T10:00:00Z"),
        ("expires_at", "2026-02-30T10:00:00Z"),
        ("expires_at", "0000-01-01T00:00:00Z"),
        ("expires_at", None),
        ("what_if", "false"),
        ("what_if", 0),
        ("manifests", {}),
        ("known_state", []),
        ("summary", {"update": 1}),
        ("accounts", None),
        ("steps", {}),
        ("steps", [None]),
        ("blocked", [{"rule": "x"}]),
        ("refusals", [{"guard": "revoked", "limit": 10, "found": "1", "accepted": False, "message": ""}]),
        ("extra", 1),
    ],
)
def test_a_head_of_another_shape_is_no_plan(name, value):
    data = json.loads(TEXT)
    data[name] = value
    data["plan_id"] = canonical.digest({key: item for key, item in data.items() if key != "plan_id"})
    with pytest.raises(InvalidInput):
        read(json.dumps(data))


@pytest.mark.parametrize("name", list(json.loads(TEXT)))
def test_a_head_field_that_is_missing_is_named(name):
    data = json.loads(TEXT)
    del data[name]
    with pytest.raises(InvalidInput) as caught:
        read(json.dumps(data))
    assert any(name in line for line in caught.value.details)


def test_a_window_with_a_day_that_doesn_t_exist_is_no_plan():
    data = json.loads(TEXT)
    data["accounts"][0]["user_products"][0]["access_after"] = [["2026-02-30T00:00Z", None]]
    with pytest.raises(InvalidInput):
        read(forged(data))


def test_steps_that_don_t_match_their_digest_are_stale_even_under_a_right_plan_id():
    data = json.loads(TEXT)
    data["steps"].pop()
    with pytest.raises(StalePlan, match="steps_digest"):
        read(forged(data, steps=False))


def test_every_wrong_step_is_listed():
    data = json.loads(TEXT)
    for step in data["steps"][:3]:
        step["request"]["path"] = "/"
    with pytest.raises(StalePlan) as caught:
        read(forged(data))
    assert len(caught.value.details) == 3


def test_keys_in_another_order_are_another_plan():
    data = json.loads(TEXT)
    turned = {name: data[name] for name in reversed(data)}
    with pytest.raises(StalePlan):
        read(json.dumps(turned))


def test_a_whole_number_may_be_long_but_not_a_step_s():
    data = json.loads(TEXT)
    data["known_state"]["serial"] = 10**400
    assert read(forged(data)).known_state.serial == 10**400
