"""The short way past a schema accepts nothing that jsonschema refuses, and everything that plain accounts hold."""

import copy
import json

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing.exceptions import Unresolvable
from support.fleets import fleets

from reconciler.predicates import accepts, compile_predicate
from reconciler.schemafiles import load_schema
from reconciler.validation import findings

SCHEMA = load_schema("account")
JUDGE = Draft202012Validator(SCHEMA)

ID = "52a781d6400e06897c00000f"
FULL = {
    "apiVersion": "payway/v1",
    "kind": "Account",
    "account_id": ID,
    "customer_number": "1234567890",
    "owner": "circulation@example.com",
    "labels": {"region": "north"},
    "sync": {"subscriptions": "2026-11-24 renumbering", "address": "1"},
    "user_products": [
        {
            "product_id": ID.upper(),
            "user_product_id": ID,
            "state": "activated",
            "subscription_type": "limited",
            "valid_from": "2016-10-02 13:00 +0100",
            "valid_to": "2036-11-02T13:00+01:00",
            "subscription_number": "0012345670",
            "protect": True,
        },
        {"user_product_id": ID},
    ],
}

#: What stands where something else should.
VALUES = [
    *(None, True, False, 0, 1, 1.5, [], {}, [{}], [None], {"a": "b"}, {"a": None}, {"": "a"}, {"x" * 101: "a"}),
    *("", "a", "\n", "a\n", "no", "١٢٣", "å", "x" * 50, "x" * 51, "x" * 200, "x" * 201, "😀" * 200, "\ud800"),
    *(ID, ID + "\n", ID[:-1], ID[:-1] + "g", ID[:-1] + "\n", ID[:-1] + "١", ID + "0", f" {ID}", "payway/v1", "Account"),
    *("activated", "deactivated", "Activated", "activated\n", "recurring", "limited", "cancelled"),
    *("2016-10-02 13:00 +0100", "2016-10-02 13:00 +0100\n", "2016-10-02T13:00:00Z", "2016-10-02t13:00z"),
    *("2016-10-02", "2016-10-02 13:00", "2016-10-02T13:00:01Z", "2016-10-02 13:00:00 +0100", "٢016-10-02T13:00Z"),
]  # fmt: skip
KEYS = [
    *SCHEMA["properties"],
    *SCHEMA["properties"]["user_products"]["items"]["properties"],
    "address",
    "sate",
    "",
    "Kind",
]


def places(value, path=()):
    """The paths of everything in ``value``."""
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def put(value, path, new):
    """``value`` with ``new`` at ``path``; with nothing there if that is ``...``."""
    if not path:
        return new
    value = copy.copy(value)
    if new is ... and len(path) == 1:
        del value[path[0]]
    else:
        value[path[0]] = put(value[path[0]], path[1:], new)
    return value


def with_key(value, path, key, new):
    """``value`` with one key more in the mapping at ``path``."""
    for part in path:
        value = value[part]
    return put(FULL, path, {**value, key: new}) if isinstance(value, dict) else FULL


def judged(value) -> bool:
    """Whether the predicate accepts; that it does so rightly is asserted."""
    accepted = accepts("account")(value)
    if accepted:
        assert JUDGE.is_valid(value), value
        assert findings("account", value) == []
    return accepted


def test_a_full_account_is_accepted():
    assert judged(FULL)


def test_every_single_change_is_accepted_only_if_the_schema_does():
    """Also the other way round: of a plain account the predicate leaves nothing to the schema that it would accept."""
    changed = [put(FULL, path, value) for path in places(FULL) if path for value in (*VALUES, ...)]
    changed += [with_key(FULL, path, key, value) for path in places(FULL) for key in KEYS for value in VALUES[:20]]
    for value in changed:
        assert judged(value) == JUDGE.is_valid(value), value


@given(st.lists(st.tuples(st.sampled_from(list(places(FULL))[1:]), st.sampled_from([*VALUES, ...])), max_size=4))
@settings(max_examples=500, deadline=None)
def test_several_changes_are_accepted_only_if_the_schema_does(changes):
    value = FULL
    for path, new in changes:
        try:
            value = put(value, path, new)
        except (KeyError, IndexError, TypeError):
            continue
    assert judged(value) == JUDGE.is_valid(value)


JSON = st.recursive(
    st.sampled_from([value for value in VALUES if not isinstance(value, list | dict)]) | st.text(max_size=4),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS), below, max_size=3),
    max_leaves=8,
)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_any_value_is_accepted_only_if_the_schema_does(value):
    judged(value)


@given(fleets())
@settings(max_examples=100, deadline=None)
def test_every_plain_account_is_accepted(fleet):
    for account in fleet.declared:
        assert judged({"apiVersion": "payway/v1", "kind": "Account", **account.to_json()})


