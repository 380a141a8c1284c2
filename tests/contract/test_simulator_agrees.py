"""The simulator lets in what the vendor's pages let in, and every error code of every page can be had."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from reconciler.payway import pages as simulated
from reconciler.payway.behaviour import EFFECTS, NO_SERVICE
from reconciler.payway.faults import parse_faults
from reconciler.payway.simulator import Simulator
from reconciler.payway.world import World
from reconciler.payway.worldmodel import WorldAccount, WorldProduct

PREFIX = "/external/api/v1"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINE, OTHERS, NOBODY = "a" * 24, "b" * 24, "c" * 24
CANCELLED, ACTIVE, FOREIGN_SERVICE, ELSEWHERE = "1" * 24, "2" * 24, "3" * 24, "4" * 24

#: A good body for each call.
GOOD = {
    "update": {"account_id": MINE, "product_id": ACTIVE, "state": "activated"},
    "reactivate": {"account_id": MINE, "user_product_id": CANCELLED},
    "subscription_number": {"account_id": MINE, "user_product_id": ACTIVE, "subscription_number": "7"},
    "sync_address": {"customer_number": "77"},
    "sync_subscriptions": {"customer_number": "77"},
}

#: What each call must be sent for the errors that aren't common to all: (body, the simulator's settings).
SPECIAL = {
    ("update", 400, "configuration_error"): [({}, {"provision_service": NO_SERVICE})],
    ("update", 403, "not_product_owner"): [({"product_id": FOREIGN_SERVICE}, {"provision_service": "kayak"})],
    ("update", 404, "not_found"): [({"account_id": NOBODY}, {}), ({"product_id": NOBODY}, {})],
    ("reactivate", 404, "not_found"): [({"account_id": NOBODY}, {}), ({"user_product_id": NOBODY}, {})],
    ("reactivate", 409, "user_product_not_tulo_provisioned"): [({"user_product_id": FOREIGN_SERVICE}, {})],
    ("reactivate", 409, "invalid_state"): [({"user_product_id": ACTIVE}, {})],
    ("reactivate", 409, "user_product_not_belong_to_account"): [({"user_product_id": ELSEWHERE}, {})],
    ("subscription_number", 404, "not_found"): [({"account_id": NOBODY}, {}), ({"user_product_id": NOBODY}, {})],
    ("sync_address", 404, "not_found"): [({"customer_number": "78"}, {})],
    ("sync_subscriptions", 404, "not_found"): [({"customer_number": "78"}, {})],
}


def simulator(**settings) -> Simulator:
    world = World(
        accounts=[
            WorldAccount(
                MINE,
                "77",
                (
                    WorldProduct(CANCELLED, state="cancelled", provision_service="tulo"),
                    WorldProduct(ACTIVE),
                    WorldProduct(FOREIGN_SERVICE, state="cancelled", provision_service="pressen"),
                ),
            ),
            WorldAccount(OTHERS, None, (WorldProduct(ELSEWHERE, state="cancelled"),)),
        ]
    )
    return Simulator(world, clock=lambda: NOW, **settings)


def call(page, body, content_type="application/json", **settings):
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = simulator(**settings).respond(page["method"], PREFIX + page["path"], sent, content_type)
    return reply.status, json.loads(reply.body)


def good(page):
    return GOOD[page["action"]]


def provoke(page, status, code):
    """The answers to everything that this test knows to bring about ``status`` and ``code``."""
    common = {
        "invalid_parameter": (dict.fromkeys(good(page), "?"), {}),
        "json_parser_error": (b'{"account_id" "', {}),
        "invalid_content_type_error": (good(page), {"content_type": "text/plain"}),
        "unknown_parameter": ({**good(page), "title_code": "x"}, {}),
        "internal_server_error": (
            good(page),
            {"faults": parse_faults([{"call": 1, "fault": {"status": 500, "body": {"code": code, "message": "x"}}}])},
        ),
    }
    if code in common:
        body, settings = common[code]
        return [call(page, body, **settings)]
    return [call(page, {**good(page), **body}, **s) for body, s in SPECIAL[page["action"], status, code]]


def test_scopes_and_paths_are_those_of_the_page(page):
    [ours] = [ours for ours in simulated.PAGES if ours.action == page["action"]]
    assert (simulated.PREFIX + ours.path, ours.scope) == (PREFIX + page["path"], page["scope"])


def test_every_call_has_an_effect(pages):
    assert sorted(EFFECTS) == sorted(page["action"] for page in pages)


def test_every_error_code_of_the_page_can_be_provoked(page):
    for status, codes in page["errors"].items():
        for code in codes:
            for answered, data in provoke(page, int(status), code):
                assert (answered, data["code"]) == (int(status), code)
                assert set(data) <= {"code", "field", "message"} and data["message"]


def test_nothing_is_provoked_that_no_page_lists(pages):
    listed = {(p["action"], int(s), code) for p in pages for s, codes in p["errors"].items() for code in codes}
    assert set(SPECIAL) <= listed


def test_a_good_call_answers_the_id_that_the_page_says(page):
    body = good(page)
    expected = MINE if page["answers"] == "account" else body.get("user_product_id", ACTIVE)
    assert call(page, body) == (200, {"id": expected})


def test_another_scope_is_refused(page):
    status, data = call(page, good(page), scopes=simulated.SCOPES - {page["scope"]})
    assert status == 403 and "code" not in data
    assert call(page, good(page), scopes={page["scope"]})[0] == 200


def test_every_required_field_is_enforced(page):
    for field in page["fields"]:
        body = {name: value for name, value in good(page).items() if name != field["name"]}
        status, data = call(page, body)
        if field["required"]:
            assert (status, data["code"], data["field"]) == (400, "invalid_parameter", field["name"])
        else:
            assert status == 200


def test_every_unknown_parameter_is_refused(page, pages):
    known = {field["name"] for field in page["fields"]}
    others = {field["name"] for p in pages for field in p["fields"]} | {"", "id", "State", "title_code", "state "}
    for name in others - known:
        status, data = call(page, {**good(page), name: "x"})
        assert (status, data["code"], data["field"]) == (400, "unknown_parameter", name)


def test_patterns_sizes_and_words_are_enforced_at_their_edges(page, edges, accepts):
    for field in page["fields"]:
        name = field["name"]
        if "pattern" not in field and "words" not in field:
            continue
        for value in edges:
            status, data = call(page, {**good(page), name: value})
            refused = (status, data.get("field")) == (400, name)
            assert refused != accepts(field, value), (name, value, status, data)


@pytest.mark.parametrize("value", [None, 1, True, 1.5, [], {}])
def test_only_text_is_taken(page, value):
    for field in page["fields"]:
        status, data = call(page, {**good(page), field["name"]: value})
        assert (status, data["code"], data["field"]) == (400, "invalid_parameter", field["name"])


def test_ids_are_taken_in_either_case(page):
    upper = {name: value.upper() if name.endswith("_id") else value for name, value in good(page).items()}
    assert call(page, upper) == call(page, good(page))


def test_the_pages_example_gets_past_the_checks(page):
    assert call(page, page["example"]["body"])[0] == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"],
    ids=range(9),
)
def test_bodies_that_are_no_json_object(page, body):
    assert call(page, body)[1]["code"] == "json_parser_error"


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
def test_content_types_that_mean_json(page, kind):
    assert call(page, good(page), kind)[0] == 200


@pytest.mark.parametrize("kind", [None, "", "text/json", "application/jsonp", "application/x-www-form-urlencoded"])
def test_content_types_that_dont(page, kind):
    assert call(page, good(page), kind)[1]["code"] == "invalid_content_type_error"
