"""Snapshots as JSON and JSON Lines: what is read, what is refused and where, what is written."""

import io
import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.known import IDS, known_account, known_fleets, known_product, object_id, some_holder

from reconciler.errors import InvalidInput, StalePlan, StoreFailed, UsageError
from reconciler.model import UNKNOWN, KnownHead
from reconciler.state import open_store, open_view
from reconciler.state.export import snapshot_pieces
from reconciler.state.memory import MemoryStore
from reconciler.state.merge import import_accounts
from reconciler.state.snapshot import find_account, parse_snapshot, read_snapshot, snapshot_view
from reconciler.state.snapshotcheck import FORMAT, check_account, is_plainly_fine
from reconciler.state.sqlite import SqliteStore
from reconciler.validation import check_instance

ACCOUNT = "52a781d6400e06897c00000f"
PRODUCT = "56e1741a6fc9365306000002"
USER_PRODUCT = "56e1741a6fc9365306000034"

#: As the contract shows it.
EXAMPLE = {
    "format": FORMAT,
    "environment": "stage",
    "lineage": "abc",
    "serial": 12,
    "observed_at": "2026-11-24T10:00:00Z",
    "accounts": [
        {
            "account_id": ACCOUNT,
            "customer_number": "1234567890",
            "synced": {"subscriptions": "2026-11-24 renumbering"},
            "user_products": [
                {
                    "product_id": PRODUCT,
                    "user_product_id": USER_PRODUCT,
                    "state": "cancelled",
                    "subscription_type": "limited",
                    "valid_from": "2016-10-02T12:00:00Z",
                    "valid_to": "2016-11-02T12:00:00Z",
                    "subscription_number": "0012345670",
                    "provision_service": "tulo",
                }
            ],
        }
    ],
}


def parsed(text):
    return parse_snapshot(text.encode() if isinstance(text, str) else text, "known.json")


def document(*accounts, **head):
    return json.dumps({"format": FORMAT, "environment": "stage", **head, "accounts": list(accounts)})


def account(**fields):
    return {"account_id": ACCOUNT, "user_products": [], **fields}


def with_product(**fields):
    return account(user_products=[{"product_id": PRODUCT, **fields}])


def written(view, form="json"):
    return "".join(snapshot_pieces(view, form))


def store_with(*accounts):
    store = MemoryStore("stage", lineage="abc")
    with store.change() as change:
        for each in accounts:
            change.put_account(each)
    return store


# --- Reading ---


@pytest.mark.parametrize("indent", [None, 2])
def test_the_example_of_the_contract_is_read(indent):
    snapshot = parsed(json.dumps(EXAMPLE, indent=indent))
    assert snapshot.head == KnownHead("stage", "abc", 12, "2026-11-24T10:00:00Z")
    assert snapshot.form == "json"
    [read] = snapshot.accounts
    assert read.to_json() == EXAMPLE["accounts"][0]
    assert read.observed_at == "2026-11-24T10:00:00Z"


def test_json_lines_say_the_same():
    head = {key: value for key, value in EXAMPLE.items() if key != "accounts"}
    lines = "\n".join(["", json.dumps(head), "", json.dumps(EXAMPLE["accounts"][0]), ""])
    snapshot = parsed(lines)
    assert snapshot.form == "jsonl"
    document = parsed(json.dumps(EXAMPLE))
    assert (snapshot.head, snapshot.accounts) == (document.head, document.accounts)
    assert parsed(json.dumps(head)).accounts == ()
    assert parsed(json.dumps(head) + "\r\n" + json.dumps(EXAMPLE["accounts"][0]) + "\r\n").accounts == document.accounts


def test_heads_may_be_absent():
    snapshot = parsed(json.dumps({"format": FORMAT, "accounts": [account()]}))
    assert snapshot.head == KnownHead("", None, None, None)
    assert snapshot.accounts[0].observed_at is None


