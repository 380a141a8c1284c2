"""Each write of the store fails in turn: nothing is lost, nothing is corrupt, and `resume` ends as if it hadn't.

`make store-failures` has every statement fail with every error of SQLite.
"""

from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from support.trials import in_memory, in_sqlite, on_a_full_disk

from reconciler.applying import calls
from reconciler.errors import StoreFailed
from reconciler.state.sqlite_file import Database


@pytest.mark.parametrize("how", [{"onward": False}, {"onward": True}, {"onward": False, "aside_fails": True}], ids=str)
def test_in_memory_each_write_can_fail(how):
    trials = in_memory(**how)
    assert trials.wrong == []
    assert trials.points > 100
    # Of each call the outcome's write: its parts, the transaction's two ends, and after it was carried out.
    assert trials.figures["recovered"] > 30


@pytest.mark.parametrize(
    ("kind", "onward", "every"),
    [("SQLITE_FULL", False, 2), ("SQLITE_IOERR_WRITE", True, 5), ("SQLITE_BUSY", False, 7)],
)
def test_in_sqlite_each_statement_can_fail(tmp_path, kind, onward, every):
    trials = in_sqlite(tmp_path, kind, onward=onward, every=every)
    assert trials.wrong == []
    assert trials.points > 200 / every
    assert trials.figures["recovered"] > 50 / every


def test_the_disk_can_be_full_at_any_moment(tmp_path):
    trials = on_a_full_disk(tmp_path)
    assert trials.wrong == []
    assert trials.points > 20
    assert trials.figures["recovered"] > 5


# --- That a broken promise would be seen ---


def test_a_call_without_an_intent_would_be_seen(monkeypatch):
    record = calls.record
    monkeypatch.setattr(
        calls, "record", lambda *given, **more: given[2] if given[2].status == "intent" else record(*given, **more)
    )
    assert in_memory(onward=False).figures["sent without intent"] > 0


def test_an_outcome_that_is_given_up_would_be_seen(monkeypatch):
    write = calls.Lane._write_outcome

    def silent(lane, step, entry, intent):
        with suppress(StoreFailed):
            return write(replace(lane, emergency=lambda _: None), step, entry, intent)
        return entry

    monkeypatch.setattr(calls.Lane, "_write_outcome", silent)
    trials = in_memory(onward=False)
    assert trials.figures["lost"] > 0
    assert any("it ended with None" in text for text in trials.wrong)


def test_a_change_that_is_written_by_halves_would_be_seen(monkeypatch, tmp_path):
    @contextmanager
    def by_halves(database):
        database.all("BEGIN IMMEDIATE")
        try:
            yield
            database.all("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.connection.commit()
            raise

    monkeypatch.setattr(Database, "transaction", by_halves)
    trials = in_sqlite(tmp_path, "SQLITE_BUSY", onward=False, every=3)
    assert trials.figures["corrupt"] + trials.figures["ended differently"] > 0
