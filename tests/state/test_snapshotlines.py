"""Large snapshots, read line by line: the same as in memory, whatever is in them, and without holding them."""

import codecs
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.known import (
    IDS,
    known_fleets,
    object_id,
)
from support.snapshots import HEAD, account, lines, said

from reconciler.errors import InvalidInput
from reconciler.state import snapshot
from reconciler.state.export import snapshot_pieces
from reconciler.state.memory import MemoryStore
from reconciler.state.snapshot import find_account, parse_snapshot, read_snapshot, snapshot_view
from reconciler.state.snapshotcheck import FORMAT
from reconciler.state.snapshotlines import SeenLines


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch):
    monkeypatch.setattr(snapshot, "LARGE", 1)


def both(path, data):
    """A snapshot read line by line, and the same in memory; two times ``None`` if both say the same against it."""
    path.write_bytes(data)
    streamed, against = said(lambda: read_snapshot(path))
    held, expected = said(lambda: parse_snapshot(data, str(path)))
    assert against == expected
    return streamed, held


def is_the_same(streamed, held):
    assert (streamed.head, streamed.form, streamed.notes) == (held.head, held.form, held.notes)
    assert list(streamed.accounts) == list(held.accounts)
    assert len(streamed.accounts) == len(held.accounts)
    one, two = snapshot_view(streamed), snapshot_view(held)
    assert list(one.records()) == list(two.records())
    for id_ in (*IDS, object_id("f"), IDS[0].upper(), IDS[0][2:], "no id"):
        assert one.account_of(id_) == two.account_of(id_)
        assert one.account(id_) == two.account(id_) == find_account(streamed, id_) == find_account(held, id_)


# --- The same as in memory ---

json_values = st.none() | st.booleans() | st.integers(-1, 20) | st.text(max_size=4) | st.just([{"a": [1.5]}])


@st.composite
def fleet_lines(draw):
    """Lines of accounts that can be used, each as an export or as somebody else writes it."""
    found = []
    for each in draw(st.permutations(draw(known_fleets()))):
        data = {"account_id": each.account_id, "observed_at": each.observed_at, **each.to_json()}
        if draw(st.booleans()):
            del data["observed_at"]
        if draw(st.integers(0, 4)) == 0:
            data["account_id"] = data["account_id"].upper()
            data["user_products"].reverse()
        separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
        found.append(json.dumps(data, separators=separators, ensure_ascii=draw(st.booleans())).encode())
    return found


@st.composite
def any_lines(draw):
    """Some of which tell of an account; few of them can be used."""
    data = {"account_id": draw(st.sampled_from(IDS)), "user_products": []}
    for key in draw(
        st.lists(st.sampled_from(["observed_at", "customer_number", "synced", "user_products"]), max_size=2)
    ):
        data[key] = draw(json_values)
    wrong = st.sampled_from([{}, 7, {"user_product_id": "x"}, {"product_id": None}])
    right = st.builds(dict, user_product_id=st.sampled_from(IDS))
    if data["user_products"] == []:
        data["user_products"] = draw(st.lists(right | right | wrong, max_size=3))
    return json.dumps(data).encode()


other_lines = st.sampled_from(
    [b"", b" ", "\u00a0".encode(), b"{", b"[]", b"7", b"NaN", b'{"a":1,"a":2}', b"\xff", b"{}", b'"\xc3', b"]}", b"]"]
)
account_lines = fleet_lines() | fleet_lines() | st.lists(any_lines() | other_lines, max_size=5)
heads = (
    st.just(HEAD)
    | st.just(HEAD)
    | st.fixed_dictionaries(
        {"format": st.sampled_from([FORMAT, FORMAT, "other/v1"])},
        optional={
            "serial": st.sampled_from([3, -1]),
            "observed_at": st.sampled_from(["now", None]),
            "account_id": st.just("x"),
        },
    )
)
ends = st.sampled_from([b"\n", b"\r\n"])


@st.composite
def line_files(draw):
    """JSON Lines, whole or broken."""
    end = draw(ends)
    mark = draw(st.sampled_from([b"", codecs.BOM_UTF8, b" \n", b"\n\n"]))
    head = json.dumps(draw(heads)).encode()
    return mark + end.join([head, *draw(account_lines)]) + draw(st.sampled_from([b"", end, end + b" "]))