def test_absent_is_unknown_and_null_is_empty_and_the_rest_is_ignored():
    snapshot = parsed(document(with_product(state=None, price=3, title={"a": []}), notes="x", serial=None))
    [product] = snapshot.accounts[0].user_products
    assert product.state is None
    assert product.valid_to is UNKNOWN


def test_each_account_has_its_own_time_or_that_of_the_head():
    own, other = account(observed_at="2026-11-20T10:00:59.9+01:00"), {**account(), "account_id": "f" * 24}
    first, second = parsed(document(own, other, observed_at="2026-11-24 10:00 +0000")).accounts
    assert first.observed_at == "2026-11-20T09:00:59Z"
    assert second.observed_at == "2026-11-24T10:00:00Z"


def test_ids_are_lower_case_and_accounts_in_order():
    one, two = {**account(), "account_id": "F" * 24}, {**account(), "account_id": "A" * 24}
    snapshot = parsed(document(one, two))
    assert [each.account_id for each in snapshot.accounts] == ["a" * 24, "f" * 24]
    assert find_account(snapshot, "f" * 24) == snapshot.accounts[1]
    assert find_account(snapshot, "e" * 24) is None


def test_a_byte_order_mark_is_no_harm():
    assert parsed(b"\xef\xbb\xbf" + document(account()).encode()).accounts


def test_unknown_words_are_carried_along():
    [read] = parsed(document(with_product(state="on-hold", provision_service="Prenly Nät"))).accounts
    assert read.user_products[0].state == "on-hold"
    assert read.user_products[0].provision_service == "Prenly Nät"


# --- Refusing ---

