"""What is true of the PostgreSQL store alone: its schemas, roles, connections and failures, on a real server."""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from support import postgres
from support.commands import ROOT, call, environment

from reconciler.errors import InvalidInput, StoreFailed
from reconciler.state import open_store, open_view, postgres_migrations, postgres_server, shown
from reconciler.state.journal import verify_store
from reconciler.state.postgres_migrations import FIRST, MIGRATIONS, Migration

#: Characters that a statement, a placeholder, a literal or a terminal could trip over.
HOSTILE = "100% ? %s %(x)s \\' ''\" $1 {} ; -- /* \n\t ☃"


@pytest.fixture(scope="module")
def shared(server):
    """One database for all tests here, which have environments of their own in it."""
    return postgres.make_database(server)


@pytest.fixture(scope="module")
def names():
    return (f"e{number}" for number in itertools.count(1))


@pytest.fixture
def name(names):
    """The name of an environment that nobody else has."""
    return next(names)


@pytest.fixture
def filled(shared, name, make):
    """A store with one account and a journal entry."""
    store = opened(shared, name, create=True)
    account = make.account("a1", make.product("b1", "c1"), customer_number="123")
    with store.change() as change:
        change.put_account(account)
        change.append(make.entry("a1", known_after=account.digest()))
        change.mark_filled()
    yield store
    store.close()


def opened(url, name, **options):
    return open_store(url, environment=name, **options)


def execute(url, *statements):
    """Run statements as somebody outside the program; gives the last one's rows."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def role(url, name, *statements):
    """A new role, given rights by ``statements``; gives the database's URL for it."""
    execute(url, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'", *statements)
    return postgres.as_role(url, name, "secret")


def rights(to, environment, role):
    """The statements by which the docs give a role the rights to plan or to apply."""
    page = (ROOT / "docs" / "state.md").read_text()
    [block] = re.findall(rf"^-- to {to}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return block.replace("reconciler_stage", f"reconciler_{environment}").replace(f"reconciler_{to}", role).splitlines()


def said(error):
    """All that people may read of an error, the traceback included."""
    told = (error.message, error.hint or "", *error.details, *traceback.format_exception(error))
    return "\n".join(told)


# --- Opening ---


def test_each_environment_has_a_store_of_its_own(shared, make):
    stores = [opened(shared, name, create=True) for name in ("stage", "stage-two")]
    stores[0].acquire(make.holder())
    with stores[0].change() as change:
        change.put_account(make.account("a1"))
    assert stores[1].lock() is None
    assert list(stores[1].view().accounts()) == []
    assert stores[0].head().lineage != stores[1].head().lineage
    assert [store.head().environment for store in stores] == ["stage", "stage-two"]
    assert execute(shared, "SELECT count(*) FROM reconciler_stage.accounts, reconciler_stage_two.meta") == [(1,)]
    for store in stores:
        store.close()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_store_that_is_not_there_names_the_ways_to_get_one(shared, name, read_only):
    with pytest.raises(InvalidInput) as refused:
        opened(shared, name, read_only=read_only)
    assert "state import" in refused.value.hint
    assert "state init" in refused.value.hint
    assert execute(shared, f"SELECT 1 FROM pg_namespace WHERE nspname = 'reconciler_{name}'") == []


def test_a_server_needs_an_environment(shared):
    with pytest.raises(InvalidInput, match="for each environment"):
        opened(shared, None)


def test_creating_again_opens_what_is_there(shared, filled):
    again = opened(shared, filled.head().environment, create=True)
    assert again.head() == filled.head()
    again.close()


def test_of_several_who_make_a_store_at_once_one_does(shared, name):
    start = threading.Barrier(4)

    def make_one(_):
        start.wait(10)
        store = opened(shared, name, create=True)
        lineage = store.head().lineage
        store.close()
        return lineage

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(make_one, range(4)))) == 1


