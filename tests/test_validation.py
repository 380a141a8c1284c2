"""What a schema refuses, in words for people; held against jsonschema itself."""

import copy
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler import validation
from reconciler.instants import BadTime, parse_declared
from reconciler.schemafiles import load_schema, schema_names
from reconciler.validation import boolean_paths, check_instance, findings, path_text, schema_errors

ID = "52a781d6400e06897c00000f"
ACCOUNT = {
    "apiVersion": "payway/v1",
    "kind": "Account",
    "account_id": ID,
    "customer_number": "1234567890",
    "owner": "circulation@example.com",
    "labels": {"region": "north"},
    "sync": {"subscriptions": "2026-11-24 renumbering", "address": "1"},
    "user_products": [
        {
            "product_id": ID,
            "user_product_id": ID,
            "state": "activated",
            "subscription_type": "limited",
            "valid_from": "2016-10-02 13:00 +0100",
            "valid_to": "2016-11-02T13:00:00Z",
            "subscription_number": "0012345670",
            "protect": True,
        },
        {"user_product_id": ID},
    ],
}


def changed(path, value):
    """`ACCOUNT` with ``value`` at ``path``; `...` takes the key away."""
    account = copy.deepcopy(ACCOUNT)
    holder = account
    for part in path[:-1]:
        holder = holder[part]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return account


@pytest.mark.parametrize("name", schema_names())
def test_every_schema_is_one(name):
    Draft202012Validator.check_schema(load_schema(name))


def test_a_full_account_fits():
    assert findings("account", ACCOUNT) == []
    assert schema_errors("account", ACCOUNT) == []
    assert check_instance("account", ACCOUNT) == []


PRODUCT = ("user_products", 0)


@pytest.mark.parametrize(
    ("path", "value", "rule", "line"),
    [
        (("account_id",), ..., "missing-key", "account_id: is missing"),
        (("user_products",), ..., "missing-key", "user_products: is missing"),
        (("acount_id",), ID, "unknown-key", "acount_id: is an unknown key; did you mean account_id?"),
        (("OWNER",), "a", "unknown-key", "OWNER: is an unknown key; did you mean owner?"),
        (("zzz",), ID, "unknown-key", "zzz: is an unknown key"),
        ((*PRODUCT, "sate"), "x", "unknown-key", "user_products[0].sate: is an unknown key; did you mean state?"),
        (("kind",), "account", "unknown-word", "kind: can't be 'account'; it must be Account"),
        (
            (*PRODUCT, "state"),
            "activate",
            "unknown-word",
            "user_products[0].state: can't be 'activate'; it must be activated or deactivated; did you mean activated?",
        ),
        (("owner",), 7, "wrong-type", "owner: must be text"),
        (("owner",), None, "wrong-type", "owner: must be text"),
        (("kind",), [], "wrong-type", "kind: must be text"),
        (("labels",), [], "wrong-type", "labels: must be a mapping"),
        (("labels", "a b"), 1, "wrong-type", 'labels["a b"]: must be text'),
        (("user_products",), {}, "wrong-type", "user_products: must be a list"),
        (("user_products", 1), "x", "wrong-type", "user_products[1]: must be a mapping"),
        ((*PRODUCT, "protect"), "yes", "wrong-type", "user_products[0].protect: must be true or false"),
        (
            ("customer_number",),
            "12 4",
            "bad-pattern",
            "customer_number: has a space as character 3 of '12 4', which isn't allowed here",
        ),
        (
            ("customer_number",),
            "12\n",
            "bad-pattern",
            r"customer_number: has a line break as character 3 of '12\n', which isn't allowed here",
        ),
        (
            ("account_id",),
            ID[:-1] + "٣",
            "bad-pattern",
            f"account_id: has '٣' as character 24 of '{ID[:-1]}٣', which isn't allowed here",
        ),
        (("account_id",), ID + "0", "bad-length", "account_id: has 25 characters, but must have 24"),
        (("owner",), "", "bad-length", "owner: has 0 characters, but must have 1 to 200"),
        (("labels", "a"), "x" * 201, "bad-length", "labels.a: has 201 characters, but must have at most 200"),
        (("labels", ""), "x", "bad-length", 'labels[""]: has 0 characters, but must have 1 to 100'),
        (
            (*PRODUCT, "valid_to"),
            "soon",
            "bad-pattern",
            "user_products[0].valid_to: can't be 'soon': it hasn't the form that is needed here",
        ),
        (("user_products", 1), {}, "missing-key", "user_products[1]: needs product_id or user_product_id"),
        (
            (*PRODUCT, "product_id"),
            ...,
            "missing-key",
            "user_products[0].product_id: is missing; "
            "it is needed beside state and subscription_type and valid_from and valid_to",
        ),
        (("customer_number",), ..., "missing-key", "customer_number: is missing; it is needed beside sync"),
    ],
)
def test_each_finding_is_one_line_in_plain_words(path, value, rule, line):
    account = changed(path, value)
    assert [finding.rule for finding in findings("account", account)] == [rule]
    assert schema_errors("account", account) == [line]
    [(where, text)] = check_instance("account", account)
    assert f"{path_text(where)}: {text}" == line


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_another_thing_than_a_mapping_is_one_finding(value):
    assert schema_errors("account", value) == ["(top): must be a mapping"]


def test_lines_end_at_the_limit():
    account = changed(("user_products",), [{"x": "y"}] * 100)
    lines = schema_errors("account", account, limit=3)
    assert len(lines) == 4
    assert lines[-1] == "… and more"
    assert len(schema_errors("account", changed(("owner",), 7), limit=1)) == 1
    assert len(schema_errors("account", account)) == 51


