"""The shards of manifests: together they hold what the whole holds, and each document is looked into by one of them."""

import json
from array import array
from collections import Counter
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.diagnostics import Diagnostic, Position
from reconciler.manifests import rows
from reconciler.manifests.findings import findings_from
from reconciler.manifests.fleetdigest import bucket_of
from reconciler.manifests.quickrows import quick_row
from reconciler.manifests.rows import rows_of_bytes, unreadable
from reconciler.manifests.shards import Shard, own, surely_about

PRODUCT = "56e1741a6fc9365306000002"


def account(number: int) -> str:
    return f"52a781d6400e06897c0{number:05x}"


def block(number: int, more: str = "", end: str = "user_products: []\n") -> str:
    return f"apiVersion: payway/v1\nkind: Account\naccount_id: {account(number)}\n{more}{end}"


def flow(number: int, more: str = "") -> str:
    return f"{{apiVersion: payway/v1, kind: Account, account_id: {account(number)}, user_products: []{more}}}\n"


def as_json(number: int, **more: object) -> str:
    data = {"apiVersion": "payway/v1", "kind": "Account", "account_id": account(number), "user_products": []}
    return json.dumps(data | more) + "\n"


#: Sound documents whose account may be seen at once or not, and ends that run into what follows.
SOUND = [
    block,
    flow,
    as_json,
    lambda number: as_json(number, owner="å\\"),
    lambda number: block(number).replace(account(number), f'"{account(number).upper()}"'),
    lambda number: block(number).replace("account_id: ", "'account_id'  : '").replace("\nuser", "'\nuser"),
    lambda number: block(number).replace("account_id: ", "? account_id\n: "),
    lambda number: block(number).replace("account_id: ", 'account_id:\n  # the id\n  "').replace("\nuser", '"\nuser'),
    lambda number: (
        block(number).replace("account_id", '"account\\x5fid"') + f"owner: account_id {account(number + 1)}\n"
    ),
    lambda number: block(number, f"labels: {{account_id: {account(number + 1)}}}\n"),
    lambda number: f"# account_id: {account(number + 1)}\n{block(number)}",
    lambda number: f"labels: {{account_id: {account(number + 1)}}}\n{block(number)}",
    lambda number: (
        block(number).replace("account_id", '"account\\x5fid"') + f"labels:\n  account_id: {account(number + 1)}\n"
    ),
    lambda number: block(number, end="user_products: []\nowner: |+\n  a\n\n"),
    lambda number: block(number, end="user_products: []\nowner: |\n  a\n"),
    lambda number: block(number, end="user_products: []\nowner: >+\n  a\n"),
    lambda number: block(number, end="user_products: []\nowner: a\n  b\n"),
    lambda number: block(number, "owner: |\n  --- no\n  ...\n"),
    lambda number: block(number, "owner: å😀\n"),
    lambda number: block(number, f"customer_number: 'c{number % 3}'\n"),
    lambda number: block(
        number, end=f"user_products:\n- {{product_id: {PRODUCT}, user_product_id: {account(number)}}}\n"
    ),
    lambda number: block(
        number,
        end="user_products:\n- {product_id: " + PRODUCT + ", state: activated, valid_to: 2016-10-02 13:00 +0100}\n",
    ),
]
#: Documents that are no accounts, none at all, or wrong in themselves.
BROKEN = [
    lambda number: "",
    lambda number: "# nothing here\n",
    lambda number: "~\n",
    lambda number: "just text\n",
    lambda number: f"- account_id: {account(number)}\n",
    lambda number: block(number, "sate: x\n"),
    lambda number: block(number, "owner: no\n"),
    lambda number: block(number, "owner: ~\n"),
    lambda number: block(number, f"account_id: {account(number + 1)}\n"),
    lambda number: block(number).replace("account_id: ", "account_id: &a "),
    lambda number: block(number, "labels: {a: &b c, d: *b}\n"),
    lambda number: block(number).replace("account_id: ", "account_id: !!str "),
    lambda number: block(number).replace(account(number), account(number) + "0"),
    lambda number: block(number).replace(account(number), account(number) + "\n  x"),
    lambda number: block(number).replace("account_id", "x_account_id"),
    lambda number: "owner: nobody\n",
]
#: Documents with which a file ends, whatever stands behind them.
ENDING = [
    lambda number: block(number, "owner: [\n"),
    lambda number: block(number, "owner: 'a\n"),
    lambda number: block(number) + "}\n",
    lambda number: flow(number) + "x\n",
    lambda number: block(number, f"labels: {'[' * 20}{']' * 20}\n"),
    lambda number: block(number, "owner: a\x01b\n"),
]
BETWEEN = ["---\n"] * 6 + [
    "--- # x\n",
    "---\r\n",
    "--- \t\n",
    "...\n---\n",
    "...\n",
    "---\r",
    "---\x85",
    "...\n%YAML 1.1\n---\n",
]
BEFORE = ["", "", "", "---\n", "\ufeff", "# x\n---\n", "%YAML 1.1\n---\n"]


@st.composite
def texts(draw, kinds):
    """A file of several documents."""
    text = draw(st.sampled_from(BEFORE))
    for place in range(draw(st.integers(0, 6))):
        if place:
            text += draw(st.sampled_from(BETWEEN))
        text += draw(st.sampled_from(kinds))(draw(st.integers(0, 40)))
    if draw(st.sampled_from([False] * 5 + [True])):
        text = text.replace("\n", draw(st.sampled_from(["\r\n", "\r", "\x85"])))
    return text.encode() + draw(st.sampled_from([b""] * 9 + [b"\xff", b"\0"]))


