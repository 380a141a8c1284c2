"""What is true of the SQLite store alone: its file, its readers, its failures."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import InvalidInput, StoreFailed
from reconciler.state import sqlite_file
from reconciler.state.journal import verify_store
from reconciler.state.sqlite import SqliteStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file modes and signals of POSIX")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "stage.db"


def opened(path, **options):
    return SqliteStore.open(path, **{"environment": "stage", **options})


def filled(path, *accounts):
    store = opened(path, create=True)
    with store.change() as change:
        for account in accounts:
            change.put_account(account)
        change.mark_filled()
    return store


def files(path):
    """What lies in the store's folder: name, size, modification time and content of each file."""
    return {each.name: (each.stat().st_mtime_ns, each.read_bytes()) for each in sorted(path.parent.iterdir())}


def run_python(code, *arguments):
    """Start a Python process that sees the package, its standard output readable."""
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=root
    )


# --- Opening ---


@pytest.mark.parametrize("read_only", [True, False])
def test_a_store_that_is_not_there_names_the_ways_to_get_one(path, read_only):
    with pytest.raises(InvalidInput) as refused:
        opened(path, read_only=read_only)
    assert "state import" in refused.value.hint
    assert "state init" in refused.value.hint
    assert not path.parent.exists()


def test_an_empty_file_is_no_store_but_can_become_one(path):
    path.parent.mkdir()
    path.touch()
    with pytest.raises(InvalidInput, match="no known state"):
        opened(path)
    opened(path, create=True).close()
    opened(path).close()


def test_a_new_store_needs_an_environment(path):
    with pytest.raises(InvalidInput, match="needs an environment"):
        opened(path, create=True, environment=None)
    assert not path.exists()


def test_creating_again_opens_what_is_there(path, make):
    filled(path, make.account("a1")).close()
    again = opened(path, create=True)
    assert again.account(make.id("a1")) == make.account("a1")
    again.close()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_store_of_another_environment_is_refused_with_both_names(path, read_only):
    filled(path).close()
    with pytest.raises(InvalidInput, match=r"'stage'.*'production'"):
        opened(path, environment="production", read_only=read_only)
    opened(path, environment=None, read_only=read_only).close()