def test_a_renamed_schema_is_not_taken_for_another_environments(shared, filled, name):
    execute(shared, f"ALTER SCHEMA reconciler_{name} RENAME TO reconciler_{name}x")
    with pytest.raises(InvalidInput, match=f"'{name}', not for '{name}x'"):
        opened(shared, f"{name}x")


@pytest.mark.parametrize("create", [True, False])
def test_a_schema_of_another_program_stays_as_it_is(shared, name, create):
    execute(shared, f"CREATE SCHEMA reconciler_{name}", f"CREATE TABLE reconciler_{name}.notes (text TEXT)")
    with pytest.raises(StoreFailed, match="another program"):
        opened(shared, name, create=create)
    tables = f"SELECT tablename FROM pg_tables WHERE schemaname = 'reconciler_{name}'"
    assert execute(shared, tables) == [("notes",)]


def test_a_database_that_can_not_keep_every_text_is_refused(server):
    url = postgres.make_database(server, "ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(StoreFailed, match="not as UTF-8") as refused:
        opened(url, "stage", create=True)
    assert "createdb" in refused.value.hint
    assert execute(url, "SELECT 1 FROM pg_namespace WHERE nspname = 'reconciler_stage'") == []


def test_a_missing_driver_is_told_with_the_extra_that_brings_it(monkeypatch):
    for module in [name for name in sys.modules if name.startswith("reconciler.state.postgres")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreFailed, match="needs psycopg") as refused:
        opened("postgresql://localhost/x", "stage")
    assert "payway-reconciler[postgres]" in refused.value.hint


def test_texts_of_every_kind_come_back(filled, make):
    account = make.account("a2", customer_number=HOSTILE, synced={"address": HOSTILE})
    entry = make.entry("a2", message=HOSTILE)
    run = replace(make.run(), command=HOSTILE, stopped_by=HOSTILE)
    holder = make.holder(ci_url=HOSTILE)
    with filled.change() as change:
        change.put_account(account)
        written = change.append(entry)
        change.put_run(run)
    lock = filled.acquire(holder)
    assert filled.account(account.account_id) == account
    assert filled.last_entry() == written
    assert filled.runs() == (run,)
    assert filled.lock() == lock
    with filled.change(lock):
        pass


def test_a_number_that_no_column_can_hold_is_kept_all_the_same(filled, make):
    account = make.account("a2", customer_number="1\0\ud800")
    with filled.change() as change:
        change.put_account(account)
    assert filled.account(account.account_id) == account


def test_settings_of_the_database_make_no_difference(server, make):
    url = postgres.make_database(server, "TEMPLATE template0")
    name = postgres.name_of(url)
    for setting in (
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on",
        "synchronous_commit = off",
        "standard_conforming_strings = off",
        "search_path = 'pg_catalog'",
        "client_encoding = 'LATIN1'",
    ):
        execute(server, f"ALTER DATABASE {name} SET {setting}")
    store = opened(url, "stage", create=True)
    with store.change() as change:
        assert store._database.all("SHOW synchronous_commit") == [("on",)]
        assert store._database.all("SHOW transaction_isolation") == [("read committed",)]
        written = change.append(make.entry(message=HOSTILE))
    assert store.last_entry() == written
    store.close()


# --- Roles ---


def test_the_right_to_read_is_enough_to_plan(shared, filled, name, make):
    reader = role(shared, f"reader_{name}", *rights("plan", name, f"reader_{name}"))
    view = open_view(reader, name)
    assert [account.account_id for account in view.accounts()] == [make.id("a1")]
    assert view.account_of(make.id("c1")) == make.id("a1")
    store = opened(reader, name, read_only=True)
    assert (store.head(), store.lock(), store.runs()) == (filled.head(), None, ())
    assert store.last_entry() == filled.last_entry()
    assert verify_store(store) == ()
    with pytest.raises(StoreFailed, match="reading only"), store.change():
        pass
    store.close()
    store = opened(reader, name)
    for act in (lambda: store.acquire(make.holder()), lambda: store.change().__enter__()):
        with pytest.raises(StoreFailed, match="lacks a right") as refused:
            act()
        assert "docs/state.md" in refused.value.hint
    assert filled.lock() is None
    store.close()


@pytest.mark.parametrize("given", [0, 1])
def test_a_role_without_the_rights_is_told_which_page_lists_them(shared, filled, name, given):
    stranger = role(shared, f"stranger_{name}", *rights("plan", name, f"stranger_{name}")[:given])
    with pytest.raises(StoreFailed, match=r"lacks a right|can't see") as refused:
        opened(stranger, name, read_only=True)
    assert "docs/state.md" in refused.value.hint


def test_a_role_that_only_applies_can_not_rewrite_the_journal(shared, filled, name, make):
    writer = role(shared, f"writer_{name}", *rights("apply", name, f"writer_{name}"))
    store = opened(writer, name)
    lock = store.acquire(make.holder())
    with store.change(lock) as change:
        change.put_account(make.account("a2"))
        change.remove_account(make.id("a1"))
        change.put_run(make.run())
        change.mark_filled()
        change.append(make.entry("a2"))
    with store.change(lock) as change:
        change.put_run(make.run(status="finished"))
    store.release(lock)
    assert verify_store(store) == ()
    store.close()
    import psycopg

    for statement in ("ALTER TABLE {} DISABLE TRIGGER ALL", "UPDATE {} SET status = 'x'", "TRUNCATE {}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(writer, statement.format(f"reconciler_{name}.journal"))


def test_a_role_that_may_not_make_a_schema_can_be_given_one(shared, name):
    maker = role(shared, f"maker_{name}")
    with pytest.raises(StoreFailed, match="lacks a right"):
        opened(maker, name, create=True)
    assert execute(shared, f"SELECT 1 FROM pg_namespace WHERE nspname = 'reconciler_{name}'") == []
    execute(shared, f"CREATE SCHEMA reconciler_{name} AUTHORIZATION maker_{name}")
    with pytest.raises(InvalidInput, match="no known state"):
        opened(maker, name)
    opened(maker, name, create=True).close()
    opened(maker, name).close()


# --- Migrations ---

SECOND = Migration(2, "a note for each account", ("ALTER TABLE accounts ADD COLUMN note TEXT",))
BROKEN = Migration(2, "half of it fails", ("ALTER TABLE accounts ADD COLUMN note TEXT", "CREATE TABLE meta (x TEXT)"))


@pytest.fixture
def newer(monkeypatch):
    """A program that knows one more migration."""

    def know(*more):
        monkeypatch.setattr(postgres_migrations, "MIGRATIONS", (FIRST, *more))

    return know


def columns(url, name):
    sql = f"SELECT column_name FROM information_schema.columns WHERE table_schema = 'reconciler_{name}'"
    return {column for (column,) in execute(url, f"{sql} AND table_name = 'accounts'")}


def test_migrations_are_numbered_without_gaps():
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_a_released_migration_is_never_edited():
    # If this fails, a released migration was changed: take that back and add a new one instead.
    assert FIRST.checksum == "sha256:9db435fc7a4e3cbe7a157365e34884eb3aa52d90cceaa41ed800ae0a3a58fd64"


def test_an_older_store_is_migrated_once_whoever_comes_first(shared, filled, name, newer):
    newer(SECOND)
    before = filled.head()

    def open_one(_):
        store = opened(shared, name)
        head = store.head()
        store.close()
        return head

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(open_one, range(4))) == {before}
    assert "note" in columns(shared, name)
    assert execute(shared, f"SELECT number FROM reconciler_{name}.migrations ORDER BY number") == [(1,), (2,)]


def test_a_migration_that_fails_leaves_the_store_as_it_was(shared, filled, name, newer):
    newer(BROKEN)
    with pytest.raises(StoreFailed):
        opened(shared, name)
    assert "note" not in columns(shared, name)
    newer()
    opened(shared, name).close()


def test_reading_an_older_store_changes_nothing(shared, filled, name, newer):
    newer(SECOND)
    with pytest.raises(StoreFailed, match="older schema") as refused:
        opened(shared, name, read_only=True)
    assert "pg_dump" in refused.value.hint
    assert "note" not in columns(shared, name)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_newer_store_is_refused(shared, filled, name, newer, read_only):
    newer(SECOND)
    opened(shared, name).close()
    newer()
    with pytest.raises(StoreFailed, match=r"newer version \(schema 2, this one knows 1\)") as refused:
        opened(shared, name, read_only=read_only)
    assert "upgrade" in refused.value.hint


def test_a_store_made_by_altered_migrations_is_refused(shared, filled, name, monkeypatch):
    monkeypatch.setattr(postgres_migrations, "MIGRATIONS", (replace(FIRST, name="something else"),))
    with pytest.raises(StoreFailed, match="isn't the one that this version knows"):
        opened(shared, name)


# --- Connections ---


def backends(store):
    """The server's process for a store's connection, so that somebody can end it."""
    return store._database.all("SELECT pg_backend_pid()")[0][0]


def test_nothing_is_left_in_the_servers_session(filled, make):
    lock = filled.acquire(make.holder())
    for number in range(20):
        with filled.change(lock) as change:
            change.put_account(make.account(f"b{number}"))
        filled.account(make.id("a1"))
    filled.release(lock)
    connection = filled._database._connection
    for setting in ("search_path", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        ours, default = connection.execute(
            f"SELECT current_setting('{setting}'), reset_val FROM pg_settings WHERE name = '{setting}'".encode()
        ).fetchone()
        assert ours in (default, f"{default}"), setting
    [left] = connection.execute(
        "SELECT (SELECT count(*) FROM pg_prepared_statements) + (SELECT count(*) FROM pg_cursors) + "
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') + "
        "(SELECT count(*) FROM pg_class WHERE relpersistence = 't')"
    ).fetchone()
    assert left == 0


def test_a_connection_lost_between_changes_is_made_anew(shared, filled, make):
    lock = filled.acquire(make.holder())
    execute(shared, f"SELECT pg_terminate_backend({backends(filled)})")
    with filled.change(lock) as change:
        change.put_account(make.account("a2"))
    execute(shared, f"SELECT pg_terminate_backend({backends(filled)})")
    assert filled.account(make.id("a2")) == make.account("a2")
    execute(shared, f"SELECT pg_terminate_backend({backends(filled)})")
    filled.release(lock)
    assert filled.lock() is None


def test_a_connection_lost_in_a_change_takes_all_of_it_back(shared, filled, make):
    before = filled.head()
    with pytest.raises(StoreFailed, match=r"ended the connection|was lost") as refused, filled.change() as change:
        change.put_account(make.account("a2"))
        execute(shared, f"SELECT pg_terminate_backend({backends(filled)})")
        change.put_account(make.account("a3"))
    assert refused.value.exit_code == 74
    assert filled.head() == before
    with filled.change() as change:
        change.put_account(make.account("a2"))


def test_a_moment_that_was_lost_is_not_replaced_by_a_later_one(shared, filled, make):
    view = filled.view()
    pids = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
    for (pid,) in execute(shared, pids):
        execute(shared, f"SELECT pg_terminate_backend({pid})")
    for _ in range(2):
        with pytest.raises(StoreFailed):
            list(view.accounts())
    assert len(list(filled.view().accounts())) == 1


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_whose_answer_is_lost_is_told_as_unknown(shared, filled, name, make, arrives):
    with postgres.Wire(shared) as wire:
        store = opened(wire.url, name)
        with pytest.raises(StoreFailed, match="may have happened or not") as refused, store.change() as change:
            change.put_account(make.account("a2"))
            wire.cut_at(b"COMMIT", deliver=arrives)
        assert "journal" in refused.value.hint
        store.close()
    with filled.change():
        pass  # waits for the server to end the other one
    assert (filled.account(make.id("a2")) is not None) is arrives


def test_a_row_that_somebody_holds_stops_nobody_for_ever(shared, filled, name, make, monkeypatch):
    import psycopg

    monkeypatch.setattr(postgres_server, "LOCK_TIMEOUT", "100ms")
    store = opened(shared, name)
    with psycopg.connect(shared) as outside:
        outside.execute(f"SELECT 1 FROM reconciler_{name}.lock FOR UPDATE".encode())
        with pytest.raises(StoreFailed, match="another process has held it"), store.change():
            pass
        with pytest.raises(StoreFailed, match="another process has held it"):
            store.acquire(make.holder())
        assert store.lock() is None, "reading waits for nobody"
        outside.execute(f"LOCK TABLE reconciler_{name}.accounts".encode())
        with pytest.raises(StoreFailed, match="another process has held it"):
            store.account(make.id("a1"))
    with store.change():
        pass
    store.close()


def test_a_change_that_stands_still_is_ended_by_the_server(shared, filled, name, make, monkeypatch):
    monkeypatch.setattr(postgres_server, "IDLE_TIMEOUT", "100ms")
    store = opened(shared, name)
    with pytest.raises(StoreFailed), store.change() as change:
        change.put_account(make.account("a2"))
        threading.Event().wait(0.5)
    assert filled.account(make.id("a2")) is None
    store.close()


def test_a_failed_statement_that_somebody_swallows_is_no_change(filled, make):
    with pytest.raises(StoreFailed, match="taken back"), filled.change() as change:
        change.append(make.entry())
        with pytest.raises(StoreFailed, match="refuses a statement"):
            filled._database.all("SELECT no_such_column FROM meta")
    assert filled.last_entry().sequence == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url: postgres.as_role(url, "tester", "hushhush"),
        lambda url: postgres.as_role(postgres.in_database(url, "nowhere"), "nobody", "hushhush"),
        lambda url: "postgresql://anna:hushhush@127.0.0.1:1/x",
        lambda url: "postgresql://anna:hushhush@no..name/x",
        lambda url: "postgresql://anna@127.0.0.1:1/x?password=hushhush",
        lambda url: "postgresql://anna:hushhush%zz@127.0.0.1:1/x",
        lambda url: "postgresql://anna:hush/hushhush@127.0.0.1:1/x",
        lambda url: "postgresql://anna:hush@hushhush@127.0.0.1:1/x",
        lambda url: "postgresql://anna:hushhush?@127.0.0.1:1/x",
        lambda url: "postgresql://anna:hushhush/x",
        lambda url: "postgresql:anna:hushhush@127.0.0.1",
        lambda url: "host=127.0.0.1 password=hushhush",
    ],
)
def test_no_failure_shows_a_password(shared, spoil):
    url = spoil(shared)
    with pytest.raises((StoreFailed, InvalidInput)) as refused:
        opened(url, "stage")
    assert refused.value.hint
    assert "hushhush" not in said(refused.value)
    assert "hushhush" not in shown(url)


