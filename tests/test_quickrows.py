"""The short way from text to rows comes to what the long way does: rows, claims, findings, and back to the document."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.fleets import fleets
from support.written import document

from reconciler import instants
from reconciler.diagnostics import sort_key
from reconciler.manifests import quickrows, rebuilding, rows
from reconciler.manifests.desired import load_file
from reconciler.manifests.documents import composed
from reconciler.manifests.facts import claim_key, digest_of, facts_of
from reconciler.manifests.findings import findings_from, findings_text
from reconciler.manifests.rebuilding import part_of, rebuild
from reconciler.manifests.rows import rows_of_bytes
from reconciler.predicates import MappingPredicate, accepts

ROOT = Path(__file__).parents[1]
ACCOUNT = "52a781d6400e06897c00000f"
PRODUCT = "56e1741a6fc9365306000002"
HEAD = f"apiVersion: payway/v1\nkind: Account\naccount_id: {ACCOUNT}\n"
NONE = "user_products: []\n"
EMPTY = {"user_products": []}
ITEM = f"user_products:\n  - product_id: {PRODUCT}\n"


def flow(owner: str, last: str = "0f") -> str:
    """A document in one line."""
    account = f"{ACCOUNT[:-2]}{last}"
    return f"{{apiVersion: payway/v1, kind: Account, account_id: {account}, user_products: [], owner: {owner}}}"


def gathered(data: bytes, way: str):
    """What one of both ways gathered, and whether it went to the end."""
    found = rows._Gathered("a.yaml", data)
    return found, getattr(found, way)() is not False


def without_place(row):
    return row._replace(offset=0, length=0, line=0)


def held(data: bytes) -> bool:
    """Hold both ways to the plain one; true if the short way went to the end."""
    outcome = load_file("a.yaml", data)
    expected = [one for one in outcome.declarations if one.account is not None]
    told = [*outcome.diagnostics, *(finding for one in outcome.declarations for finding in one.diagnostics)]
    claims = Counter(claim_key(claim.kind, claim.value) for one in outcome.declarations for claim in one.claims)
    results = {}
    for way in ("slowly", "quickly"):
        result, whole = gathered(data, way)
        if not whole:
            continue
        results[way] = [without_place(row) for row in result.rows]
        assert Counter(result.claims) == claims, way
        assert sorted(result.found, key=sort_key) == sorted(told, key=sort_key), way
        assert [row.account_id for row in result.rows] == [one.account.account_id for one in expected], way
        for row, one in zip(result.rows, expected, strict=True):
            again = rebuild("a.yaml", part_of(data, row), row)
            # All of it, with its lines; of two equal ones in a file that has to be looked through, either.
            equal = [each.account for each in expected if each.account.account_id == row.account_id]
            assert again in (equal if row.length == 0 else [one.account]), way
            assert row.digest == digest_of(one.account.account_id, facts_of(one.account)), way
            assert row.ending == min((each.minute for each in one.endings), default=None), way
            assert row.line <= one.account.source.line, way
    assert results.get("quickly", results["slowly"]) == results["slowly"]
    combined = rows_of_bytes("a.yaml", data)
    assert [without_place(row) for row in combined.rows] == results["slowly"]
    assert sorted(findings_from(combined.findings or "[]"), key=sort_key) == sorted(told, key=sort_key)
    return "quickly" in results


#: Texts after which the short way went to the end, and such as it has to give up on.
HOSTILE = [
    # Anchors, aliases, tags and directives, after each kind of line break and mark.
    *(HEAD + f"owner:{gap}{sign}x y\n" + NONE for gap in (" ", "\u2028 ", "\u2028", "\x85") for sign in "&*!"),
    *(f"{gap}{sign}x {HEAD}{NONE}" for gap in ("\u2028", "\x85", "\r", "\ufeff") for sign in ("&", "*", "!!map ")),
    HEAD + "labels: {a: &b c, d: *b}\n" + NONE,
    HEAD + "labels: {a:\u2029&b c, d:\u2029*b }\n" + NONE,
    HEAD + 'labels: {"a":&b c, "d":*b }\n' + NONE,
    HEAD + "owner: & x\n" + NONE,
    HEAD + "owner: a & b * c ! d\n" + NONE,
    f"%YAML 1.1\n---\n{flow('a')}\n...\n%YAML 1.1\n---\n{flow('no', '10')}\n",
    f"{flow('a')}\r...\r%TAG ! x\r---\r{flow('b', '10')}\r",
    f"{flow('a')}\u2028...\u2028%YAML 1.2\u2028---\u2028{flow('no', '10')}",
    # Marks and line breaks.
    f"\ufeff{flow('no')}",
    f"\ufeff\ufeff{flow('no')}",
    f"# x\n\ufeff{flow('no')}\n",
    f"{flow('a')}\n---\n\ufeff{flow('no', '10')}\n---\n\ufeff{flow('å', '11')}",
    *(f"{flow('å')}{end}--- {flow('no', '10')}{end}---{end}{flow('ü', '11')}" for end in ("\n", "\r\n", "\r", "\x85")),
    *((HEAD + "owner: a # é\n" + NONE).replace("\n", end) for end in ("\r\n", "\r", "\x85", "\u2028", "\u2029")),
    # Several documents, empty ones, and what stands between them.
    *("", "\n", "# nothing\n", "---\n", "---\n---\n...\n...\n", "~", "--- null\n", "just text", '""', "- a\n"),
    f"---\n---\n{flow('no')}\n...\n...\n---\n# é\n{flow('yes', '10')}\n# end",
    f"just text\n---\n{flow('a')}\n---\n- {flow('b', '10')}\n",
    f"{flow('a')} # é\n---   \t\n{flow('no', '10')}\n--- # ü\n{flow('no', '11')}",
    f"{flow('a')}\n{flow('b', '10')}\n",
    f"{flow('a')} x\n",
    f"{flow('a')}\n---\n{HEAD}owner: [\n",
    f"{HEAD}owner: yes\n{NONE}---\n{HEAD}labels: {'[' * 20}",
    f"{HEAD}{NONE}---\n{HEAD}{NONE}",
    # Scalars over several lines.
    HEAD + "owner: a\n  b\n\n  c\n" + NONE,
    HEAD + "owner: 'a\n  b'\nlabels: {a: \"b\n  c\"}\n" + NONE,
    HEAD + "owner: |+\n  a\n\n\n" + NONE + f"\n# z\n---\n{flow('a', '10')}",
    HEAD + NONE + f"owner: |+\n  a\n\n\n---\n{flow('a', '10')}",
    HEAD + NONE + "owner: >-\n  a\n  b\n\n# z\n",
    HEAD + f"user_products:\n  - product_id: >-\n      {PRODUCT}\n    state: activated\n"
    "    valid_to: >-\n      2020-01-01 00:00 +0000\n",
    # Keys.
    HEAD + f"user_products:\n  - ? product_id\n    : {PRODUCT}\n",
    HEAD + "? [owner]\n: a\n" + NONE,
    *(HEAD + f"labels: {{{key}: a}}\n" + NONE for key in ("no", '"no"', "'~'", "~", "<<", "=", "1.0", "é", "''")),
    HEAD + "labels: {a: b, 'a': c}\n" + NONE,
    HEAD + "owner: a\nowner: b\n" + NONE,
    # Values that are more than text to others.
    *(HEAD + f"owner: {text}\n" + NONE for text in ("no", "0x1F", "0o7", "0b1", "190:20:30", "1_0", "1e5", "1.5e+3")),
    *(HEAD + f"owner: {text}\n" + NONE for text in ("=", "~", "''", "2016-10-02", "١٢", ".inf", "+1", "@a", "1ab")),
    *(HEAD.replace(ACCOUNT, text) + NONE for text in ("1" * 24, "0" * 24, "1" * 23 + "e")),
    *(HEAD + ITEM + f"    protect: {text}\n" for text in ("true", "false", "yes", '"true"', "True", "~", "[true]")),
    *(HEAD + f"owner: {text}\n" + NONE for text in ("null", "Null", "NULL", "'null'", "nULL", "true", "false")),
    HEAD + "labels: {region: north, area: a}\n" + NONE,
    HEAD + "customer_number: 'c'\nsync: {subscriptions: b, address: a}\n" + NONE,
    HEAD + "labels: {protect: true}\n" + NONE,
    HEAD + "protect: true\n" + NONE,
    # Half characters and escapes.
    json.dumps({"apiVersion": "payway/v1", "kind": "Account", "account_id": ACCOUNT, "owner": "😀"} | {"labels": {}}),
    json.dumps({"apiVersion": "payway/v1", "kind": "Account", "account_id": ACCOUNT, "owner": "😀"} | EMPTY),
    json.dumps({"owner": "😀", "sate": "no"}) + "\n",
    HEAD + 'owner: "a\\u00e5\\0"\n' + NONE,
    HEAD + 'owner: "\\ud83d"\n' + NONE,
    HEAD + "owner: å😀\n" + NONE + f"---\n{flow('😀', '10')}\n---\n{flow('no', '11')}",
    # Depth.
    *(HEAD + f"labels: {'[' * depth}{']' * depth}\n" + NONE for depth in (14, 15, 16, 17)),
    "[" * 2000,
    "- " * 2000,
    # Times, windows, products.
    *(
        HEAD + ITEM + f"    state: activated\n    valid_to: {text}\n"
        for text in ("2020-01-01T00:00:00Z", "2020-01-01t00:00z", "2020-01-01 00:00 -0000", "2020-02-30 00:00 +0000")
    ),
    HEAD + ITEM + "    valid_from: 2020-01-02T00:00Z\n    valid_to: 2020-01-01T23:00-01:00\n",
    HEAD + ITEM + "    subscription_type: limited\n",
    HEAD + ITEM + f"  - product_id: {PRODUCT.upper()}\n",
    HEAD + f"user_products:\n  - user_product_id: {PRODUCT}\n  - user_product_id: {PRODUCT.upper()}\n",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_come_to_the_same_both_ways(text):
    held(text.encode())


@pytest.mark.parametrize("data", [b"\xff", b"a: \xed\xa0\x80", (HEAD + NONE).encode("utf-16"), b"a\0", b"owner: \xc3"])
def test_what_is_no_text_comes_to_the_same_both_ways(data):
    assert not held(data)
    assert not held((HEAD + NONE + "---\n").encode() + data)


def samples() -> list[bytes]:
    """Every manifest of the examples."""
    return [
        path.read_bytes() for folder in ("manifests", "examples") for path in sorted(ROOT.glob(f"{folder}/**/*.yaml"))
    ]


PIECES = [
    *("\x85", "\u2028", "\u2029", "\ufeff", "\ufeff{", "\r", "\r\n", "\n", "\n\n", "\t", " ", "  ", "    "),
    *("---\n", "--- ", "...\n", "...", "%YAML 1.1\n", "%", "&a ", "*a", "!", "!!str ", "\u2028&a ", "\x85*a"),
    *("#", "# é\n", "å", "😀", '"', "'", "[", "]", "{", "}", ",", ": ", "? ", "- ", "|\n", ">-\n", "|+\n", "\\", "\0"),
    *("null", "~", "yes", "true", "0x1F", "1e5", "0", "<<", "=", "١", "@", "`", "\x7f", "0o7", "1_0", "190:20"),
    *("protect: true\n", "owner: ", "labels: {a: b}\n", "valid_to: 2020-01-01T00:00Z\n"),
]  # fmt: skip


def mutated(base: bytes, rng: random.Random) -> bytes:
    """A manifest in which some bytes were put in, taken out, moved or replaced."""
    data = base
    if rng.random() < 0.1:
        data = data.replace(b"\n", rng.choice([b"\r", b"\r\n", b"\xc2\x85", b"\xe2\x80\xa8"]))
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        place = rng.randrange(len(data) + 1)
        if rng.random() < 0.3:
            place = data.rfind(b"\n", 0, place) + 1
        match rng.randrange(8):
            case 0 | 1 | 2 | 3:
                data = data[:place] + rng.choice(PIECES).encode() + data[place:]
            case 4 | 5:
                data = data[:place] + data[place + rng.randrange(1, 12) :]
            case 6:
                other = rng.randrange(len(data) + 1)
                data = data[:place] + data[other : other + rng.randrange(1, 60)] + data[place:]
            case _:
                data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    return data


def test_mutated_examples_come_to_the_same_both_ways():
    rng, bases = random.Random(6), samples()
    went = Counter(held(mutated(rng.choice(bases), rng)) for _ in range(6000))
    # Both ways are really taken.
    assert min(went[True], went[False]) > 1000, went


@given(st.from_regex(instants._USUAL, fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_a_time_without_seconds_is_text_to_every_tool(text):
    assert instants.is_usual(text)
    assert yaml.safe_load(text) == text


@given(st.binary(max_size=60) | st.text("&*!%-:?[]{},'\"# \n\r\t|>~a0\x85\u2028\ufeffå", max_size=40).map(str.encode))
@settings(max_examples=400, deadline=None)
@example(b"")
def test_any_bytes_come_to_the_same_both_ways(data):
    held(data)


TEXTS = (
    "a",
    "no",
    "'no'",
    '"a b"',
    "0012",
    "1e5",
    "'0x1'",
    "~",
    "''",
    "å",
    ">-\n      a",
    "12ab",
    "[a]",
    "a: b",
    "'x' # y",
)
IDS = (PRODUCT, PRODUCT.upper(), f'"{PRODUCT}"', "1" * 24, "0" * 24, "1" * 23 + "e", PRODUCT[:-1], "", "g" * 24)
TIMES = (
    "2016-10-02 13:00 +0100",
    '"2016-10-02T13:00Z"',
    "2016-10-02T13:00:00Z",
    "2016-10-02",
    "2016-10-02 25:00 +0000",
)


def lines(fields: dict[str, tuple[str, ...]]):
    """Some of these keys with one of their values each, in any order, now and then one twice."""
    line = st.sampled_from(sorted(fields)).flatmap(
        lambda key: st.sampled_from(fields[key]).map(lambda value: f"{key}: {value}")
    )
    return st.lists(line, max_size=5, unique_by=lambda text: text.split(":")[0]) | st.lists(line, max_size=3)


product_lines = lines(
    {
        "product_id": IDS,
        "user_product_id": IDS,
        "state": ("activated", "deactivated", "Activated", "'activated'"),
        "subscription_type": ("recurring", "limited"),
        "valid_from": TIMES,
        "valid_to": TIMES,
        "subscription_number": TEXTS,
        "protect": ("true", "false", "yes", '"true"', "true # why"),
        "sate": TEXTS,
    }
).map(lambda found: "  - " + "\n    ".join(found or [f"product_id: {PRODUCT}"]))

account_lines = lines(
    {
        "customer_number": TEXTS,
        "owner": TEXTS,
        "labels": (
            "{a: b}",
            "{no: b}",
            "{a: no, 'b': \"c\"}",
            "{a: b, a: c}",
            "{}",
            "{é: ü}",
            "\n  a: b\n  c: >\n    d",
        ),
        "sync": ("{address: '1'}", "\n  subscriptions: a b\n  address: c", "{address: 1}", "{}", "{adress: a}"),
    }
)


@st.composite
def documents(draw):
    """A document that is sound, doubtful or refused, in block style."""
    found = [
        "apiVersion: payway/v1",
        "kind: Account",
        f"account_id: {draw(st.sampled_from(IDS))}",
        *draw(account_lines),
    ]
    found.append("\n".join(["user_products:", *draw(st.lists(product_lines, min_size=1, max_size=3))]))
    return "\n".join(draw(st.permutations(found)) if draw(st.booleans()) else found)


@given(
    st.lists(documents(), min_size=1, max_size=4),
    st.sampled_from(["\n---\n", "\n--- # é\n", "\n...\n---\n", "\n\n---\n# x\n"]),
    st.sampled_from(["\n", "\n", "\r\n", "\r"]),
    st.sampled_from(["", "\n", "\n# end", "\n...\n"]),
)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_documents_of_every_kind_come_to_the_same_both_ways(texts, between, end, last):
    held((between.join(texts) + last).replace("\n", end).encode())


@given(fleets(), st.sampled_from([0, 1, 2]), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_written_accounts_come_to_the_same_both_ways(fleet, style, rng):
    texts = [document(replace(account, owner=rng.choice(["o", "ö", None])), style) for account in fleet.declared]
    assert held("---\n".join(texts).encode()) == all("\\" not in text for text in texts)


def test_documents_with_nothing_to_say_about_are_never_parsed_the_long_way():
    text = f"""\
{HEAD}customer_number: "1234567890" # as printed
owner: Circulation (north)
labels: {{region: north}}
sync:
  address: 2026-11-24 moved