def test_only_the_owner_can_read_the_files(path, make):
    store = filled(path, make.account("a1"))
    names = {each.name for each in path.parent.iterdir()}
    assert names == {"stage.db", "stage.db-wal", "stage.db-shm"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    store.close()
    assert [each.name for each in path.parent.iterdir()] == ["stage.db"]


def test_every_commit_is_synced_into_a_write_ahead_log(path):
    store = filled(path)
    assert store._database.all("PRAGMA journal_mode") == [("wal",)]
    assert store._database.all("PRAGMA synchronous") == [(2,)]
    store.close()


@pytest.mark.parametrize("content", [b"hello, world\n" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_no_database_is_refused(path, content, read_only):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreFailed) as refused:
        opened(path, read_only=read_only, create=not read_only)
    assert refused.value.hint
    assert path.read_bytes() == content


@pytest.mark.parametrize("read_only", [True, False])
def test_a_database_of_another_program_stays_as_it_is(path, read_only):
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE notes (text)")
    other.commit()
    other.close()
    before = files(path)
    with pytest.raises(StoreFailed, match="another program"):
        opened(path, read_only=read_only, create=not read_only)
    assert files(path) == before


def test_a_folder_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(StoreFailed, match="regular file"):
            opened(place)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed):
        opened(tmp_path / "file" / "stage.db", create=True)


MOUNTS = r"""/dev/vda / ext4 rw 0 0
server:/srv /srv nfs4 rw 0 0
/dev/vdb /srv/anna/local xfs rw 0 0
//nas/share /mnt/with\040space cifs rw 0 0
broken
tmpfs /mnt/with\040space/ram tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/x.db", "ext4"),
        ("/srv/anna/x.db", "nfs4"),
        ("/srv/anna/local/x.db", "xfs"),
        ("/srvs/x.db", "ext4"),
        ("/mnt/with space/x.db", "cifs"),
        ("/mnt/with space/ram/x.db", "tmpfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_nearest_mount(path, kind):
    assert sqlite_file.file_system_of(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {tmp_path} nfs rw 0 0\n")
    with pytest.raises(StoreFailed, match=r"network file system \(nfs\)"):
        sqlite_file.refuse_network(tmp_path / "stage.db", mounts)
    mounts.write_text(f"/dev/vda {tmp_path} ext4 rw 0 0\n")
    sqlite_file.refuse_network(tmp_path / "stage.db", mounts)
    sqlite_file.refuse_network(tmp_path / "stage.db", tmp_path / "none")
    monkeypatch.setattr(sqlite_file, "NETWORK_FILE_SYSTEMS", {sqlite_file.file_system_of(tmp_path, "x / y z")})
    monkeypatch.setattr(sqlite_file, "file_system_of", lambda path, mounts: "y")
    with pytest.raises(StoreFailed, match="network file system"):
        opened(tmp_path / "stage.db", create=True)


# --- Reading only ---


def test_reading_makes_and_changes_no_file(path, make):
    filled(path, make.account("a1", make.product("b1", "c1"))).close()
    before = files(path)
    store = opened(path, read_only=True)
    view = store.view()
    assert list(view.accounts()) == [make.account("a1", make.product("b1", "c1"))]
    assert view.account_of(make.id("c1")) == make.id("a1")
    assert store.is_filled()
    assert (store.lock(), store.runs(), list(store.entries())) == (None, (), [])
    assert verify_store(store) == ()
    assert files(path) == before
    store.close()
    assert files(path) == before


def test_reading_beside_a_writer_sees_what_was_committed(path, make):
    code = """
import sys
from reconciler.model import KnownAccount
from reconciler.state.sqlite import SqliteStore
store = SqliteStore.open(sys.argv[1], environment="stage")
with store.change() as change:
    change.put_account(KnownAccount(sys.argv[2]))
print("written", flush=True)
with store.change() as change:
    change.put_account(KnownAccount(sys.argv[3]))
    print("writing", flush=True)
    sys.stdin.read()
"""
    filled(path, make.account("a1")).close()
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(path), make.id("a2"), make.id("a3")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as writer:
        assert writer.stdout.readline() == "written\n"
        assert writer.stdout.readline() == "writing\n"
        before = {name: content for name, (_, content) in files(path).items() if not name.endswith("-shm")}
        store = opened(path, read_only=True)
        assert list(store.view().accounts()) == [make.account("a1"), make.account("a2")]
        store.close()
        assert {n: c for n, (_, c) in files(path).items() if not n.endswith("-shm")} == before
        writer.communicate("", timeout=30)
        assert writer.returncode == 0
    store = opened(path, read_only=True)
    assert len(list(store.view().accounts())) == 3
    store.close()


def test_reading_after_a_crash_sees_what_was_committed_and_takes_nothing_over(path, make):
    crashed(path, make)
    before = {name: content for name, (_, content) in files(path).items() if not name.endswith("-shm")}
    assert set(before) == {"stage.db", "stage.db-wal"}
    store = opened(path, read_only=True)
    assert list(store.view().accounts()) == [make.account("a1")]
    store.close()
    assert {n: c for n, (_, c) in files(path).items() if not n.endswith("-shm")} == before


def test_changes_that_could_only_be_read_by_writing_are_told(path, make):
    crashed(path, make)
    path.with_name("stage.db-shm").unlink()
    before = files(path)
    with pytest.raises(StoreFailed, match="weren't taken into the file"):
        opened(path, read_only=True)
    assert files(path) == before
    opened(path).close()
    opened(path, read_only=True).close()


def crashed(path, make):
    """A store whose writer died after a change and in the middle of another."""
    code = """
import os, signal, sys
from reconciler.model import KnownAccount
from reconciler.state.sqlite import SqliteStore
store = SqliteStore.open(sys.argv[1], create=True, environment="stage")
with store.change() as change:
    change.put_account(KnownAccount(sys.argv[2]))
with store.change() as change:
    change.put_account(KnownAccount(sys.argv[3]))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with run_python(code, path, make.id("a1"), make.id("a2")) as process:
        assert process.wait(30) == -signal.SIGKILL


def test_a_file_that_changes_while_it_is_read_is_noticed(path, make):
    filled(path, make.account("a1")).close()
    reader = opened(path, read_only=True)
    view = reader.view()
    assert len(list(view.accounts())) == 1
    writer = opened(path)
    with writer.change() as change:
        change.put_account(make.account("a2"))
    writer.close()
    with pytest.raises(StoreFailed, match="changed while it was read"):
        list(view.accounts())
    with pytest.raises(StoreFailed, match="changed while it was read"):
        reader.head()
    reader.close()


def test_a_store_opened_for_reading_writes_nothing(path, make):
    filled(path).close()
    store = opened(path, read_only=True)
    with pytest.raises(StoreFailed, match="reading only"), store.change():
        pass
    with pytest.raises(StoreFailed, match="reading only"):
        store.acquire(make.holder())
    store.close()


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_enough_for_reading(path, make):
    filled(path, make.account("a1")).close()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        store = opened(path, read_only=True)
        assert list(store.view().accounts()) == [make.account("a1")]
        store.close()
    finally:
        path.parent.chmod(0o700)


# --- Failures ---


def test_a_full_disk_is_told_and_changes_nothing(path, make):
    store = filled(path, make.account("a1"))
    [(pages,)] = store._database.all("PRAGMA page_count")
    store._database.all(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFailed, match="disk is full"), store.change() as change:
        for number in range(1000):
            change.put_account(make.account(f"b{number}", customer_number="x" * 100))
    assert list(store.view().accounts()) == [make.account("a1")]
    store._database.all("PRAGMA max_page_count = 100000")
    with store.change() as change:
        change.put_account(make.account("a2"))
    store.close()


def test_a_store_that_another_process_writes_to_is_told(path, monkeypatch):
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.05)
    one = filled(path)
    two = opened(path)
    with one.change(), pytest.raises(StoreFailed, match="another process"), two.change():
        pass
    with two.change():
        pass
    one.close()
    two.close()


