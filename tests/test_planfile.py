"""Plans as bytes: written one way, read back strictly; nothing altered or forged passes as a plan."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planfiles import SEALED, TEXT, read, whole_plan
from support.planning import NOW, plan, user_product_id

from reconciler import canonical
from reconciler.errors import InvalidInput, StalePlan
from reconciler.operations import body_bytes
from reconciler.planfile import accepted_guards, plan_lines, plan_text, seal, steps_digest


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


@pytest.mark.parametrize("start", range(8))
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

    def test_an_unsealed_plan_is_no_plan(self):
        with pytest.raises(InvalidInput):
            read(plan_text(plan()))