def parts_of(data, of):
    whole = rows_of_bytes("a.yaml", data)
    return whole, [rows_of_bytes("a.yaml", data, Shard(number, of)) for number in range(1, of + 1)]


def told(found):
    return list(findings_from(found.findings or "[]"))


def claims(found):
    return Counter(array("Q", found.claims))


@settings(max_examples=300, deadline=None)
@given(texts(SOUND + SOUND + BROKEN), st.integers(1, 7))
@example(
    f"{block(1, end='user_products: []' + chr(10) + 'owner: |' + chr(10) + '  a' + chr(10))}---\n{block(2)}".encode(), 7
)
def test_shards_hold_what_the_whole_holds_and_nothing_twice(data, of):
    whole, parts = parts_of(data, of)
    rows_of_parts = [row for part in parts for row in part.rows]
    assert sorted(rows_of_parts, key=repr) == sorted(whole.rows, key=repr)
    assert sum(map(claims, parts), Counter()) == claims(whole)
    if not any(finding.rule in rows._ENDS_FILE for finding in told(whole)):
        assert Counter(finding for part in parts for finding in told(part)) == Counter(told(whole))
    for number, part in enumerate(parts, start=1):
        assert {bucket_of(row.account_id) % of + 1 for row in part.rows} <= {number}
        assert part.content == whole.content


@settings(max_examples=200, deadline=None)
@given(texts(SOUND + BROKEN + ENDING * 2), st.integers(1, 7))
def test_shards_say_all_that_is_wrong_with_the_whole(data, of):
    whole, parts = parts_of(data, of)
    by_parts = {finding for part in parts for finding in told(part)}
    assert set(told(whole)) <= by_parts
    # What stands behind the end of a file is told, too, by whoever isn't kept from reading it.
    if not any(finding.is_error for finding in told(whole)):
        assert by_parts == set(told(whole))
    assert {row.account_id for row in whole.rows} <= {row.account_id for part in parts for row in part.rows}


def test_what_is_wrong_with_files_themselves_is_said_by_one_shard():
    finding = Diagnostic("unreadable", "no", Position("a.yaml"))
    for data in (b"\xff", b"\xfe\xff\0a", b"a: \0"):
        parts = [rows_of_bytes("a.yaml", data, Shard(number, 5)) for number in range(1, 6)]
        assert sum(len(told(part)) for part in parts) == 1
    assert sum(len(told(unreadable("a.yaml", finding, Shard(number, 5)))) for number in range(1, 6)) == 1
    assert len(told(unreadable("a.yaml", finding))) == 1


def test_each_text_and_each_account_is_of_one_shard():
    for of in (1, 2, 3, 7, 256):
        shards = [Shard(number, of) for number in range(1, of + 1)]
        assert sorted(bucket for shard in shards for bucket in shard.buckets) == list(range(256))
        for number in range(50):
            [taker] = [shard for shard in shards if shard.takes(account(number))]
            assert bucket_of(account(number)) in taker.buckets
            assert len([shard for shard in shards if shard.takes_text(f"x{number}é\udcff")]) == 1


@pytest.mark.parametrize("kind", [block, flow, as_json])
def test_documents_of_others_are_not_looked_into(kind):
    text = "# yaml-language-server: $schema=x\n---\n" + "---\n".join(map(kind, range(40)))
    seen = []

    def noting(root, *rest):
        row = quick_row(root, *rest)
        seen.append(row)
        return row

    with patch.object(rows, "quick_row", noting), patch.object(rows, "declare", side_effect=AssertionError("slowly")):
        for number in range(1, 5):
            seen.clear()
            found = rows_of_bytes("a.yaml", text.encode(), Shard(number, 4))
            mine = [each for each in range(40) if bucket_of(account(each)) % 4 == number - 1]
            assert [row.account_id for row in found.rows] == [account(each) for each in mine]
            assert len(seen) <= len(mine) + 1


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        (block(1), True),
        (flow(1), True),
        (as_json(1), True),
        (as_json(1).replace(": ", ":"), True),
        (block(1).replace("account_id: ", 'account_id :\t"'), True),
        (block(1).upper().replace("ACCOUNT_ID", "account_id"), True),
        (block(1).replace("account_id: ", "account_id:\n  "), False),
        (block(1).replace("account_id: ", "account_id: # x\n  "), False),
        (block(1).replace("account_id: ", "account_id: &a "), False),
        (block(1, "owner: account_id\n"), False),
        (block(1, 'owner: "\\n"\n'), False),
        (block(1).replace(account(1), account(1) + "0"), False),
        (block(1).replace(account(1), account(1)[1:]), False),
        ("", False),
    ],
)
def test_which_accounts_are_seen_at_once(text, sure):
    assert surely_about(text.encode()) == (account(1) if sure else None)


def test_texts_of_others_are_blank_and_all_else_is_in_its_place():
    parts = [block(number, "owner: 'å  x'\r\n") for number in range(12)]
    data = "---\n".join(parts).encode()
    for number in range(1, 4):
        found = own(data, Shard(number, 3))
        assert len(found.text) == len(data)
        assert not found.whole
        assert [at for at, byte in enumerate(found.text) if byte == 10] == [
            at for at, byte in enumerate(data) if byte == 10
        ]
        for each, part in enumerate(parts):
            mine = bucket_of(account(each)) % 3 == number - 1
            assert (part.encode() in found.text) == mine
            assert (account(each).encode() in found.text) == mine