user_products:
  - product_id: {PRODUCT}
    user_product_id: "{PRODUCT[:-1]}A"
    state: activated
    subscription_type: limited
    valid_from: 2016-10-02 13:00 +0100
    valid_to: "2036-11-02T13:00+01:00"
    subscription_number: "0012345670"
    protect: true
"""
    data = f"{text}---\n{text}# å\n---\n{flow('ö')}".encode()
    parsed = AssertionError("parsed")
    with patch.object(rows, "parse", side_effect=parsed), patch.object(rebuilding, "parse", side_effect=parsed):
        found = rows_of_bytes("a.yaml", data)
        again = [rebuild("a.yaml", part_of(data, row), row) for row in found.rows]
    assert [row.line for row in found.rows] == [1, 19, 38]
    assert again == [one.account for one in load_file("a.yaml", data).declarations]
    assert found.findings is None


def test_only_the_document_that_needs_it_is_parsed_the_long_way():
    taken = []

    def noting(name, data, report, *, first_line=1):
        taken.append((data, first_line))
        return parse(name, data, report, first_line=first_line)

    parse = rows.parse
    with patch.object(rows, "parse", noting):
        found = rows_of_bytes("a.yaml", f"{flow('a')}\n---\n{flow('no', '10')}\n---\n{flow('b', '11')}\n".encode())
    assert taken == [(flow("no", "10").encode(), 3)]
    assert len(found.rows) == 3


@given(st.lists(st.sampled_from([load_file("a.yaml", text.encode()) for text in HOSTILE]), max_size=3))
def test_findings_come_back_from_their_text(outcomes):
    found = [each for outcome in outcomes for each in outcome.diagnostics]
    found += [each for outcome in outcomes for one in outcome.declarations for each in one.diagnostics]
    assert list(findings_from(findings_text(found))) == found


def test_what_is_remembered_of_texts_is_bounded():
    quickrows._fields.cache_clear()
    for number in range(100):
        labels = f"labels: {{region: r{number}, note: {'x' * 50}{number}}}\n"
        assert rows_of_bytes("a.yaml", (HEAD + labels + NONE).encode()).findings is None
    keys = ("apiVersion", "kind", "account_id", "labels", "user_products")
    [labels] = [check for check in accepts("account").checks(keys) if isinstance(check, MappingPredicate)]
    region, note = quickrows._fields(labels, ("region", "note"))
    assert (len(region.texts), len(note.texts)) == (quickrows._TEXTS, 0)
    many = "".join(f"n{number}: a, " for number in range(quickrows._KEYS + 1))
    with patch.object(quickrows, "_fields", side_effect=AssertionError), pytest.raises(quickrows._Unusual):
        quickrows._plain(next(composed(f"{{{many}}}".encode())), labels)