REFUSED = {
    # name: (text, a place and words that are told)
    "empty": ("", "is empty"),
    "only space": (" \n ", "is empty"),
    "a list": ("[]", "is a JSON list"),
    "prose": ("hello", "neither JSON nor CSV"),
    "cut off": ('{"format": "x",\n  "accounts": [', "known.json:2:"),
    "key twice": (document(account()).replace('"user_products"', '"account_id": "x", "user_products"'), "'account_id'"),
    "not a number": (document(with_product(x=1)).replace("1", "NaN"), "NaN is no JSON"),
    "too deep": ('{"format": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
    "a huge number": ('{"format": ' + "1" * 10_000 + "}", "digit"),
    "utf-16": (document(account()).encode("utf-16"), "UTF-16"),
    "latin-1": (b'{"format":\n"\xe4"}', "known.json:2: the snapshot isn't UTF-8"),
    "no format": ('{"accounts": []}', "format: is missing"),
    "no accounts": ('{"format":\n "reconciler.known-state/v1"}', "accounts: is missing"),
    "accounts no list": ('{"format": "reconciler.known-state/v1", "accounts": {}}', "accounts: must be a list"),
    "another form": ('{"format": "reconciler.known-state/v2", "accounts": []}', "'reconciler.known-state/v2' isn't"),
    "an object that is something else": ('{"name": "x"}', "format: is missing"),
    "bad head": (document(environment=7, serial=-1, lineage=""), "environment: must be text"),
    "bad time in the head": (document(observed_at="yesterday"), "observed_at: 'yesterday' isn't a time"),
    "line break in the head": (document(environment="a\nb"), "environment: 'a\\nb' holds characters"),
    "lines without heads": (json.dumps(account()) + "\n" + json.dumps(account()), "first line must hold the heads"),
    "account no object": (document(3), "accounts[0]: must be a mapping"),
    "no account id": (document({"user_products": []}), "accounts[0].account_id: is missing"),
    "no products": (document({"account_id": ACCOUNT}), "accounts[0].user_products: is missing"),
    "short id": (document(account(account_id="abc")), "accounts[0].account_id: has 3 characters"),
    "newline after id": (document(account(account_id=ACCOUNT[1:] + "\n")), "accounts[0].account_id: "),
    "no id": (document(account(user_products=[{"state": "activated"}])), "user_products[0]: needs product_id or"),
    "null ids": (document(account(user_products=[{"product_id": None}])), "accounts[0].user_products[0]: needs"),
    "number as text": (document(with_product(subscription_number=7)), "user_products[0].subscription_number: must be"),
    "empty text": (document(with_product(state="")), "user_products[0].state: has 0 characters"),
    "space around": (document(with_product(state=" activated")), "state: ' activated' has spaces around it"),
    "control character": (document(with_product(state="a\x1b[2J")), "can't be shown"),
    "half a character": (document(account(synced={"address": "\ud83d"})), "synced: "),
    "bad time": (document(with_product(valid_to="2026-11-31T00:00Z")), "valid_to: '2026-11-31T00:00Z' is no day"),
    "time without offset": (document(with_product(valid_from="2026-11-30 10:00")), "isn't a time with an offset"),
    "bad observation": (document(account(observed_at="now")), "accounts[0].observed_at: 'now' isn't a time"),
    "bad word": (document(account(synced={"address": None})), "accounts[0].synced.address: must be text"),
    "bad doubt": (document(account(in_doubt=[{}])), "accounts[0].in_doubt[0].action: is missing"),
    "same account": (
        document(account(), account(account_id=ACCOUNT.upper())),
        f"accounts[1]: account {ACCOUNT} stands here a second time, first at known.json: accounts[0]",
    ),
    "same user product": (
        document(
            with_product(user_product_id=USER_PRODUCT),
            {**with_product(user_product_id=USER_PRODUCT), "account_id": "0" * 24},
        ),
        f"accounts[1].user_products[0]: user product {USER_PRODUCT} stands here a second time",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_told_with_its_place(case):
    text, said = REFUSED[case]
    with pytest.raises(InvalidInput) as refused:
        parsed(text)
    assert said in "\n".join((refused.value.message, *refused.value.details))
    assert refused.value.message.startswith("known.json:")
    assert refused.value.hint


def test_everything_that_is_wrong_is_told_at_once():
    text = document(
        account(account_id="abc"), with_product(state=1, valid_to="x"), {**account(), "account_id": "g" * 24}
    )
    with pytest.raises(InvalidInput, match="4 problems") as refused:
        parsed(text)
    assert [line.split(": ")[1] for line in refused.value.details] == [
        "accounts[0].account_id",
        "accounts[1].user_products[0].state",
        "accounts[1].user_products[0].valid_to",
        "accounts[2].account_id",
    ]


def test_a_line_is_told_by_its_number():
    head = json.dumps({"format": FORMAT})
    lines = "\n".join([head, json.dumps(account()), "", "{broken", json.dumps(account(account_id="x")), "[]"])
    with pytest.raises(InvalidInput) as refused:
        parsed(lines)
    places = sorted(detail.partition(": ")[0].rpartition("json")[2] for detail in refused.value.details)
    assert places == [":4:2", ":5", ":6"]


def test_a_thousand_problems_are_told_and_the_others_counted():
    with pytest.raises(InvalidInput, match="1500 problems") as refused:
        parsed(document(*(3 for _ in range(1500))))
    assert len(refused.value.details) == 1001
    assert refused.value.details[-1] == "… and 500 more"


def test_a_file_that_is_not_there_is_told(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InvalidInput, match=str(path)):
            read_snapshot(path)


def test_a_dash_is_standard_input(monkeypatch):
    class Stdin:
        buffer = io.BytesIO(json.dumps(EXAMPLE).encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    assert read_snapshot("-").accounts


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ids = st.sampled_from([ACCOUNT, PRODUCT.upper(), "x" * 24, "abc", ACCOUNT + "\n", None, 7])
texts = st.none() | st.sampled_from(["tulo", " a", "a\n", "", "x" * 201, "ä", "\ud800"]) | json_values
times = st.none() | st.sampled_from(["2026-11-24T10:00Z", "2026-11-24", "2026-02-30T00:00Z", "x" * 101]) | json_values
products = st.fixed_dictionaries(
    {},
    optional={
        "product_id": ids,
        "user_product_id": ids,
        "state": texts,
        "valid_from": times,
        "valid_to": times,
        "subscription_number": texts,
        "extra": json_values,
    },
)
accounts = st.fixed_dictionaries(
    {},
    optional={
        "account_id": ids,
        "customer_number": texts,
        "observed_at": times,
        "user_products": st.lists(products, max_size=2) | json_values,
        "synced": st.dictionaries(st.sampled_from(["address", "x"]), texts) | json_values,
        "in_doubt": json_values,
    },
)


@given(accounts | json_values)
def test_what_is_accepted_without_the_schema_is_accepted_by_it(data):
    if is_plainly_fine(data):
        assert check_instance("known-state", {"format": FORMAT, "accounts": [data]}) == []


@given(st.lists(accounts | json_values, max_size=3), st.sampled_from(["json", "jsonl"]))
def test_any_json_is_read_or_refused_but_never_crashes(data, form):
    head = {"format": FORMAT, "environment": "stage"}
    if form == "json":
        text = json.dumps({**head, "accounts": data})
    else:
        text = "\n".join(json.dumps(each) for each in [head, *data])
    try:
        snapshot = parsed(text)
    except InvalidInput as refused:
        assert refused.details
    else:
        written(snapshot_view(snapshot), form).encode("utf-8")


@given(accounts)
def test_what_passes_can_be_read(data):
    if not check_account(data):
        assert len(parsed(document(data)).accounts) == 1


# --- Writing ---


def test_an_export_has_the_form_of_the_contract():
    text = json.dumps(EXAMPLE)
    exported = json.loads(written(snapshot_view(parsed(text))))
    expected = json.loads(text)
    expected["accounts"][0]["observed_at"] = "2026-11-24T10:00:00Z"
    assert exported == expected
    assert list(exported) == ["format", "environment", "lineage", "serial", "observed_at", "accounts"]
    assert check_instance("known-state", exported) == []


def test_an_export_has_an_account_a_line_so_that_two_can_be_compared():
    view = store_with(known_account("a1"), known_account("a2", unverified=True)).view()
    heads = '"format":"reconciler.known-state/v1","environment":"stage","lineage":"abc","serial":1,"observed_at":null'
    lines = [
        f'{{"account_id":"{object_id("a1")}","user_products":[]}}',
        f'{{"account_id":"{object_id("a2")}","user_products":[],"unverified":true}}',
    ]
    assert written(view) == f'{{{heads},"accounts":[\n{lines[0]},\n{lines[1]}\n]}}\n'
    assert written(view, "jsonl") == f"{{{heads}}}\n{lines[0]}\n{lines[1]}\n"


def test_what_was_altered_in_a_store_is_exported_in_the_one_form_or_not_at_all(tmp_path):
    path = tmp_path / "stage.db"
    store = SqliteStore.open(path, create=True, environment="stage")
    with store.change() as change:
        change.put_account(known_account("a1", observed_at="2026-11-24T10:00:00Z"))
    before = written(store.view(), "jsonl")

    def altered(document):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE accounts SET document = ?", (document,))

    altered(f'{{"account_id":"{object_id("a1")}", "user_products" : []}}')
    assert written(store.view(), "jsonl") == before
    altered(f'{{"account_id":"{object_id("a1")}"')
    with pytest.raises(StoreFailed, match="can't be read"):
        written(store.view(), "jsonl")
    store.close()


def test_another_form_is_refused():
    with pytest.raises(UsageError, match="'xml'"):
        written(store_with().view(), "xml")


@given(known_fleets(), st.sampled_from(["json", "jsonl"]))
def test_what_was_exported_comes_back_into_an_empty_store(fleet, form):
    first = store_with(*fleet)
    text = written(first.view(), form)
    snapshot = parsed(text)
    assert snapshot.accounts == tuple(first.view().accounts())
    second = MemoryStore("stage", lineage="abc", serial=0)
    holder, now = some_holder(), "2026-11-30T00:00:00Z"
    report = import_accounts(second, snapshot.head, snapshot.accounts, holder=holder, now_text=now)
    assert len(report.added) == len(fleet)
    assert written(second.view(), form).partition("\n")[2] == text.partition("\n")[2]
    again = import_accounts(second, snapshot.head, snapshot.accounts, holder=holder, now_text=now)
    assert len(again.unchanged) == len(fleet)


# --- The same on every store ---

removed_ids = st.lists(st.sampled_from(IDS), max_size=2)
changes = st.lists(st.tuples(known_fleets(), removed_ids, st.booleans()), max_size=4)


@settings(max_examples=30)
@given(changes)
def test_the_same_changes_give_the_same_view_on_memory_and_sqlite(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("same") / "stage.db"
    sqlite, memory = SqliteStore.open(path, create=True, environment="stage"), MemoryStore("stage")
    for fleet, removed, fails in changes:
        for store in (sqlite, memory):
            try:
                with store.change() as change:
                    for each in fleet:
                        change.put_account(each)
                    for account_id in removed:
                        change.remove_account(account_id)
                    if fails:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass
        one, two = sqlite.view(), memory.view()
        assert list(one.accounts()) == list(two.accounts())
        assert (one.head.serial, one.head.observed_at) == (two.head.serial, two.head.observed_at)
        assert [one.account_of(each) for each in IDS] == [two.account_of(each) for each in IDS]
    sqlite.close()


# --- Where a URL leads to ---


def test_a_snapshot_is_a_view_of_its_own(tmp_path):
    path = tmp_path / "known.json"
    path.write_text(json.dumps(EXAMPLE))
    view = open_view(f"file:{path}", "stage")
    assert view.head == KnownHead("stage", "abc", 12, "2026-11-24T10:00:00Z")
    assert view.account_of(USER_PRODUCT) == ACCOUNT
    assert view.account_of(PRODUCT) is None
    assert [each.account_id for each in view.accounts()] == [ACCOUNT] == [each.account_id for each in view.accounts()]
    with pytest.raises(StalePlan, match=r"'stage'.*'production'"):
        open_view(f"file:{path}", "production")
    assert open_view(f"file:{path}", "simulator").head.environment == "simulator"


def test_a_sqlite_url_is_relative_or_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///folder/stage.db", f"sqlite:///{tmp_path}/other.db"):
        store = open_store(url, environment="stage", create=True)
        assert store.url == url
        store.close()
    assert {each.name for each in tmp_path.iterdir()} == {"folder", "other.db"}


def test_a_view_needs_a_store_that_was_filled(tmp_path):
    url = f"sqlite:///{tmp_path}/stage.db"
    with pytest.raises(InvalidInput, match="no known state"):
        open_view(url, "stage")
    store = open_store(url, environment="stage", create=True)
    with pytest.raises(InvalidInput, match="never filled") as refused:
        open_view(url, "stage")
    assert "state import" in refused.value.hint
    assert "state init" in refused.value.hint
    with store.change() as change:
        change.put_account(known_account("a1", known_product("b1")))
        change.mark_filled()
    store.close()
    assert list(open_view(url, "stage").accounts()) == [known_account("a1", known_product("b1"))]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgress://anna:secret@db.example/payway?password=secret", "isn't the URL of a state store"),
        ("mysql://anna:secret@db.example/payway", "isn't the URL of a state store"),
        ("state.db", "isn't the URL of a state store"),
        ("sqlite://secret@host/x.db", "doesn't name a file"),
        ("sqlite:x.db", "doesn't name a file"),
        ("sqlite:///", "doesn't name a file"),
        ("sqlite:///x.db?mode=secret", "doesn't name a file"),
        ("file:known.json", "can be planned from but not written"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_secrets(url, said):
    with pytest.raises(InvalidInput) as refused:
        open_store(url, environment="stage")
    assert said in refused.value.message
    assert "secret" not in refused.value.message
    assert "sqlite:///PATH" in refused.value.hint


def test_memory_is_a_store_too():
    assert open_store("memory:", environment="stage").head().environment == "stage"


def test_a_store_that_is_a_folder_failed(tmp_path):
    with pytest.raises(StoreFailed):
        open_store(f"sqlite:///{tmp_path}", environment="stage")
