"""Plans as bytes: written one way, read back strictly; nothing altered or forged passes as a plan."""

import json
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planning import NOW, has, have, plan, user_product_id, want, wants

from reconciler import canonical
from reconciler.errors import InvalidInput, StalePlan
from reconciler.model import KnownHead
from reconciler.operations import body_bytes
from reconciler.planfile import accepted_guards, plan_lines, plan_text, read_plan, seal, steps_digest

SOON, LATER = "2026-12-01", "2027-12-01"
ACTIVATED, DEACTIVATED = {"state": "activated"}, {"state": "deactivated"}


def whole_plan(**settings):
    """A plan with something in every list, and every action."""
    known = [
        has("w", have("a", user="w")),
        has(
            "x",
            have("a", **ACTIVATED, frm="2025-01-01", to=LATER),
            have("b", state="cancelled", to=SOON, number="6", service="tulo"),
            have("c", state="frozen"),
            observed_at="2026-11-24T09:00:00Z",
        ),
        has("y", have("a", user="y", state="paused")),
    ]
    declared = [
        wants(
            "x",
            want("a", to="2027-01-01 01:00 +0100", protect=True, line=4, fields={"valid_to": 6}),
            want("b", **ACTIVATED, to=LATER, number="0012345670", line=8),
            want("c", **ACTIVATED, line=12),
            want("d", **ACTIVATED, number="9", line=15),
            customer="007",
            sync={"address": "1", "subscriptions": 'with "quotes" and \u00fc'},
            owner="Zo\u00eb <zoe@example.com>",
            labels={"region": "north"},
        ),
        wants("y", want("a", user="y", **ACTIVATED)),
    ]
    settings = {"accepted": frozenset({"protected"}), "revision": "abc123", **settings}
    head = KnownHead("stage", "f" * 32, 12)
    return seal(plan(declared, known, head=head, **settings))


SEALED = whole_plan()
TEXT = plan_text(SEALED)


def read(text):
    return read_plan(text, name="plan.json")


class TestWriting:
    def test_every_list_of_the_example_holds_something(self):
        data = json.loads(TEXT)
        for name in ("accounts", "steps", "deferred", "blocked", "unmanaged", "warnings", "refusals"):
            assert data[name], name
        assert {step["action"] for step in data["steps"]} == {
            "update", "reactivate", "subscription_number", "sync_address", "sync_subscriptions",
        }  # fmt: skip

    def test_the_same_plan_is_the_same_bytes(self):
        assert plan_text(whole_plan()) == TEXT
        assert "".join(plan_lines(SEALED)) == TEXT

    def test_ascii_with_one_line_for_each_head_field_and_item(self):
        assert TEXT.isascii()
        lines = TEXT.splitlines()
        data = json.loads(TEXT)
        lists = sum(len(value) for value in data.values() if isinstance(value, list))
        assert len(lines) == len(data) + lists
        assert TEXT.endswith("}\n")

    def test_the_keys_of_the_contract_in_its_order(self):
        data = json.loads(TEXT)
        assert list(data) == [
            "format", "plan_id", "steps_digest", "environment", "host", "as_of", "expires_at", "what_if", "manifests",
            "known_state", "summary", "accounts", "steps", "deferred", "blocked", "unmanaged", "warnings", "refusals",
        ]  # fmt: skip
        assert list(data["steps"][0]) == [
            "number", "action", "account_id", "product_id", "user_product_id", "customer_number", "request", "changes",
            "impact", "reversible", "not_after", "reason", "source", "known",
        ]  # fmt: skip
        assert set(data["deferred"][0]) == {
            "account_id", "product_id", "user_product_id", "action", "rule", "message", "source",
        }  # fmt: skip
        assert set(data["blocked"][0]) == {"account_id", "product_id", "user_product_id", "rule", "message", "source"}

    def test_a_step_s_body_stands_in_the_file_byte_for_byte_as_it_is_sent(self):
        for step in SEALED.steps:
            assert body_bytes(step.request) in TEXT.encode("ascii")

    def test_times_windows_and_unknowns(self):
        data = json.loads(TEXT)
        [reactivate] = [step for step in data["steps"] if step["action"] == "reactivate"]
        assert reactivate["not_after"] == "2026-12-01T00:00:00Z"
        products = {p["user_product_id"]: p for p in data["accounts"][0]["user_products"]}
        shortened = products[user_product_id("a")]
        assert shortened["access_before"] == [["2025-01-01T00:00Z", "2027-12-01T00:00Z"]]
        assert shortened["access_after"] == [["2025-01-01T00:00Z", "2027-01-01T00:00Z"]]
        assert products[None]["access_before"] is None
        assert products[None]["access_after"] == [[None, None]]

    def test_an_empty_plan(self):
        empty = seal(plan())
        assert read(plan_text(empty)) == empty


