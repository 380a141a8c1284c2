"""Imports of large snapshots: the same as of what is in memory, page by page, all or nothing."""

import io
import json
import os
import threading
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.known import (
    CLOCKS,
    IDS,
    known_fleets,
    object_id,
    some_holder,
)
from support.snapshots import HEAD, account, lines, said

from reconciler.errors import InvalidInput
from reconciler.model import KnownHead
from reconciler.state import open_view, snapshot
from reconciler.state.export import snapshot_pieces
from reconciler.state.memory import MemoryStore
from reconciler.state.merge import import_accounts
from reconciler.state.snapshot import find_account, parse_snapshot, read_snapshot, snapshot_view
from reconciler.state.sqlite import SqliteStore

NOW = "2026-11-30T00:00:00Z"


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch):
    monkeypatch.setattr(snapshot, "LARGE", 1)


def is_the_same(streamed, held):
    assert (streamed.head, streamed.form, streamed.notes) == (held.head, held.form, held.notes)
    assert list(streamed.accounts) == list(held.accounts)
    assert len(streamed.accounts) == len(held.accounts)
    one, two = snapshot_view(streamed), snapshot_view(held)
    assert list(one.records()) == list(two.records())
    for id_ in (*IDS, object_id("f"), IDS[0].upper(), IDS[0][2:], "no id"):
        assert one.account_of(id_) == two.account_of(id_)
        assert one.account(id_) == two.account(id_) == find_account(streamed, id_) == find_account(held, id_)


# --- An import of what is read line by line ---


@settings(max_examples=60)
@given(known_fleets(), known_fleets(), st.booleans(), st.booleans(), st.randoms())
def test_an_import_line_by_line_is_the_same_import(tmp_path_factory, first, second, complete, force, chance):
    folder = tmp_path_factory.mktemp("same")
    if chance.random() < 0.5:  # what is known already, seen at another time
        second = tuple(replace(each, observed_at=chance.choice(CLOCKS)) for each in first)
    shuffled = [{**each.to_json(), "observed_at": each.observed_at} for each in second]
    chance.shuffle(shuffled)
    (folder / "known.jsonl").write_bytes(lines(*shuffled))
    streamed = read_snapshot(folder / "known.jsonl")
    results = []
    for store, seen in (
        (SqliteStore.open(folder / "stage.db", create=True, environment="stage"), streamed.accounts),
        (SqliteStore.open(folder / "other.db", create=True, environment="stage"), second),
        (MemoryStore("stage"), streamed.accounts),
    ):
        with store.change() as change:
            for each in first:
                change.put_account(each)
        report, against = said(
            lambda store=store, seen=seen: import_accounts(
                store, streamed.head, seen, holder=some_holder(), now_text=NOW, complete=complete, force=force
            )
        )
        view = store.view()
        results.append((report, against, list(view.records()), [view.account_of(each) for each in IDS]))
        assert (store.lock(), store.damage()) == (None, ())
        store.close()
    assert results[0] == results[1] == results[2]


def test_many_pages_are_one_import(tmp_path, monkeypatch):
    monkeypatch.setattr("reconciler.state.merge.PAGE", 7)
    store = SqliteStore.open(tmp_path / "stage.db", create=True, environment="stage")
    path = tmp_path / "known.jsonl"

    def imported(*accounts, **options):
        path.write_bytes(lines(*accounts))
        seen = read_snapshot(path)
        return import_accounts(store, seen.head, seen.accounts, holder=some_holder(), now_text=NOW, **options)

    numbers = range(100)
    assert len(imported(*(account(number, f"{number:x}") for number in reversed(numbers))).added) == 100
    assert store.head().serial == 1
    # Each user product moves to the next account.
    report = imported(*(account(number, f"{(number - 1) % 100:x}") for number in numbers), complete=True)
    assert len(report.moved) == 100
    assert store.view().account_of(object_id("5")) == object_id("6")
    report = imported(*(account(number) for number in numbers if number % 2), complete=True)
    assert (len(report.changed), len(report.emptied)) == (50, 50)
    assert not any(each.user_products for each in store.view().accounts())
    assert store.damage() == ()
    assert store.head().serial == 3
    store.close()