def test_the_verdict_doesn_t_depend_on_what_was_asked_before():
    # What is remembered is by keys; only the values differ here.
    for _ in range(2):
        for labels, expected in (({"a": "b"}, True), ({"a": None}, False), ({"a": "b"}, True)):
            assert accepts("account")({**FULL, "labels": labels}) is expected


# Settings, whose schema holds references, numbers and values of several types.

CONFIG = {
    "manifests": ["manifests"],
    "state": "file:known.json",
    "max_plan_age": "24h",
    "max_age": 3600,
    "guards": {"revoked": ["10%", 50], "changed": "50%", "adopted": 0},
    "payway": {"provision_service": "x1", "token": {"env": "TOKEN"}, "proxy": {"env": "PROXY"}, "ca_file": "ca.pem"},
    "apply": {"tries": 4, "delays": [1, 2.5, "4s"], "jitter": False, "call_deadline": 60.0, "max_failures": 1},
    "environments": {
        "stage": {"guards": {"blocked": "1%"}, "client": {"id": "me", "secret": {"command": ["pass", "payway"]}}},
        "north": {"like": "stage", "client": {"id": {"file": "id"}, "secret": {"env": "SECRET"}}},
    },
}
OF_SETTINGS = [
    *(
        None,
        True,
        -1,
        0,
        1,
        20,
        21,
        1.5,
        0.0,
        -0.5,
        4.0,
        315360000,
        315360001,
        float("inf"),
        float("nan"),
        [],
        [1] * 21,
    ),
    *({}, "", "a", "a" * 101, "10%", "101%", "10%\n", "30s", "0s", "30s\n", "7 d", ["10%"], ["10"], [0], [""], ["a"]),
    *(
        {"env": "A"},
        {"env": "a-b"},
        {"file": ""},
        {"file": "f"},
        {"command": []},
        {"env": "A", "file": "f"},
        {"x": "a"},
    ),
    *("stage", "production", {"secret": {"env": "A"}}, {"id": "", "secret": {"env": "A"}}),
]


def test_every_single_change_of_settings_is_accepted_only_if_their_schema_does():
    judge = Draft202012Validator(load_schema("config"))
    assert accepts("config")(CONFIG)
    asked = set()
    for path in places(CONFIG):
        for value in (*OF_SETTINGS, ...) if path else OF_SETTINGS:
            changed = put(CONFIG, path, value)
            if accepts("config")(changed) != judge.is_valid(changed):
                assert judge.is_valid(changed), changed
                asked.add(str(value))
    # A whole number that is written like 4.0, and one that compares with nothing.
    assert asked <= {"4.0", "0.0", "nan"}


# Schemas of any kind: the compiler knows few keywords, and must ask about everything else.

TEXT_KEYWORDS = {
    "minLength": st.sampled_from([0, 1, 2, 3.0, 5]),
    "maxLength": st.sampled_from([0, 1, 2, 2.0, 5]),
    "pattern": st.sampled_from(
        [
            *("^[ab]*$(?!\\n)", "^[ab]*$", "a", "b$", "^[ab]+$(?!\\n)"),
            *("^[^a]*$(?!\\n)", "^[a\\n]*$(?!\\n)", "^[a-b]*$(?!\\n)"),
        ]
    ),
    "enum": st.sampled_from([["a", "b"], ["a", 1], [["a"]], [{"a": 1}], [None]]),
    "const": st.sampled_from(["a", 1, ["a"], {"a": "b"}, None]),
    "format": st.just("date"),
    "not": st.just({"const": "ab"}),
}
NOTES = {"title": st.just("t"), "description": st.just("d"), "default": st.just("a"), "$comment": st.just("c")}
NUMBER_KEYWORDS = {
    "minimum": st.sampled_from([0, 1, 1.5]),
    "maximum": st.sampled_from([0, 1.0, 2]),
    "exclusiveMinimum": st.sampled_from([0, 0.5]),
    "multipleOf": st.just(2),
}
SINGLE = st.sampled_from(["string", "boolean", "array", "object", "integer", "number", "null"])
TYPES = SINGLE | st.lists(SINGLE, min_size=1, max_size=3, unique=True)
NAMES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True)


