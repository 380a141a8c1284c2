"""The pages as data are complete, agree with themselves, and each has its operation and the other way round."""

from __future__ import annotations

import json
import re

from reconciler.operations import API_PREFIX, OPERATIONS
from reconciler.payway import pages as simulated


def test_there_are_exactly_the_five_pages(pages):
    assert sorted(page["action"] for page in pages) == [
        "reactivate",
        "subscription_number",
        "sync_address",
        "sync_subscriptions",
        "update",
    ]


def test_every_operation_has_a_page_and_every_page_an_operation(pages):
    assert sorted((o.action, o.page) for o in OPERATIONS) == sorted((p["action"], p["page"]) for p in pages)


def test_every_page_is_simulated(pages):
    assert sorted(p.action for p in simulated.PAGES) == sorted(p["action"] for p in pages)


def test_both_uris_end_in_the_path_below_the_prefix(page):
    for uri in page["uri"].values():
        assert uri.endswith(API_PREFIX + page["path"])


def test_the_example_calls_the_stage_uri_with_the_method_and_a_bearer_token(page):
    curl = page["example"]["curl"]
    assert f"--request {page['method']} " in curl
    assert f"--url {page['uri']['stage']} " in curl
    assert "'content-type: application/json'" in curl and "'authorization: Bearer token'" in curl


def test_whether_the_example_is_json_is_said_truly(page):
    # Two of the pages show a body that no parser takes; what it means stands beside it.
    shown = re.search(r"--data '(.*)'", page["example"]["curl"], re.DOTALL)[1]
    try:
        body = json.loads(shown)
    except ValueError:
        body = None
    assert (body is not None) == page["example"]["is_json"]
    if body is not None:
        assert body == page["example"]["body"]
    for name, value in page["example"]["body"].items():
        assert f'"{name}"' in shown and f'"{value}"' in shown


def test_the_example_obeys_its_own_table(page, accepts):
    fields = {field["name"]: field for field in page["fields"]}
    assert list(page["example"]["body"]) == list(fields)
    for name, value in page["example"]["body"].items():
        assert accepts(fields[name], value)