def test_a_stores_address_holds_no_credentials(shared, filled):
    assert filled.url == shared.partition("://")[0] + "://" + shared.rpartition("@")[2]


# --- Damage ---


@pytest.mark.parametrize("statement", ["DELETE FROM journal", "UPDATE journal SET status = 'x'", "TRUNCATE journal"])
def test_the_journal_only_grows(shared, filled, name, statement):
    import psycopg

    with pytest.raises(psycopg.errors.RaiseException, match="only grows"):
        execute(shared, f"SET search_path = reconciler_{name}", statement)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE accounts SET document = replace(document, '123', '124')", "altered outside"),
        ("DELETE FROM user_products", "index of user products"),
        ("DROP TRIGGER journal_stays ON journal; DELETE FROM journal", "journal entry 1, which changed it last"),
        ("DROP TRIGGER journal_stays ON journal; UPDATE journal SET status = 'rejected'", "entry 1 was altered"),
    ],
)
def test_what_was_altered_outside_the_program_is_found(shared, filled, name, statement, told):
    assert verify_store(filled) == ()
    execute(shared, f"SET search_path = reconciler_{name}", *statement.split("; "))
    assert told in "\n".join(verify_store(filled))


@pytest.mark.parametrize("table", ["meta", "lock"])
def test_a_row_that_is_missing_is_a_failure_not_a_crash(shared, filled, name, table):
    execute(shared, f"DELETE FROM reconciler_{name}.{table}")
    with pytest.raises(StoreFailed), filled.change() as change:
        change.mark_filled()
        filled.head()