def test_the_journal_only_grows(path, make):
    store = filled(path)
    with store.change() as change:
        change.append(make.entry())
    store.close()
    outside = sqlite3.connect(path)
    for statement in ("DELETE FROM journal", "UPDATE journal SET status = 'rejected'"):
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            outside.execute(statement)
    outside.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE accounts SET document = replace(document, '123', '124')", "altered outside"),
        ("DELETE FROM user_products", "index of user products"),
        ("DROP TRIGGER journal_stays; DELETE FROM journal", "journal entry 1, which changed it last, is missing"),
        ("DROP TRIGGER journal_as_it_was; UPDATE journal SET status = 'rejected'", "entry 1 was altered"),
    ],
)
def test_what_was_altered_outside_the_program_is_found(path, make, statement, said):
    store = opened(path, create=True)
    account = make.account("a1", make.product("b1", "c1"), customer_number="123")
    with store.change() as change:
        change.put_account(account)
        change.append(make.entry("a1", known_after=account.digest()))
    assert verify_store(store) == ()
    store.close()
    outside = sqlite3.connect(path)
    outside.executescript(statement)
    outside.close()
    store = opened(path)
    assert said in "\n".join(verify_store(store))
    store.close()


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"account_id":"x","user_products":[{"valid_to":"never"}]}'])
def test_an_account_that_cannot_be_read_is_a_failure_not_a_crash(path, make, document):
    filled(path, make.account("a1")).close()
    outside = sqlite3.connect(path)
    outside.execute("UPDATE accounts SET document = ?", (document,))
    outside.commit()
    outside.close()
    store = opened(path)
    with pytest.raises(StoreFailed, match="can't be read"):
        store.account(make.id("a1"))
    with pytest.raises(StoreFailed, match="can't be read"):
        list(store.view().accounts())
    assert verify_store(store) == (f"account {make.id('a1')}: what is known of it was altered outside the program",)
    store.close()


