"""The compact form of an account: equal for equal declarations only, and a way back to its document."""

import json
from array import array
from collections import Counter
from dataclasses import fields, replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fleets import fleets
from support.planning import account_id, has, have, moment, want, wants
from support.written import document

from reconciler import canonical
from reconciler.errors import InvalidInput
from reconciler.instants import Moment, parse_declared
from reconciler.manifests.desired import load_file
from reconciler.manifests.facts import CLAIM_KINDS, claim_key, digest_of, facts_of, id_key, wanted_from
from reconciler.manifests.files import ManifestFile
from reconciler.manifests.rebuilding import part_of, rebuild
from reconciler.manifests.rows import claims_of_bytes, rows_of_bytes, rows_of_files
from reconciler.model import PRODUCT_FIELDS, DeclaredAccount, DeclaredProduct, Source, known_product_json

PRODUCT = want(
    "a", user="ua", state="activated", type="limited", frm="2020-01-01", to="2030-01-01", number="1", protect=True
)
FULL = replace(
    wants("x", PRODUCT, customer="1", sync={"address": "1", "subscriptions": "2"}),
    owner="o",
    labels=MappingProxyType({"a": "b", "c": "d"}),
)

#: Each field of an account and of a product, and other values of it; places and lines are none of what is declared.
CHANGES = {
    "account_id": [account_id("y")],
    "customer_number": [None, "2", "01"],
    "owner": [None, "p", "o ", ""],
    "labels": [{}, {"a": "b"}, {"a": "b", "c": "e"}, {"a": "d", "c": "b"}],
    "sync": [{}, {"address": "1"}, {"address": "2", "subscriptions": "1"}],
    "user_products": [(), (PRODUCT, want("b"))],
}
PRODUCT_CHANGES = {
    "product_id": [None, want("b").product_id],
    "user_product_id": [None, want("a", user="ub").user_product_id],
    "state": [None, "deactivated"],
    "subscription_type": [None, "recurring"],
    "valid_from": [None, moment("2020-01-02"), Moment(PRODUCT.valid_from.minute, "2020-01-01 01:00 +0100")],
    "valid_to": [None, moment("2030-01-02"), Moment(PRODUCT.valid_to.minute, "2030-01-01 01:00 +0100")],
    "subscription_number": [None, "2", "01"],
    "protect": [False],
}


def digest(account: DeclaredAccount) -> bytes:
    return digest_of(account.account_id, facts_of(account))


def variants():
    for name, values in CHANGES.items():
        yield from (replace(FULL, **{name: value}) for value in values)
    for name, values in PRODUCT_CHANGES.items():
        yield from (replace(FULL, user_products=(replace(PRODUCT, **{name: value}),)) for value in values)


def test_every_field_is_in_these_tables():
    assert {field.name for field in fields(DeclaredAccount)} - {"source"} == CHANGES.keys()
    assert {field.name for field in fields(DeclaredProduct)} - {"source"} == PRODUCT_CHANGES.keys()


def test_no_two_declarations_share_a_digest():
    digests = [digest(account) for account in (FULL, *variants())]
    assert len(set(digests)) == len(digests)


def test_order_and_places_make_no_difference():
    other = Source("elsewhere.yaml", 99, {"state": 100})
    products = (replace(PRODUCT, source=other), want("b", user="ub"), want(None, user="uc"))
    one = replace(FULL, source=other, labels={"c": "d", "a": "b"}, sync={"subscriptions": "2", "address": "1"})
    assert facts_of(one) == facts_of(FULL)
    assert facts_of(replace(FULL, user_products=products)) == facts_of(replace(FULL, user_products=products[::-1]))


def test_what_is_wanted_stands_in_the_order_of_what_is_known():
    products = (want("b", user="a"), want("a", user="b"), want(None, user="z"), want("a", user="a"))
    sync, listed = wanted_from(facts_of(replace(FULL, user_products=products)).wanted)
    assert list(sync) == ["address", "subscriptions"]
    assert [(each.get("product_id"), each.get("user_product_id")) for each in listed] == sorted(
        ((each.product_id, each.user_product_id) for each in products), key=lambda ids: (ids[0] or "", ids[1] or "")
    )


def test_what_is_wanted_is_written_as_it_will_be_known():
    product = replace(PRODUCT, subscription_number='a"},{\n"b,é')
    known = has("x", have(PRODUCT.product_id)).user_products[0]
    values = {name: getattr(product, name) for name in PRODUCT_FIELDS}
    values |= {name: value.minute for name, value in values.items() if isinstance(value, Moment)}
    known = replace(known, product_id=product.product_id, user_product_id=product.user_product_id, **values)
    _, line = facts_of(replace(FULL, user_products=(product,))).wanted.split("\n")
    assert line == canonical.dumps(known_product_json(known))
    assert wanted_from(f"{{}}\n{line}\n{line}")[1] == [json.loads(line)] * 2


def test_what_is_only_told_or_sent_isn_t_among_what_is_wanted():
    same = [{"owner": None}, {"labels": {}}, {"customer_number": None}]
    assert {facts_of(replace(FULL, **change)).wanted for change in same} == {facts_of(FULL).wanted}
    product = replace(PRODUCT, protect=False, valid_to=Moment(PRODUCT.valid_to.minute, "2030-01-01 01:00 +0100"))
    assert facts_of(replace(FULL, user_products=(product,))).wanted == facts_of(FULL).wanted


