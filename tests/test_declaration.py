"""One document by itself: one finding a place, booleans only where the schema has them, claims for the others."""

import pytest

from reconciler.diagnostics import Position
from reconciler.manifests.declaration import Claim, declare
from reconciler.manifests.documents import parse

ID = "52a781d6400e06897c00000f"
HEAD = f"apiVersion: payway/v1\nkind: Account\naccount_id: {ID}\n"
ITEM = f"user_products:\n  - product_id: {ID}\n"


def declared(text: str):
    """The declaration of the only document of ``text``, and the findings about its text."""
    found = []
    [document] = parse("a.yaml", text.encode(), found.append)
    return declare(document), found


def rules(text: str) -> list[str]:
    declaration, found = declared(text)
    return [f"{each.rule} {each.position.line}:{each.position.column}" for each in (*found, *declaration.diagnostics)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("account_id: ~", "null-value"),
        ("account_id: *x", "alias"),
        ("account_id: &x abc", "anchor"),
        ("account_id: !x abc", "tag"),
        ('account_id: "\\0"', "nul-character"),
    ],
)
def test_a_refused_value_gets_no_second_finding(text, told):
    found = rules(f"apiVersion: payway/v1\nkind: Account\n{text}\nuser_products: []\n")
    assert found == [f"{told} 3:13"]


@pytest.mark.parametrize(
    "key", ["state", "subscription_type", "valid_from", "valid_to", "subscription_number", "protect"]
)
def test_a_null_in_any_field_of_a_product_is_told_once(key):
    assert rules(HEAD + ITEM + f"    {key}: ~\n") == [f"null-value 6:{len(key) + 7}"]


@pytest.mark.parametrize("key", ["owner", "labels", "sync", "user_products", "customer_number"])
def test_a_null_in_any_field_of_an_account_is_told_once(key):
    rest = "" if key == "user_products" else "user_products: []\n"
    rest += "customer_number: a1\n" if key == "sync" else ""
    assert rules(HEAD + f"{key}:\n{rest}") == [f"null-value 4:{len(key) + 2}"]


def test_a_sync_beside_a_refused_customer_number_does_not_lack_it():
    assert rules(HEAD + "user_products: []\nsync: {address: a}\ncustomer_number: ~\n") == ["null-value 6:18"]


def test_a_product_without_any_id_is_told_once_whatever_stands_beside():
    assert rules(HEAD + "user_products:\n  - state: activated\n    valid_to: 2036-10-02 13:00 +0100\n") == [
        "missing-product-id 5:5"
    ]


def test_all_findings_of_one_product_are_told():
    text = HEAD + "user_products:\n  - state: x\n    product_id: y\n    protect: z\n    valid_to: 1\n    a: b\n"
    assert sorted(rules(text)) == [
        "bad-pattern 6:17",
        "bad-time 8:15",
        "unknown-key 9:5",
        "unknown-word 5:12",
        "wrong-type 7:14",
    ]


@pytest.mark.parametrize(
    ("text", "protect"), [("", False), ("    protect: false\n", False), ("    protect: true\n", True)]
)
def test_protect_is_a_boolean(text, protect):
    declaration, _ = declared(HEAD + ITEM + text)
    assert declaration.diagnostics == ()
    assert declaration.account is not None
    assert declaration.account.user_products[0].protect is protect


@pytest.mark.parametrize("word", ["'true'", '"false"', "yes", "True", "1", "|\n      true", "[no one]", "''"])
def test_protect_is_nothing_else_and_that_is_told_once(word):
    assert rules(HEAD + ITEM + f"    protect: {word}\n") == ["wrong-type 6:14"]


def test_true_is_text_everywhere_else():
    declaration, _ = declared(HEAD + "owner: true\nlabels: {protect: false}\nuser_products: []\n")
    assert declaration.account is not None
    assert (declaration.account.owner, declaration.account.labels) == ("true", {"protect": "false"})
    assert [each.rule for each in declaration.diagnostics] == ["ambiguous-scalar", "ambiguous-scalar"]


def test_an_ambiguous_value_that_is_wrong_anyway_is_told_once():
    assert rules(HEAD + ITEM + "    state: no\n    valid_from: 2036-10-02\n") == [
        "time-without-offset 7:17",
        "unknown-word 6:12",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user_products: [x]\n", "item 1 of user_products must be a mapping"),
        ("user_products: [{}]\n", "item 1 of user_products needs product_id or user_product_id"),
        ("user_products: []\nownr: a\n", "'ownr' is an unknown key"),
        ("user_products: []\n'a\\nb': a\n", r"'a\\nb' is an unknown key"),
        ("user_products: []\nlabels: {a b: [c]}\n", "'a b' must be text"),
        ("user_products: []\nlabels: {'': c}\n", "'' has 0 characters, but must have 1 to 100"),
        ("user_products: []\nowner: {}\n", "owner must be text"),
        ("", "user_products is missing"),
    ],
)
def test_messages_name_the_field(text, message):
    declaration, _ = declared(HEAD + text)
    assert [each.message for each in declaration.diagnostics] == [message]


def test_claims_are_handed_on_even_from_a_document_with_errors_but_no_endings():
    declaration, _ = declared(
        HEAD.upper().replace("APIVERSION", "apiVersion").replace("ACCOUNT_ID", "account_id").replace("KIND", "kind")
        + f"customer_number: C1\n{ITEM}    user_product_id: {ID.upper()}\n    subscription_number: N1\n"
        "    state: activated\n    valid_to: 2036-10-02T13:00Z\n  - user_product_id: short\n"
    )
    assert declaration.account is None
    assert declaration.claims == (
        Claim("account", ID, ID, Position("a.yaml", 3, 13)),
        Claim("customer_number", "C1", ID, Position("a.yaml", 4, 18)),
        Claim("user_product", ID, ID, Position("a.yaml", 7, 22)),
        Claim("subscription_number", "N1", ID, Position("a.yaml", 8, 26)),
    )
    assert declaration.endings == ()
