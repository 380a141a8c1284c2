"""Known state as CSV: what is read, what is refused and where, what is written."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.known import known_account, known_fleets, known_product, object_id

from reconciler.errors import InvalidInput
from reconciler.instants import parse_known
from reconciler.model import UNKNOWN, KnownHead
from reconciler.state.csvfile import COLUMNS, SEPARATORS, escaped, unescaped
from reconciler.state.export import snapshot_pieces
from reconciler.state.memory import MemoryStore
from reconciler.state.snapshot import parse_snapshot, snapshot_view

END = parse_known("2026-12-01T00:00Z")
A1, A2, P1, P2, U1, U2 = (object_id(name) for name in ("a1", "a2", "b1", "b2", "c1", "c2"))


def parsed(text):
    return parse_snapshot(text.encode() if isinstance(text, str) else text, "known.csv")


def refused(text):
    with pytest.raises(InvalidInput) as error:
        parsed(text)
    return "\n".join((error.value.message, *error.value.details))


def view_of(*accounts):
    store = MemoryStore("stage")
    with store.change() as change:
        for account in accounts:
            change.put_account(account)
    return store.view()


def written(view):
    return "".join(snapshot_pieces(view, "csv"))


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_row_is_a_user_product(separator, line_end, mark):
    rows = [
        ("account_id", "customer_number", "product_id", "user_product_id", "state", "valid_to", "subscription_number"),
        (A2, "7", P1, U2, "activated", "2026-12-01T00:00:00Z", "007"),
        (A1.upper(), "5", P1, U1, "", "2026-12-01 01:00 +0100", ""),
        (A2, "7", P2, "", "cancelled", "", "008"),
    ]
    snapshot = parsed(mark + line_end.join(separator.join(row) for row in rows) + line_end)
    assert snapshot.form == "csv"
    assert snapshot.head == KnownHead("")
    assert snapshot.notes == ()
    first, second = snapshot.accounts
    assert first == known_account(
        "a1",
        known_product("b1", "c1", state=None, valid_to=END, subscription_number=None),
        customer_number="5",
    )
    assert second.user_products == (
        known_product(
            "b1", "c2", state="activated", valid_to=first.user_products[0].valid_to, subscription_number="007"
        ),
        known_product("b2", state="cancelled", valid_to=None, subscription_number="008"),
    )


def test_a_column_that_is_not_there_is_unknown_and_an_empty_cell_is_empty():
    [account] = parsed(f"account_id,user_product_id,state\n{A1},{U1},\n").accounts
    assert account.customer_number is UNKNOWN
    assert account.user_products[0].state is None
    assert account.user_products[0].valid_to is UNKNOWN


def test_a_question_mark_is_unknown():
    [account] = parsed(f"account_id,product_id,user_product_id,state,valid_to\n{A1},?,{U1},?,\n").accounts
    assert account.user_products == (known_product(None, "c1", valid_to=None),)


def test_a_row_without_ids_is_an_account_without_products():
    [account] = parsed(
        f"account_id;product_id;state;synced_address;observed_at\n{A1};;;word;2026-11-24T10:00Z\n"
    ).accounts
    assert account == known_account("a1", synced={"address": "word"}, observed_at="2026-11-24T10:00:00Z")


def test_unknown_columns_are_ignored_with_a_note():
    snapshot = parsed(f"Account_ID,e-mail,product_id,\n{A1},anna@example.com,{P1},\n")
    assert snapshot.notes == ("known.csv: ignored columns: e-mail",)
    assert snapshot.accounts == (known_account("a1", known_product("b1")),)


def test_quoted_cells_may_hold_anything_and_blank_lines_are_skipped():
    text = f'account_id,product_id,synced_address\n\n{A1},{P1},"a ""word"",\nof two lines"\n\n{A2},{P1},x\n'
    first, second = parsed(text).accounts
    assert first.synced == {"address": 'a "word",\nof two lines'}
    assert second.synced == {"address": "x"}


REFUSED = {
    "no account id": ("product_id,state\nx,y\n", "known.csv:1: this is neither JSON nor CSV"),
    "tabs": ("account_id\tproduct_id\n", "known.csv:1: this is neither JSON nor CSV"),
    "no product id": ("account_id,state\n", "known.csv:1: neither product_id nor user_product_id"),
    "column twice": ("account_id,product_id,state,state\n", "known.csv:1: the column state stands twice"),
    "short row": (
        f"account_id,product_id\n{A1},{P1}\n{A1}\n",
        "known.csv:3: the row has 1 cells, but the",
    ),
    "long row": (f"account_id,product_id\n{A1},{P1},\n", "known.csv:2: the row has 3 cells"),
    "bad account id": (f"account_id,product_id\n4.9E+23,{P1}\n", "known.csv:2: account_id: has '.' "),
    "no account id in a row": (f"account_id,product_id\n,{P1}\n", "known.csv:2: account_id: has 0 characters"),
    "bad product id": (f"account_id,product_id\n{A1},{P1}\n{A1},x\n", "known.csv:3: product_id: has 'x' "),
    "bad time": (
        f"account_id,product_id,valid_to\n{A1},{P1},2026-12-01\n",
        "known.csv:2: valid_to: '2026-12-01' ",
    ),
    "space around": (
        f"account_id,product_id,state\n{A1},{P1}, activated\n",
        "known.csv:2: state: ' activated' ",
    ),
    "no id": (f"account_id,product_id,state\n{A1},,activated\n", "known.csv:2: the row tells of a product, but"),
    "open quote": (f'account_id,product_id\n{A1},"{P1}\n', "this isn't CSV"),
    "huge cell": (f"account_id,product_id\n{A1},{'x' * 200_000}\n", "this isn't CSV"),
    "two numbers": (
        f"account_id,product_id,customer_number\n{A1},{P1},5\n{A1},{P2},6\n",
        "known.csv:3: customer_number: differs from line 2, which is about the same account",
    ),
    "user product twice": (
        f"account_id,user_product_id\n{A1},{U1}\n{A2},{U2}\n{A2},{U1}\n",
        f"known.csv:4: user product {U1} stands here a second time, first at known.csv:2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_told_with_its_line(case):
    text, said = REFUSED[case]
    assert said in refused(text)


def test_everything_that_is_wrong_is_told_at_once():
    text = f"account_id,product_id,state\n{A1},x,y\n{A1}\nz,{P1},\n"
    said = refused(text)
    assert "3 problems" in said
    assert [f"known.csv:{line}:" in said for line in (2, 3, 4)] == [True, True, True]


def test_an_export_has_only_columns_that_say_something():
    view = view_of(known_account("a1", known_product("b1", "c1", state="activated")), known_account("a2"))
    lines = [
        "account_id,product_id,user_product_id,state",
        f"{A1},{P1},{U1},activated",
        f"{A2},,,?",
    ]
    assert written(view) == "\n".join(lines) + "\n"
    assert written(view_of()) == "account_id,product_id,user_product_id\n"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM", "'@SUM"),
        ("?", "'?"),
        ("'=1", "''=1"),
        ("'?", "''?"),
        ("??", "??"),
        ("'x", "'x"),
        ("a=1", "a=1"),
        ("0012", "0012"),
    ],
)
def test_a_cell_is_no_formula_for_a_spreadsheet(text, cell):
    assert escaped(text) == cell
    assert unescaped(cell) == text


@given(st.text(st.sampled_from("'=+-@?ax\n"), max_size=5))
def test_escaping_can_be_taken_back(text):
    assert unescaped(escaped(text)) == text
    assert escaped(text)[:1] not in {"=", "+", "-", "@"}
    assert escaped(text) != "?"


@settings(max_examples=50)
@given(known_fleets())
def test_what_was_exported_comes_back_but_for_what_has_no_column(fleet):
    view = view_of(*fleet)
    read = parsed(written(view)).accounts
    assert [(a.account_id, a.customer_number, a.synced, a.user_products, a.observed_at) for a in read] == [
        (a.account_id, a.customer_number, a.synced, a.user_products, a.observed_at) for a in view.accounts()
    ]


@settings(max_examples=50)
@given(known_fleets())
def test_other_programs_read_the_same_table(fleet):
    view = view_of(*fleet)
    rows = list(csv.reader(io.StringIO(written(view), newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == 1 + sum(max(1, len(account.user_products)) for account in view.accounts())


cells = st.sampled_from([A1, P1, U1, "?", "", "'=x", '"', '"a"', "activated", "2026-12-01T00:00Z", "\r", "\x00", "ä"])


@given(
    st.sampled_from(SEPARATORS),
    st.lists(st.sampled_from(COLUMNS), unique=True, max_size=4),
    st.lists(st.lists(cells, max_size=7), max_size=4),
)
def test_any_table_is_read_or_refused_but_never_crashes(separator, columns, rows):
    lines = [separator.join(["account_id", *columns]), *(separator.join(row) for row in rows)]
    try:
        snapshot = parsed("\n".join(lines))
    except InvalidInput as error:
        assert error.hint
    else:
        written(snapshot_view(snapshot))