def plain(account):
    """All that is declared, without its places."""
    nowhere = Source("", 0)
    products = [replace(each, source=nowhere) for each in account.user_products]
    products.sort(key=lambda each: (each.product_id or "", each.user_product_id or "", repr(each)))
    return replace(account, source=nowhere, user_products=tuple(products), labels=dict(account.labels)), dict(
        account.sync
    )


@given(fleets(), fleets(), st.sampled_from([0, 1, 2]))
@settings(max_examples=150, deadline=None)
def test_equal_declarations_have_equal_facts_and_others_haven_t(one, other, style):
    for first in one.declared:
        read = load_file("b.yaml", document(first, style).encode()).declarations[0].account
        assert (facts_of(read), digest(read)) == (facts_of(first), digest(first))
        for second in other.declared:
            equal = plain(first) == plain(second)
            assert (digest(first) == digest(second)) == equal
            assert ((first.account_id, facts_of(first)) == (second.account_id, facts_of(second))) == equal


HEX = st.text("0123456789abcdef", min_size=24, max_size=24)
NUMBERS = st.text("0123456789abAB_-", min_size=1, max_size=50) | st.text(min_size=1, max_size=60)


@given(st.sampled_from(CLAIM_KINDS), st.data())
def test_claims_have_numbers_that_fit_and_tell_them_apart(kind, data):
    values = HEX if kind in ("account", "user_product") else NUMBERS
    one, other = data.draw(values), data.draw(values)
    key = claim_key(kind, one)
    array("Q", [key])
    assert key == claim_key(kind, one)
    assert CLAIM_KINDS[key & 3] == kind
    if claim_key(kind, other) == key:
        # Leading zeros alone may be lost: what comes of it is a second look.
        assert one.lstrip("0") == other.lstrip("0")


def test_an_id_has_one_number_in_both_cases():
    assert id_key(0, "A" * 24) == id_key(0, "a" * 24) == claim_key("account", "a" * 24)


def test_claims_are_looked_up_by_their_numbers_in_their_order():
    text = "---\n".join(document(account) for account in (FULL, replace(FULL, account_id=account_id("y")), wants("z")))
    every = rows_of_bytes("a.yaml", text.encode())
    keys = array("Q", every.claims)
    assert Counter(keys)[claim_key("customer_number", "1")] == 2
    found = claims_of_bytes("a.yaml", text.encode(), frozenset([claim_key("customer_number", "1")]))
    assert [(claim.kind, claim.position.line) for claim in found] == [("customer_number", 1), ("customer_number", 3)]
    assert Counter(
        claim_key(claim.kind, claim.value) for claim in claims_of_bytes("a", text.encode(), frozenset(keys))
    ) == (Counter(keys))


def written(folder, **texts):
    found = []
    for name, text in texts.items():
        path = folder / f"{name}.yaml"
        path.write_text(text)
        found.append(ManifestFile(path.name, str(path)))
    return found


def test_files_come_back_in_their_order_with_their_signatures(tmp_path):
    files = written(tmp_path, a=document(FULL), b="owner: [\n", c=document(wants("y")))
    (tmp_path / "b.yaml").unlink()
    found = rows_of_files([(file, None) for file in files])
    assert [(each.name, len(each.rows), len(each.signature)) for each in found] == [
        ("a.yaml", 1, 5),
        ("b.yaml", 0, 0),
        ("c.yaml", 1, 5),
    ]
    assert "can't be read" in found[1].findings


def test_a_file_with_the_bytes_that_are_known_is_looked_at_no_further(tmp_path):
    [file] = written(tmp_path, a=document(FULL))
    [first] = rows_of_files([(file, None)])
    [second] = rows_of_files([(file, first.content)])
    assert second == first._replace(rows=(), claims=b"", same=True, read_at=second.read_at)
    assert second.read_at > first.read_at
    assert not rows_of_files([(file, b"\0" * 32)])[0].same


def test_a_document_that_isn_t_there_any_more_is_told():
    data = (document(FULL) + "---\n" + document(wants("y"))).encode()
    first, second = rows_of_bytes("a.yaml", data).rows
    assert rebuild("a.yaml", part_of(data, second), second).account_id == account_id("y")
    for part in (part_of(data, first), b"", data[second.offset + 5 :], b"\xff", "å".encode()[1:], b"owner: [", b"- a"):
        with pytest.raises(InvalidInput, match=r"a\.yaml changed while it was read") as told:
            rebuild("a.yaml", part, second)
        assert told.value.hint


def test_the_first_end_is_kept_with_all_of_them():
    ends = [want(name, user=name, state="activated", to=f"202{year}-01-01") for name, year in (("a", 5), ("b", 3))]
    quiet = [want("c", user="c", state="deactivated", to="2021-01-01"), want("d", user="d", to="2020-01-01")]
    for style in (0, 2):
        text = document(wants("x", *ends, *quiet), style)
        [row] = rows_of_bytes("a.yaml", text.encode()).rows
        assert row.ending == parse_declared("2023-01-01 00:00 +0000").minute
        kept = json.loads(row.endings)
        assert [each[1] for each in kept] == ["2025-01-01 00:00 +0000", "2023-01-01 00:00 +0000"]
        for _, end, line, column in kept:
            assert text.splitlines()[line - 1][column - 1 :].lstrip('"').startswith(end)
    [row] = rows_of_bytes("a.yaml", document(wants("x", *quiet)).encode()).rows
    assert (row.ending, row.endings, row.products) == (None, None, 2)
