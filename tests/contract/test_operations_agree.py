"""`reconciler.operations` and the built-in hosts say what the vendor's pages say."""

from __future__ import annotations

import pytest

from reconciler.operations import API_PREFIX, BY_ACTION, COMMON_ERRORS, METHOD, OPERATIONS, NoSuchRequest, body_bytes
from reconciler.payway.environments import BUILTIN_HOSTS


@pytest.fixture
def operation(page):
    return BY_ACTION[page["action"]]


def errors_of(page):
    return {(int(status), code) for status, codes in page["errors"].items() for code in codes}


def test_method_path_and_scope(page, operation):
    assert (METHOD, operation.path, operation.scope) == (page["method"], page["path"], page["scope"])


def test_the_hosts_are_those_of_every_page(page, operation):
    assert {name: host + API_PREFIX + operation.path for name, host in BUILTIN_HOSTS.items()} == page["uri"]


def test_fields_in_the_order_of_the_page(page, operation):
    assert [(f.name, f.required) for f in operation.fields] == [(f["name"], f["required"]) for f in page["fields"]]


def test_the_words_of_each_field(page, operation):
    assert [list(f.words) for f in operation.fields] == [f.get("words", []) for f in page["fields"]]


def test_no_field_takes_what_its_page_refuses(page, operation, edges, accepts):
    for ours, theirs in zip(operation.fields, page["fields"], strict=True):
        taken = {value for value in edges if ours.accepts(value)}
        assert all(accepts(theirs, value) for value in taken), (ours.name, taken)


def test_every_field_takes_what_its_page_allows_ids_in_lower_case(page, operation, edges, accepts):
    for ours, theirs in zip(operation.fields, page["fields"], strict=True):
        if "pattern" not in theirs and "words" not in theirs:
            continue
        allowed = {value for value in edges if accepts(theirs, value)}
        if theirs["name"].endswith("_id"):
            allowed = {value.lower() for value in allowed}
        assert all(ours.accepts(value) for value in allowed), (ours.name, allowed)


def test_fields_without_a_pattern_take_the_examples_form_alone(page, operation, edges):
    for ours, theirs in zip(operation.fields, page["fields"], strict=True):
        if "pattern" in theirs or "words" in theirs:
            continue
        example = page["example"]["body"][ours.name]
        assert ours.accepts(example)
        assert not ours.accepts(example + "\n")
        assert [value for value in edges if ours.accepts(value) and len(value) != len(example)] == []


@pytest.mark.parametrize("value", [None, 1, True, 1.5, [], {}, b"activated"])
def test_only_text_is_taken(operation, value):
    assert not any(field.accepts(value) for field in operation.fields)


def test_the_errors_are_the_common_ones_and_the_operations_own(page, operation):
    assert not set(operation.errors) & set(COMMON_ERRORS)
    assert {*COMMON_ERRORS, *operation.errors} == errors_of(page)


def test_whose_id_is_answered(page, operation):
    assert operation.answers == page["answers"]


def test_the_examples_request_is_made_in_the_pages_order(page, operation):
    request = operation.request(page["example"]["body"])
    assert (request.method, API_PREFIX + page["path"]) == (page["method"], request.path)
    assert list(request.body.items()) == list(page["example"]["body"].items())
    assert body_bytes(request).startswith(b'{"%s":"' % page["fields"][0]["name"].encode())


def test_each_required_field_is_asked_for_and_each_optional_one_isnt(page, operation):
    for field in page["fields"]:
        values = {name: value for name, value in page["example"]["body"].items() if name != field["name"]}
        if field["required"]:
            with pytest.raises(NoSuchRequest, match=field["name"]):
                operation.request(values)
        else:
            assert field["name"] not in operation.request(values).body


def test_fields_of_no_page_are_refused(page, operation):
    with pytest.raises(NoSuchRequest, match="title_code"):
        operation.request({**page["example"]["body"], "title_code": "x"})


def test_only_the_call_that_answers_differently_the_second_time_may_not_be_repeated():
    # Page "Reactivate": 409 invalid_state for a product that is not cancelled, so also after success.
    assert [o.action for o in OPERATIONS if not o.repeatable] == ["reactivate"]


def test_the_syncs_wait_before_a_repeat():
    # Page "Sync customer subscriptions": bulk operations "in sequence and NOT in parallel".
    assert {o.action for o in OPERATIONS if o.answers == "account"} <= {o.action for o in OPERATIONS if o.cool_down}