def test_a_damaged_file_is_told(path, make):
    filled(path, *(make.account(f"a{number}", customer_number="x" * 100) for number in range(500))).close()
    data = bytearray(path.read_bytes())
    data[8192:-4096] = b"\xff" * len(data[8192:-4096])
    path.write_bytes(data)
    with pytest.raises(StoreFailed) as refused:
        list(opened(path, read_only=True).view().accounts())
    assert refused.value.hint


def test_a_backup_is_a_store_of_its_own(path, make):
    store = filled(path, make.account("a1"))
    with store.change() as change:
        change.append(make.entry())
    target = path.with_name("backup.db")
    store.backup(target)
    head, entries = store.head(), list(store.entries())
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(StoreFailed):
        store.backup(target)
    store.close()
    assert sorted(each.name for each in path.parent.iterdir()) == ["backup.db", "stage.db"]
    copy = opened(target, read_only=True)
    assert (copy.head(), list(copy.entries()), list(copy.view().accounts())) == (head, entries, [make.account("a1")])
    copy.close()


# --- Death and races ---


def test_a_reader_that_ends_takes_no_lock_from_a_writer_of_its_process(path, make):
    # POSIX gives up all locks of a process on a file when any descriptor of it is closed. Were that to happen here,
    # the next process to end would take itself for the last one, and remove the log that this one writes to.
    filled(path, make.account("a1")).close()
    reader = opened(path, read_only=True)
    view = reader.view()
    writer = opened(path)
    with writer.change() as change:
        change.put_account(make.account("a2"))
    reader.close()
    del view
    another = """
import sys
from reconciler.state.sqlite import SqliteStore
store = SqliteStore.open(sys.argv[1], environment="stage")
store.head()
store.close()
"""
    with run_python(another, path) as process:
        assert process.wait(30) == 0
    assert path.with_name("stage.db-wal").exists()
    with writer.change() as change:
        change.put_account(make.account("a3"))
    writer.close()
    again = opened(path)
    assert len(list(again.view().accounts())) == 3
    again.close()


WRITER = """
import itertools, sys
from reconciler.model import KnownAccount
from reconciler.state.sqlite import SqliteStore
from reconciler.state.store import JournalEntry
store = SqliteStore.open(sys.argv[1], environment="stage")
start = store.head().serial
for number in itertools.count(start + 1):
    with store.change() as change:
        for letter in "abc":
            account = KnownAccount(letter.rjust(24, "0"), customer_number=str(number))
            change.put_account(account)
            change.append(JournalEntry("run", "plan", number, 1, "update", account.account_id, None, None, None,
                                       "body", "applied", "now", known_after=account.digest()))
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_whole_changes_only(path):
    filled(path).close()
    for delay in (1, 7, 30):
        with run_python(WRITER, path) as process:
            told = [int(process.stdout.readline()) for _ in range(delay)]
            process.send_signal(signal.SIGKILL)
            told += [int(line) for line in process.stdout if line.endswith("\n")]
            process.wait(30)
        store = opened(path)
        numbers = {account.customer_number for account in store.view().accounts()}
        serial = store.head().serial
        assert numbers == {str(serial)}
        assert serial >= told[-1], "what was told as done is there"
        assert store.last_entry().sequence == 3 * serial
        assert verify_store(store) == ()
        store.close()


def test_of_two_processes_one_gets_the_lock(path):
    code = """
import sys
from reconciler.errors import Locked
from reconciler.state.sqlite import SqliteStore
from reconciler.state.store import Holder
store = SqliteStore.open(sys.argv[1], environment="stage")
print("ready", flush=True)
sys.stdin.readline()
try:
    store.acquire(Holder(sys.argv[2], "anna", "desk", 1, "apply", "2026-11-24T10:00:00Z"))
    print("mine")
except Locked:
    print("locked")
"""
    filled(path).close()
    root = Path(__file__).parents[2]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for name in ("one", "two", "three")
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    told = sorted(racer.communicate(timeout=30)[0].strip() for racer in racers)
    assert told == ["locked", "locked", "mine"]