@st.composite
def documents(draw):
    """A JSON document with an account a line, whole or broken."""
    end = draw(ends)
    head = json.dumps({**draw(heads), "accounts": []}).removesuffix("]}").encode()
    items = draw(account_lines)
    commas = [b","] * (len(items) - 1) + [b""]
    if draw(st.integers(0, 5)) == 0:
        commas = draw(st.lists(st.sampled_from([b"", b",", b", "]), min_size=len(items), max_size=len(items)))
    body = [item + comma for item, comma in zip(items, commas, strict=False)]
    last = draw(st.sampled_from([b"]}"] * 6 + [b"]", b" ]} ", b'],"serial":1}', b"", b"]}]}"]))
    mark = draw(st.sampled_from([b"", codecs.BOM_UTF8, b"\n"]))
    return mark + end.join([head, *body, last]) + draw(st.sampled_from([b"", end]))


@settings(max_examples=400)
@given(line_files() | documents())
def test_line_by_line_is_the_same_as_in_memory(tmp_path_factory, data):
    streamed, held = both(tmp_path_factory.getbasetemp() / "known.json", data)
    if streamed is not None:
        is_the_same(streamed, held)


@given(known_fleets(), st.sampled_from(["json", "jsonl"]))
def test_an_export_is_read_line_by_line(tmp_path_factory, fleet, form):
    store = MemoryStore("stage")
    with store.change() as change:
        for account in fleet:
            change.put_account(account)
    data = "".join(snapshot_pieces(store.view(), form)).encode()
    streamed, held = both(tmp_path_factory.getbasetemp() / "known.json", data)
    assert isinstance(streamed.accounts, SeenLines)
    is_the_same(streamed, held)
    owners = {
        own: account.account_id for account in fleet for own in (p.user_product_id for p in account.user_products)
    }
    owners.pop(None, None)
    assert dict(streamed.accounts.claims()) == owners


def test_what_stands_twice_is_told_where_it_stands_among_the_other_problems(tmp_path):
    broken = {"account_id": "x"}
    data = lines(
        account(9, "c1"), account(3, "c2", "c1"), broken, account(9), account(5, "c2", "c5", "c5"), account(9)
    )  # fmt: skip
    streamed, _ = both(tmp_path / "known.jsonl", data)
    assert streamed is None
    with pytest.raises(InvalidInput, match="7 problems") as refused:
        read_snapshot(tmp_path / "known.jsonl")
    assert [detail.split(": ")[0].rpartition(":")[2] for detail in refused.value.details] == list("3445667")


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_thousands_of_problems_are_told_as_in_memory(tmp_path, form):
    accounts = [*(account(number % 700, f"{number % 900:x}") for number in range(1500)), *([7] * 900), account(1)]
    if form == "jsonl":
        data = lines(*accounts)
    else:
        items = ",\n".join(json.dumps(each) for each in accounts)
        data = (json.dumps({**HEAD, "accounts": []})[:-2] + f"\n{items}\n]}}").encode()
    streamed, _ = both(tmp_path / "known.json", data)
    assert streamed is None


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "[]", "hello", "account_id,product_id\n", "{", '{"format"', json.dumps({**HEAD, "accounts": []}),
        json.dumps({**HEAD, "accounts": [account(1)]}, indent=1), json.dumps({"a": "x" * 70_000}),
        '{"accounts": [], "format": [\n]}', '{"accounts": [1], "accounts": [\n]}', '{"x": [\n]}',
    ],
)  # fmt: skip
def test_what_has_no_account_a_line_is_read_in_memory(tmp_path, text):
    streamed, held = both(tmp_path / "known.json", text.encode())
    if streamed is not None:
        assert not isinstance(streamed.accounts, SeenLines)
        is_the_same(streamed, held)


def test_a_small_snapshot_is_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "LARGE", 10_000)
    path = tmp_path / "known.jsonl"
    path.write_bytes(lines(account(1)))
    assert isinstance(read_snapshot(path).accounts, tuple)