def _schemas(below):
    subschema = below | st.booleans()
    of_text = st.fixed_dictionaries({"type": TYPES}, optional=TEXT_KEYWORDS | NOTES)
    of_number = st.fixed_dictionaries({"type": TYPES}, optional=NUMBER_KEYWORDS | NOTES)
    of_list = st.fixed_dictionaries(
        {"type": st.just("array") | TYPES},
        optional={
            "items": subschema,
            "minItems": st.just(1),
            "maxItems": st.sampled_from([0, 2]),
            "uniqueItems": st.just(True),
            "contains": subschema,
        },
    )
    of_mapping = st.fixed_dictionaries(
        {"type": st.just("object") | TYPES},
        optional={
            "required": NAMES,
            "dependentRequired": st.dictionaries(st.sampled_from("abc"), NAMES, max_size=2),
            "additionalProperties": subschema,
            "properties": st.dictionaries(st.sampled_from("abc"), subschema, max_size=3),
            "propertyNames": st.fixed_dictionaries({}, optional=TEXT_KEYWORDS) | st.booleans(),
            "anyOf": st.lists(NAMES.map(lambda names: {"required": names}) | subschema, min_size=1, max_size=2),
            "patternProperties": st.just({"a": False}),
            "minProperties": st.sampled_from([0, 1, 2]),
            "maxProperties": st.sampled_from([0, 1]),
            "if": subschema,
            "then": subschema,
            "$ref": st.sampled_from(["#", "#/$defs/a"]),
        },
    )
    reference = st.fixed_dictionaries(
        {"$ref": st.sampled_from(["#/$defs/a", "#/$defs/b", "#/$defs/c"])}, optional=NOTES
    )
    return of_text | of_number | of_list | of_mapping | reference


SCHEMAS = st.recursive(st.fixed_dictionaries({}, optional=TEXT_KEYWORDS | {"type": TYPES}), _schemas, max_leaves=5)
SMALL = st.recursive(
    st.sampled_from([None, True, False, 0, 1.0, "", "a", "b", "ab", "aab", "a\n", "b\n", "aabbb", "a{2}", "b{3.0,5}"]),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c", "ab"]), below, max_size=3)
    ),
    max_leaves=6,
)


@given(SCHEMAS, st.dictionaries(st.sampled_from("abc"), SCHEMAS, max_size=3), st.lists(SMALL, min_size=1, max_size=12))
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_no_schema_makes_it_accept_what_jsonschema_refuses(schema, definitions, values):
    schema = {**schema, "$defs": definitions}
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        assume(False)
    predicate, judge = compile_predicate(schema), Draft202012Validator(schema)
    for value in values:
        if predicate(value):
            try:
                assert judge.is_valid(value), (schema, value)
            except (RecursionError, Unresolvable):
                assume(False)


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"enum": ["a"]},
        {"type": ["string", "array"], "enum": ["b", []]},
        {"type": ["string", "null"], "format": "date"},
        {"type": ["object", "array"], "anyOf": [{"type": "string"}]},
        {"$ref": "#"},
        {"$ref": "#/$defs/a"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}, "maxLength": 0},
        {"type": "string", "format": "date"},
        {"type": "string", "enum": ["a"], "minLength": 1},
        {"type": "array", "uniqueItems": True},
        {"type": "object", "patternProperties": {}},
        {"type": "object", "anyOf": [{"required": [], "properties": {}}]},
        {"type": "object", "anyOf": [True]},
        {"type": "boolean", "const": True},
        {"type": "integer", "multipleOf": 1},
        {"type": "null"},
    ],
)
def test_what_isn_t_known_is_asked_about(schema):
    assert not any(compile_predicate(schema)(value) for value in ("a", True, [], {}, 1, "2020-01-01"))


CHARACTERS = "^[ab]*$(?!\\n)"


@pytest.mark.parametrize(
    ("schema", "accepted", "asked"),
    [
        ({"type": "string", "pattern": "a", "minLength": 2, "maxLength": 3}, ["ab", "cab"], ["a", "aaaa", "bb", 1]),
        ({"type": "string", "pattern": "^a$"}, ["a", "a\n"], ["aa"]),
        ({"type": "string", "pattern": CHARACTERS, "minLength": 1, "maxLength": 2}, ["a", "ba"], ["", "a\n", "aaa"]),
        ({"type": "string", "pattern": CHARACTERS, "minLength": 2, "maxLength": 1}, [], ["", "a", "ab"]),
        ({"type": "string", "pattern": CHARACTERS, "minLength": 3.0}, [], ["aaa", "a{3.0,}"]),
        ({"type": "string", "minLength": 2, "maxLength": 1}, [], ["", "a", "ab"]),
        ({"type": "string", "enum": ["a", "b"]}, ["a", "b"], ["c", ["a"], None]),
        ({"type": "array"}, [[], [None]], [{}, (), "a"]),
        ({"type": "object", "propertyNames": {"maxLength": 1}}, [{"a": 1}, {}], [{"ab": 1}, {"a": 1, "ab": 1}]),
    ],
)  # fmt: skip
def test_what_is_known_is_judged(schema, accepted, asked):
    predicate, judge = compile_predicate(schema), Draft202012Validator(schema)
    assert all(predicate(value) and judge.is_valid(value) for value in accepted)
    assert not any(predicate(value) for value in asked)


@pytest.mark.parametrize("name", ["account", "known-state", "plan", "report", "config"])
def test_every_schema_of_ours_compiles(name):
    assert compile_predicate(json.loads(json.dumps(load_schema(name))))({}) in (True, False)