def test_many_unknown_keys_are_guessed_at_in_part_and_told_in_full():
    found = findings("account", {f"account_i{number}": "x" for number in range(1000)})
    unknown = [finding for finding in found if finding.rule == "unknown-key"]
    assert len(unknown) == 1000
    assert sum(str(finding.hint).startswith("did you mean") for finding in unknown) == 50


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "(top)"),
        (("accounts", 3, "labels", "a b"), 'accounts[3].labels["a b"]'),
        ((0, "a"), "[0].a"),
        (("a-b", "c\n"), 'a-b["c\\n"]'),
        (("x" * 500,), '["' + "x" * 60 + '"]'),
    ],
)
def test_paths_are_for_people(path, text):
    assert path_text(path) == text


@pytest.fixture
def schema(monkeypatch):
    """A way to hold values against a schema that is made up."""

    def lines(made_up, value):
        monkeypatch.setattr(validation, "load_schema", lambda name: made_up)
        validation._validator.cache_clear()
        return schema_errors("made up", value)

    yield lines
    validation._validator.cache_clear()


@pytest.mark.parametrize(
    ("made_up", "value", "lines"),
    [
        ({"type": ["string", "null"]}, 1, ["(top): must be text or null"]),
        ({"type": "integer"}, 1.5, ["(top): must be a whole number"]),
        ({"type": "integer", "minimum": 1}, 0, ["(top): must be at least 1"]),
        ({"type": "number", "exclusiveMaximum": 1}, 1, ["(top): must be less than 1"]),
        ({"minItems": 1}, [], ["(top): has 0 items, but must have at least 1"]),
        ({"maxItems": 1}, [1, 2], ["(top): has 2 items, but must have at most 1"]),
        ({"minProperties": 1}, {}, ["(top): has 0 keys, but must have at least 1"]),
        ({"uniqueItems": True}, [1, 1], ["(top): holds the same item twice"]),
        ({"enum": [1, None, "a"]}, 2, ["(top): can't be this; it must be 1 or null or a"]),
        ({"not": {}}, 2, ["(top): isn't of a form that is allowed here"]),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, [], ["(top): isn't of a form that is allowed here"]),
        (
            {"anyOf": [{"type": "string"}, {"properties": {"a": {"type": "string"}}}]},
            {"a": 1},
            ["a: must be text"],
        ),
    ],
)
def test_other_schemas_get_plain_words_too(schema, made_up, value, lines):
    assert schema(made_up, value) == lines


def test_a_reference_to_elsewhere_is_never_fetched(schema):
    with pytest.raises(Exception, match=re.escape("https://example.invalid/schema")):
        schema({"$ref": "https://example.invalid/schema"}, 1)


def test_booleans_of_the_account_schema_are_known():
    assert boolean_paths("account") == {("user_products", "*", "protect")}


PIECES = [None, True, 1, "", "x", ID, "a b", "activated", "2016-10-02", [], {}, [{}], {"x": "y"}, {"sync": {}}]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [(key,) for key in ACCOUNT]
                + [("zzz",), ("labels", "x"), ("sync", "x"), ("sync", "address"), ("user_products", 1)]
                + [(*PRODUCT, key) for key in [*ACCOUNT["user_products"][0], "x"]]
            ),
            st.sampled_from([*PIECES, ...]),
        ),
        max_size=4,
    )
)
def test_there_are_findings_exactly_when_jsonschema_refuses(edits):
    account = copy.deepcopy(ACCOUNT)
    for path, value in edits:
        try:
            holder = account
            for part in path[:-1]:
                holder = holder[part]
            if value is ...:
                del holder[path[-1]]
            else:
                holder[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue
    found = findings("account", account)
    assert (found == []) == Draft202012Validator(load_schema("account")).is_valid(account)
    places = [(finding.path, finding.of_key, finding.absent) for finding in found]
    assert len(places) == len(set(places))


TIME = load_schema("account")["properties"]["user_products"]["items"]["properties"]["valid_to"]["pattern"]


@given(
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]([Tt][012][0-9]:[0-5][0-9](:00)?([Zz]|[+-][01][0-9]:[0-5][0-9])"
        r"| [012][0-9]:[0-5][0-9](:00)? [+-][01][0-9][0-5][0-9])\n?",
        fullmatch=True,
    )
    | st.text("0123456789-+:TtZz .\n", max_size=30)
)
def test_the_schema_takes_every_time_that_is_one(text):
    try:
        parse_declared(text)
    except BadTime:
        return
    assert re.search(TIME, text)


def strings(schema):
    """Every schema of a text in ``schema``, by its pattern."""
    if isinstance(schema, dict):
        if "pattern" in schema:
            yield schema
        for below in schema.values():
            yield from strings(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from strings(below)


def test_no_pattern_of_an_account_takes_a_trailing_line_break_or_foreign_digits():
    patterned = list(strings(load_schema("account")))
    assert len(patterned) == 7
    for schema in patterned:
        [example, *_] = schema["examples"]
        assert re.search(schema["pattern"], example)
        assert not re.search(schema["pattern"], example + "\n")
        assert not re.search(schema["pattern"], example.replace("0", "٠"))


def test_editors_get_a_text_for_every_field_and_nothing_they_stumble_over():
    text = json.dumps(load_schema("account"))
    assert not re.search(r'"(\$dynamicRef|unevaluatedProperties|oneOf|if|allOf|\$ref)"', text)

    def fields(schema):
        for key, below in schema.get("properties", {}).items():
            yield key, below
            yield from fields(below)
            yield from fields(below.get("items", {}))

    for key, field in fields(load_schema("account")):
        assert field["title"], key
        assert field["description"].endswith("."), key


def test_jsonschema_is_imported_when_it_is_needed():
    code = (
        "import sys, reconciler.manifests.desired; "
        "print(sorted({'yaml', 'jsonschema', 'referencing'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