def test_an_import_of_a_snapshot_that_changes_meanwhile_changes_nothing(tmp_path):
    path = tmp_path / "known.jsonl"
    path.write_bytes(lines(account(1, "c1"), account(2, customer_number="22")))
    seen = read_snapshot(path)
    store = SqliteStore.open(tmp_path / "stage.db", create=True, environment="stage")
    path.write_bytes(path.read_bytes().replace(b'"22"', b'"23"'))
    with pytest.raises(InvalidInput, match="was changed while it was read"):
        import_accounts(store, seen.head, seen.accounts, holder=some_holder(), now_text=NOW)
    path.write_bytes(b"")
    with pytest.raises(InvalidInput, match="was changed while it was read"):
        list(seen.accounts)
    assert (store.lock(), store.is_filled(), list(store.view().accounts())) == (None, False, [])
    store.close()


def test_a_snapshot_that_is_replaced_meanwhile_is_read_as_it_was(tmp_path):
    path = tmp_path / "known.jsonl"
    path.write_bytes(lines(account(1, "c1")))
    view = open_view(f"file:{path}", "stage")
    (tmp_path / "new").write_bytes(lines(account(2)))
    (tmp_path / "new").replace(path)
    assert view.head == KnownHead("stage", observed_at=HEAD["observed_at"])
    assert [each.account_id for each in view.accounts()] == [object_id("1")]
    assert view.account_of(object_id("c1")) == object_id("1")


# --- Where it comes from ---


@pytest.mark.parametrize(
    "content", [lines(account(1)), lines(account(1), account(2, "c1")), b"account_id,product_id\n"]
)
def test_standard_input_and_pipes_are_read_line_by_line_too(tmp_path, monkeypatch, content):
    class Stdin:
        buffer = io.BytesIO(content)

    monkeypatch.setattr("sys.stdin", Stdin)
    from_stdin = read_snapshot("-")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    from_pipe = read_snapshot(pipe)
    writer.join()
    held = parse_snapshot(content, "known")
    is_the_same(from_stdin, held)
    is_the_same(from_pipe, held)


def test_a_full_disk_for_the_copy_of_a_pipe_is_told(monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    class Stdin:
        buffer = io.BytesIO(lines(account(1)))

    monkeypatch.setattr("sys.stdin", Stdin)
    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    with pytest.raises(InvalidInput, match="no room left for a copy of the snapshot") as refused:
        read_snapshot("-")
    assert "TMPDIR" in refused.value.hint


def test_a_large_snapshot_is_not_held(tmp_path):
    text = "x" * 150
    products = [{"product_id": object_id("b1"), "user_product_id": None, "state": text, "subscription_type": text}]
    with (tmp_path / "known.jsonl").open("w") as file:
        file.write(json.dumps(HEAD) + "\n")
        for number in range(10_000):
            products[0]["user_product_id"] = object_id(f"c{number:x}")
            file.write(json.dumps(account(number * 7 % 10_000, user_products=products), separators=(",", ":")) + "\n")
    store = SqliteStore.open(tmp_path / "stage.db", create=True, environment="stage")
    tracemalloc.start()
    try:
        seen = read_snapshot(tmp_path / "known.jsonl")
        report = import_accounts(store, seen.head, seen.accounts, holder=some_holder(), now_text=NOW)
        records = sum(1 for _ in snapshot_view(seen).records())
        size = sum(len(piece) for piece in snapshot_pieces(store.view(), "jsonl"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(report.added), records) == (10_000, 10_000)
    assert size > 5_000_000
    assert peak < 4_000_000
    store.close()
