"""The cache's file: whose it is, what may be wrong with it, and what it remembers."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from support.largefleet import account, manifest

from reconciler.manifests.cache import Cache, FleetSummary, Read
from reconciler.manifests.rows import rows_of_bytes
from reconciler.manifests.settled import Settled, SettledAccounts


def put(cache, entry, *numbers, folder="f", state="activated"):
    """Put a file that declares these accounts; its number."""
    old = cache.files_in(folder).get(entry)
    rows = rows_of_bytes(entry, "---\n".join(manifest(number, state) for number in numbers).encode())
    read = Read(folder, entry, None if old is None else old.number, rows._replace(signature=(1, 2, 3, 4, 5), read_at=9))
    [number] = cache.put([read])
    cache.present([number])
    return number


def filled(path, program="p"):
    with closing(Cache.open(path, program)) as cache:
        put(cache, "a.yaml", 1, 2)
        cache.refreshed(changed=True)
        cache.save()
    return path


def entries(path, program="p"):
    """What a cache holds; ``None`` if it can't be had."""
    cache = Cache.open(path, program)
    if cache is None:
        return None
    with closing(cache):
        return sorted(cache.files_in("f"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.db"


def test_what_is_saved_is_there_again(path):
    filled(path)
    assert entries(path) == ["a.yaml"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_isn_t_saved_is_gone(path):
    filled(path)
    with closing(Cache.open(path, "p")) as cache:
        put(cache, "b.yaml", 3)
    assert entries(path) == ["a.yaml"]


def test_a_cache_of_another_program_is_made_anew(path):
    filled(path)
    assert entries(path, "q") == []
    with closing(Cache.open(path, "q")) as cache:
        cache.save()
    assert entries(path, "p") == []


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o640, 0o660, 0o700, 0o601])
def test_a_cache_that_others_can_reach_is_not_trusted(path, mode):
    filled(path).chmod(mode)
    assert entries(path) == ([] if mode & 0o077 else ["a.yaml"])
    assert path.stat().st_mode & 0o077 == 0


def test_a_cache_of_another_user_is_not_trusted(path, monkeypatch):
    filled(path)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert entries(path) == []


def test_a_link_is_not_followed(path, tmp_path):
    real = filled(tmp_path / "real.db")
    path.symlink_to(real)
    assert entries(path) == []
    assert not path.is_symlink()
    assert entries(real) == ["a.yaml"]


def test_a_link_to_nowhere_makes_no_file_there(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere.db")
    assert entries(path) == []
    assert not (tmp_path / "elsewhere.db").exists()


@pytest.mark.parametrize("end", ["-journal", "-wal", "-shm"])
def test_what_lies_beside_it_and_is_not_ours_is_not_taken_in(path, end):
    filled(path)
    beside = path.with_name(path.name + end)
    beside.write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\0" * 1000)
    beside.chmod(0o644)
    assert entries(path) == ["a.yaml"]
    assert not beside.exists()


def cut_off(path):
    """Begin a change in a process that is killed before its end; returns the journal that it leaves."""
    script = (
        "import os, sqlite3\n"
        f"c = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN EXCLUSIVE'); c.execute('DELETE FROM files')\n"
        "c.executemany('INSERT INTO changes VALUES (1, ?)', [('x' * 1000,)] * 5000)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False, timeout=30)
    return path.with_name("cache.db-journal")


def test_a_journal_that_comes_out_of_a_repository_is_not_played_back(path):
    filled(path)
    journal = cut_off(path)
    before = journal.read_bytes()
    assert entries(path) == ["a.yaml"]
    with closing(Cache.open(path, "p")) as cache:
        put(cache, "b.yaml", 3)
        cache.save()
    journal.write_bytes(before)
    journal.chmod(0o644)
    assert entries(path) == ["a.yaml", "b.yaml"]


def test_a_change_that_was_cut_off_is_rolled_back(path):
    """Its journal is ours, and lies beside it after the process was killed."""
    filled(path)
    journal = cut_off(path)
    assert journal.exists()
    assert entries(path) == ["a.yaml"]


@pytest.mark.parametrize("meta", ["", "CREATE TABLE meta (name TEXT, value)", "CREATE TABLE meta (other)"])
def test_another_program_s_database_is_left_alone(path, meta):
    with closing(sqlite3.connect(path)) as other:
        other.executescript(f"CREATE TABLE dear (x); INSERT INTO dear VALUES (1); {meta}")
    path.chmod(0o600)
    assert Cache.open(path, "p") is None
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT * FROM dear").fetchall() == [(1,)]


@pytest.mark.parametrize("data", [b"", b"x", b"garbage " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_garbage_is_made_anew(path, data):
    path.write_bytes(data)
    path.chmod(0o600)
    assert entries(path) == []
    assert filled(path)


def test_a_cache_that_was_cut_off_anywhere_can_be_had_or_not(path):
    data = filled(path).read_bytes()
    for length in range(0, len(data), 1 + len(data) // 60):
        path.write_bytes(data[:length])
        path.chmod(0o600)
        # Without the last page alone, what isn't there is noticed by whoever asks for it.
        assert entries(path) in ([], None) or length > len(data) - 4096, length


def test_a_cache_that_another_process_uses_can_t_be_had(path):
    filled(path)
    with closing(Cache.open(path, "p")):
        assert Cache.open(path, "p") is None
    assert entries(path) == ["a.yaml"]


def test_a_cache_that_can_t_be_written_can_t_be_had(path, tmp_path):
    path.mkdir()
    assert Cache.open(path, "p") is None
    assert Cache.open(tmp_path / "no" / "cache.db", "p") is None
    (tmp_path / "file").touch()
    assert Cache.open(tmp_path / "file" / "cache.db", "p") is None


def test_a_temporary_cache_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    for on_disk in (True, False):
        with closing(Cache.temporary(on_disk=on_disk)) as cache:
            put(cache, "a.yaml", 1)
            cache.save()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def cache():
    with closing(Cache.temporary(on_disk=False)) as cache:
        yield cache


def accounts_of(cache):
    return [row.account_id for row in cache.compared()]


def test_a_file_takes_the_place_of_what_it_was(cache):
    put(cache, "a.yaml", 1, 2)
    put(cache, "b.yaml", 3)
    put(cache, "a.yaml", 2, 4)
    cache.refreshed(changed=True)
    assert accounts_of(cache) == [account(number) for number in (2, 3, 4)]
    assert cache.counts() == (2, 3)
    assert cache.files_in("f")["a.yaml"].signature == (1, 2, 3, 4, 5)
    (rows,) = cache.execute("SELECT count(*) FROM rows").fetchone()
    assert rows == 3


def test_a_file_without_a_signature_is_kept_without(cache):
    number = put(cache, "a.yaml", 1)
    cache.still(number, (), 7)
    assert cache.files_in("f")["a.yaml"][1:3] == ((None,) * 5, 7)
    cache.still(number, (5, 4, 3, 2, 1), 8)
    assert cache.files_in("f")["a.yaml"][1:3] == ((5, 4, 3, 2, 1), 8)


def test_files_of_other_fleets_aren_t_part_of_this_one(cache):
    other = put(cache, "a.yaml", 1, 2)
    put(cache, "b.yaml", 3)
    cache.execute("DELETE FROM present WHERE file = ?", (other,))
    cache.refreshed(changed=True)
    assert accounts_of(cache) == [account(3)]
    assert cache.counts() == (1, 1)
    found = cache.compared_of([account(1), account(3)])
    assert {name: facts.account_id for name, facts in found.items()} == {account(3): account(3)}
    assert [name for name, _ in cache.digests()] == [account(3)]
    assert len([number for numbers in cache.claim_numbers() for number in numbers]) == 2
    assert [entry for _, entry, _ in cache.claims()] == ["b.yaml"]


def test_changed_accounts_are_logged_for_each_scope_until_it_has_seen_them(cache):
    def changed(name):
        return SettledAccounts(cache, name).changed()

    def finish(name):
        SettledAccounts(cache, name).finish("m", "d")

    put(cache, "z.yaml", *range(10, 30))
    put(cache, "a.yaml", 1)
    cache.refreshed(changed=True)
    assert changed("one") is None
    finish("one")
    put(cache, "a.yaml", 1, 2)
    cache.refreshed(changed=True)
    assert changed("two") is None
    finish("two")
    put(cache, "b.yaml", 3)
    cache.forget(cache.files_in("f")["a.yaml"].number)
    cache.refreshed(changed=True)
    assert changed("one") == {account(number) for number in (1, 2, 3)}
    assert changed("two") == {account(number) for number in (1, 2, 3)}
    finish("two")
    assert changed("two") == set()
    assert changed("one") == {account(number) for number in (1, 2, 3)}
    finish("one")
    assert changed("one") == set()
    assert cache.execute("SELECT count(*) FROM changes").fetchone() == (0,)
    # A scope that isn't planned for any more is forgotten when its changes are more than there are accounts.
    for turn in range(24):
        put(cache, "b.yaml", 3 + turn % 2)
        cache.refreshed(changed=True)
        finish("one")
        assert changed("one") == set()
    assert changed("two") is None


def test_scopes_keep_their_own_verdicts(cache):
    one, two = SettledAccounts(cache, "one"), SettledAccounts(cache, "two")
    quiet = Settled(account(1), True, "k", "2026", None, None, 2, 3, None)
    soon = quiet._replace(account_id=account(2), since=5, until=9, rest="[1]", observed_at="2025")
    never = quiet._replace(account_id=account(3), until=0, outcome="o")
    one.put([quiet, soon, never])
    two.put([quiet._replace(products=7)])
    assert tuple(one.totals()) == (2, 4, 6, "2025")
    assert tuple(two.totals()) == (1, 7, 3, "2026")
    assert [sorted(one.due(now)) for now in (4, 5, 8, 9)] == [
        [account(2), account(3)], [account(3)], [account(3)], [account(2), account(3)],
    ]  # fmt: skip
    assert two.due(9) == set()
    assert list(one.rests()) == [(account(2), "[1]")]
    assert list(one.outcomes()) == ["o"]
    one.forget(account(2))
    assert [name for name, *_ in one.known()] == [account(1), account(3)]
    one.clear()
    assert (list(one.known()), len(list(two.known()))) == ([], 1)


def test_the_mark_of_known_state_is_kept_by_scope(cache):
    assert not SettledAccounts(cache, "one").knows(None)
    SettledAccounts(cache, "one").finish(None, "d")
    assert not SettledAccounts(cache, "one").knows(None)
    SettledAccounts(cache, "one").finish("m", "d")
    assert SettledAccounts(cache, "one").knows("m")
    assert not SettledAccounts(cache, "one").knows("n")
    assert not SettledAccounts(cache, "two").knows("m")
    assert SettledAccounts(cache, "one").digest == "d"
    cache.refreshed(changed=True)
    assert SettledAccounts(cache, "one").digest is None


def test_what_is_known_of_fleets_as_a_whole_is_kept_with_the_generation_it_is_of(cache):
    one, two = FleetSummary(0, 1, 2, "x"), FleetSummary(3, 4, 5, "y")
    assert cache.summary("one") is None
    cache.keep_summary("one", FleetSummary(0, 9, 9, "z"))
    cache.keep_summary("one", one)
    cache.keep_summary("two", two)
    assert (cache.summary("one"), cache.summary("two")) == (one, two)


def test_claims_are_told_by_the_generation_in_which_they_were_put(cache):
    def claimed(**when):
        return sorted(number for numbers in cache.claim_numbers(**when) for number in numbers)

    put(cache, "a.yaml", 1)
    put(cache, "b.yaml", 2)
    cache.refreshed(changed=True)
    every, generation = claimed(), cache.generation
    put(cache, "b.yaml", 2, 3)
    cache.refreshed(changed=True)
    old, new = claimed(until=generation), claimed(after=generation)
    assert (len(every), len(old), len(new)) == (4, 2, 4)
    assert claimed() == sorted([*old, *new])
    assert cache.claim_count() == 6
    assert (claimed(after=cache.generation), claimed(until=0)) == ([], [])


@pytest.mark.parametrize("acts", [False, True])
def test_an_account_that_is_declared_as_before_isn_t_logged_unless_its_lines_are_told(cache, acts):
    def changed():
        found = SettledAccounts(cache, "one").changed()
        SettledAccounts(cache, "one").finish("m", "d")
        return found

    put(cache, "a.yaml", 1, 2, 3)
    put(cache, "z.yaml", 9)
    cache.refreshed(changed=True)
    SettledAccounts(cache, "one").finish("m", "d")
    verdict = Settled(account(2), True, "k", "2026", None, None, 1, 1, None)
    SettledAccounts(cache, "one").put([verdict._replace(outcome="o") if acts else verdict])
    told = {account(2)} if acts else set()
    for numbers, others in (
        ((3, 2, 1), set()),
        ((2, 3, 4), {account(1), account(4)}),
        # Of one that stands twice, nobody knows which it will be.
        ((2, 3, 4, 4), {account(4)}),
        ((2, 3, 4), {account(4)}),
        ((2, 2, 4), {account(2), account(3)}),
    ):
        put(cache, "a.yaml", *numbers)
        cache.refreshed(changed=True)
        assert changed() == told | others, numbers
    put(cache, "a.yaml", 2, 4, state="deactivated")
    cache.refreshed(changed=True)
    assert changed() == {account(2), account(4)}
    cache.forget(cache.files_in("f")["a.yaml"].number)
    cache.refreshed(changed=True)
    assert changed() == {account(2), account(4)}


def test_totals_are_those_of_what_is_kept(cache):
    one = SettledAccounts(cache, "one")
    quiet = Settled(account(1), True, "k", "2026", None, None, 2, 3, None)
    for change, totals in (
        (lambda _: None, (0, 0, 0, None)),
        (lambda one: one.put([quiet]), (1, 2, 3, "2026")),
        (lambda one: one.put([]), (1, 2, 3, "2026")),
        (lambda one: one.put([quiet._replace(account_id=account(2), observed_at="2025")]), (2, 4, 6, "2025")),
        (lambda one: one.forget(account(2)), (1, 2, 3, "2026")),
        (SettledAccounts.clear, (0, 0, 0, None)),
    ):
        change(one)
        assert tuple(one.totals()) == totals
        one.finish("m", "d")
        assert tuple(one.totals()) == totals
        one = SettledAccounts(cache, "one")
        assert tuple(one.totals()) == totals