class TestDigests:
    def test_plan_id_covers_the_whole_but_itself(self):
        data = json.loads(TEXT)
        given_id = data.pop("plan_id")
        assert canonical.digest(data) == given_id
        assert seal(SEALED) == SEALED

    def test_steps_digest_is_the_same_for_plans_that_would_do_the_same(self):
        later = whole_plan(now=NOW.replace(hour=11), revision="def456")
        assert later.plan_id != SEALED.plan_id
        assert later.steps_digest == SEALED.steps_digest

    @pytest.mark.parametrize("setting", [{"environment": "production"}, {"host": "https://other.example"}])
    def test_steps_digest_covers_where_it_goes(self, setting):
        assert whole_plan(**setting).steps_digest != SEALED.steps_digest

    def test_steps_digest_covers_the_accepted_guards(self):
        assert whole_plan(accepted=frozenset()).steps_digest != SEALED.steps_digest
        assert whole_plan(accepted=frozenset({"protected", "adopted"})).steps_digest != SEALED.steps_digest

    def test_but_not_the_acceptance_of_guards_that_aren_t_exceeded(self):
        more = whole_plan(accepted=frozenset({"protected", "reactivated"}))
        assert more.steps_digest == SEALED.steps_digest
        assert accepted_guards(more) == ["protected"]

    def test_steps_digest_covers_action_request_and_order(self):
        first, second, *rest = SEALED.steps
        swapped = replace(SEALED, steps=(second, first, *rest))
        fewer = replace(SEALED, steps=tuple(rest))
        body = {**first.request.body, "account_id": "0" * 24}
        other = replace(SEALED, steps=(replace(first, request=replace(first.request, body=body)), second, *rest))
        assert len({steps_digest(made) for made in (SEALED, swapped, fewer, other)}) == 4

    def test_steps_digest_says_nothing_of_reasons_and_places(self):
        first, *rest = SEALED.steps
        told = replace(first, reason="because", source=replace(first.source, line=99), impact="neutral")
        assert steps_digest(replace(SEALED, steps=(told, *rest))) == SEALED.steps_digest


class TestReading:
    def test_round_trip(self):
        assert read(TEXT) == SEALED
        assert plan_text(read(TEXT)) == TEXT

    def test_spaces_between_tokens_say_nothing(self):
        assert read(json.dumps(json.loads(TEXT), indent=4)) == SEALED

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "null",
            "[]",
            "1",
            '"plan"',
            "{}",
            "{",
            TEXT[:-3],
            TEXT + TEXT,
            TEXT + "x",
            "\ufeff" + TEXT,
            "not json",
            '{"format": "reconciler.plan/v2"}',
            "[" * 100_000,
            '{"a":' * 100_000,
            "9" * 10_000,
            '{"a": NaN}',
            '{"a": Infinity}',
            '{"a": -Infinity}',
            '{"a": 1e999}',
            '{"a": 1, "a": 1}',
        ],
        ids=lambda text: repr(text[:20]),
    )
    def test_a_text_that_is_no_plan_is_refused(self, text):
        with pytest.raises(InvalidInput) as caught:
            read(text)
        assert "plan.json" in caught.value.message
        assert len(caught.value.message) < 300
        assert "reconciler plan" in caught.value.hint

    @pytest.mark.parametrize("place", ["top", "step", "body"])
    def test_a_key_that_stands_twice_is_refused(self, place):
        wanted = {
            "top": '"what_if": false',
            "step": '"number":1',
            "body": f'"account_id":"{SEALED.steps[0].account_id}"',
        }
        twice = TEXT.replace(wanted[place], f"{wanted[place]},{wanted[place]}", 1)
        assert twice != TEXT
        with pytest.raises(InvalidInput, match="twice"):
            read(twice)

    @pytest.mark.parametrize("number", ["1.0", "1e0", "1E+0", "NaN", "Infinity", "1" * 5_000, "-1", "0"])
    def test_numbers_are_whole_and_of_bounded_length(self, number):
        with pytest.raises((InvalidInput, StalePlan)):
            read(TEXT.replace('"number":1,', f'"number":{number},', 1))


# --- Altered ---


def judged(text):
    """``refused``, or the plan that came out."""
    try:
        return read(text)
    except (InvalidInput, StalePlan):
        return "refused"


@pytest.mark.parametrize("start", range(40))
def test_a_flipped_character_is_refused_or_changes_nothing(start):
    for place in range(start, len(TEXT), 131):
        for flip in (1, 32):
            altered = TEXT[:place] + chr(ord(TEXT[place]) ^ flip) + TEXT[place + 1 :]
            assert judged(altered) in ("refused", SEALED), (place, altered[max(place - 20, 0) : place + 20])


@settings(max_examples=120, deadline=None)
@given(st.integers(0, len(TEXT) - 1), st.characters(codec="utf-8"))
def test_another_character_is_refused_or_changes_nothing(place, character):
    assert judged(TEXT[:place] + character + TEXT[place + 1 :]) in ("refused", SEALED)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, len(TEXT)), st.integers(0, 60), st.text(max_size=5))
def test_a_cut_or_an_insertion_is_refused_or_changes_nothing(place, length, inserted):
    assert judged(TEXT[:place] + inserted + TEXT[place + length :]) in ("refused", SEALED)


class TestAltered:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"environment": "stage"', '"environment": "production"'),
            ('"accepted":false', '"accepted":true'),
            ('"impact":"shorten"', '"impact":"neutral"'),
            ('"what_if": false', '"what_if": true'),
            ('"expires_at": "2026-11-25', '"expires_at": "2036-11-25'),
            ("0012345670", "0012345671"),
            ('"line":8', '"line":9'),
            ("term runs until", "term ran until"),
        ],
    )
    def test_content_that_doesn_t_match_its_plan_id_is_stale(self, old, new):
        assert old in TEXT
        with pytest.raises(StalePlan, match="altered") as caught:
            read(TEXT.replace(old, new, 1))
        assert "reconciler plan" in caught.value.hint

    def test_a_plan_id_of_another_plan_is_stale(self):
        other = whole_plan(revision="other")
        with pytest.raises(StalePlan, match="plan_id"):
            read(TEXT.replace(SEALED.plan_id, other.plan_id))

    def test_steps_that_don_t_match_their_digest_are_stale_even_under_a_right_plan_id(self):
        data = json.loads(TEXT)
        data["steps"].pop()
        with pytest.raises(StalePlan, match="steps_digest"):
            read(forged(data, steps=False))

    def test_an_unsealed_plan_is_no_plan(self):
        with pytest.raises(InvalidInput):
            read(plan_text(plan()))


# --- Forged: altered by somebody who can compute digests ---


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