# --- Death ---

WRITER = """
import itertools, sys
from reconciler.model import KnownAccount
from reconciler.state import open_store
from reconciler.state.store import JournalEntry
store = open_store(sys.argv[1], environment=sys.argv[2])
for number in itertools.count(store.head().serial + 1):
    with store.change() as change:
        for letter in "abc":
            account = KnownAccount(letter.rjust(24, "0"), customer_number=str(number))
            change.put_account(account)
            change.append(JournalEntry("run", "plan", number, 1, "update", account.account_id, None, None, None,
                                       "body", "applied", "now", known_after=account.digest()))
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_whole_changes_only(shared, name):
    store = opened(shared, name, create=True)
    for delay in (1, 7, 30):
        command = [sys.executable, "-c", WRITER, shared, name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            told = [int(process.stdout.readline()) for _ in range(delay)]
            process.send_signal(signal.SIGKILL)
            told += [int(line) for line in process.stdout if line.endswith("\n")]
            process.wait(30)
        with store.change():
            pass  # waits for the server to notice the death
        serial = store.head().serial
        assert {account.customer_number for account in store.view().accounts()} == {str(serial)}
        assert serial >= told[-1], "what was told as done is there"
        assert store.last_entry().sequence == 3 * serial
        assert verify_store(store) == ()
    store.close()


# --- The command line ---


def test_the_command_line_works_over_a_server(shared, tmp_path):
    export = (ROOT / "examples" / "known-state.json").read_text()
    (tmp_path / "known.json").write_text(export)
    state = {"RECONCILER_STATE": shared, "RECONCILER_ENVIRONMENT": "simulator"}
    for words, code in [
        (("plan", str(ROOT / "manifests")), 3),
        (("state", "import", "known.json"), 0),
        (("plan", str(ROOT / "manifests"), "-o", "plan.json", "--detailed-exitcode"), 2),
        (("apply", "plan.json"), 0),
        (("state", "verify"), 0),
        (("runs", "list"), 0),
        (("state", "backup", "copy.db"), 3),
    ]:
        done = call(*words, cwd=tmp_path, env=state)
        assert done.code == code, done.said
        assert postgres.password_of(shared) not in done.out + done.err


def test_a_server_that_is_away_ends_a_command_with_74(tmp_path):
    state = {"RECONCILER_STATE": "postgresql://anna:hushhush@127.0.0.1:1/x"}
    done = call("plan", "-e", "stage", str(ROOT / "manifests"), cwd=tmp_path, env=state)
    assert done.code == 74, done.said
    assert "hushhush" not in done.said
    assert "can't be reached" in done.err


# --- The server itself ---


def test_ci_fails_where_others_skip(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        postgres.give_up("no server")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception):
        postgres.give_up("no server")


def test_the_server_for_tests_ends_with_its_command():
    script = 'psql() { :; }; printf "%s" "$RECONCILER_TEST_POSTGRES"; exit 7'
    done = subprocess.run(
        ["bash", ".ci/postgres", "bash", "-c", script],
        cwd=ROOT,
        env=environment() | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "isn't installed" in done.stdout:
        pytest.skip(done.stdout)
    assert (done.returncode, done.stderr) == (7, "")
    with pytest.raises(StoreFailed, match="can't be reached"):
        opened(done.stdout, "stage")
