"""``doctor`` tells each thing that is wrong, how to mend it, and nothing secret; it changes nothing."""

import hashlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from support import postgres
from support.commands import call

from reconciler import doctor as examined
from reconciler import session as sessions
from reconciler.manifests import documents

TOKEN = "t0ken-that-nobody-may-see"

NAMES = ["program", "schemas", "settings", "environment", "manifests", "store", "lock", "clock", "host", "credentials"]


@pytest.fixture
def sound(tmp_path):
    """A folder in which nothing is wrong, for the simulator."""
    folder = tmp_path / "sound"
    assert call("-q", "init", str(folder), cwd=tmp_path).code == 0
    return folder


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """No test asks a name server of the world."""
    asked = socket.getaddrinfo

    def look(name, *args, **more):
        if name in ("127.0.0.1", "localhost"):
            return asked(name, *args, **more)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look)


def checks(folder, *args, code=0, environment="simulator", **more):
    """What ``doctor`` finds, by name, after its exit code was looked at."""
    named = ("-e", environment) if environment else ()
    done = call("doctor", "--format", "json", *named, *args, cwd=folder, **more)
    assert done.code == code, done.said
    data = json.loads(done.out)
    assert data["exit_code"] == code
    return {check["name"]: check for check in data["checks"]}


def settings(folder, text):
    (folder / "reconciler.toml").write_text(text)


# --- Nothing wrong ---


def test_where_nothing_is_wrong(sound):
    done = call("doctor", "-e", "simulator", cwd=sound)
    assert done.code == 0, done.said
    assert [line.split()[2] for line in done.out.splitlines() if line.startswith("✓ ok ")] == NAMES
    assert done.out.endswith("\n0 problems, 0 warnings\n")
    assert max(map(len, done.out.splitlines())) <= 80


def test_it_changes_nothing(sound):
    def state():
        found = sorted(path for path in sound.rglob("*") if path.is_file())
        return [(path, path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()) for path in found]

    before = state()
    for name in ("simulator", "stage"):
        call("doctor", "-e", name, cwd=sound)
    assert state() == before


def test_without_an_environment_it_looks_at_the_rest(sound):
    found = checks(sound, environment=None)
    assert list(found) == [*NAMES[:3], "manifests", "environment"]
    assert found["environment"]["status"] == "warning"
    assert "-e stage" in found["environment"]["mend"]


def test_the_store_is_told_with_all_that_names_it(sound):
    head = json.loads(call("state", "export", "-e", "simulator", cwd=sound).out)
    message = checks(sound)["store"]["message"]
    assert f"environment simulator, lineage {head['lineage']}, serial {head['serial']}, version" in message
    assert message.endswith("it can be read and written")


def test_an_environment_that_there_isnt_is_a_slip_of_the_finger(sound):
    done = call("doctor", "-e", "stgae", cwd=sound)
    assert done.code == 64
    assert "did you mean 'stage'" in done.err


# --- The program ---


def test_a_parser_that_is_slow(sound, monkeypatch):
    monkeypatch.setattr(documents, "has_fast_parser", lambda: False)
    found = checks(sound)["program"]
    assert found["status"] == "warning"
    assert "PyYAML" in found["mend"]


def test_schemas_that_are_broken(sound, monkeypatch):
    from reconciler import schemafiles

    monkeypatch.setattr(schemafiles, "load_schema", lambda name: json.loads("{"))
    found = checks(sound, code=3)["schemas"]
    assert found["status"] == "problem"
    assert "install payway-reconciler again" in found["mend"]


def test_the_schema_of_another_version_beside_the_manifests(sound):
    path = sound / "schemas/account.schema.json"
    path.write_text(path.read_text().replace("Account", "Konto"))
    found = checks(sound)["schemas"]
    assert found["status"] == "warning"
    done = call("schema", "account", cwd=sound)
    assert found["mend"] == "reconciler schema account > schemas/account.schema.json"
    path.write_text(done.out)
    assert checks(sound)["schemas"]["status"] == "ok"


# --- Settings and manifests ---


def test_settings_with_unknown_keys(sound):
    settings(sound, "manifest = ['x']\n[guards]\nrevokd = 1\n")
    found = checks(sound, code=3)
    assert found["settings"]["status"] == "problem"
    assert len(found["settings"]["details"]) == 2
    assert found["settings"]["details"][0].startswith("reconciler.toml:1:1: ")
    assert "store" not in found


def test_settings_that_are_no_toml_and_no_environment(sound):
    settings(sound, "[[[")
    assert checks(sound, environment=None, code=3)["settings"]["status"] == "problem"


def test_no_settings_at_all(sound):
    (sound / "reconciler.toml").unlink()
    assert "the defaults hold" in checks(sound)["settings"]["message"]


def test_no_manifests(sound):
    (sound / "manifests/example.yaml").unlink()
    assert checks(sound, code=3)["manifests"]["status"] == "problem"


def test_manifests_with_errors(sound):
    (sound / "manifests/example.yaml").write_text("kind: Account\n")
    found = checks(sound, code=3)["manifests"]
    assert found["status"] == "problem"
    assert found["mend"] == "reconciler validate shows them"


def test_manifests_with_warnings(sound):
    path = sound / "manifests/example.yaml"
    path.write_text(path.read_text().replace("    valid_to: 2042-01-01 00:00 +0100\n", ""))
    assert checks(sound)["manifests"]["status"] == "warning"


# --- The store ---


def test_no_store(sound):
    found = checks(sound, "--state=sqlite:///nowhere.db", code=3)
    assert found["store"]["status"] == "problem"
    assert "state import" in found["store"]["mend"]
    assert not (sound / "nowhere.db").exists()


def test_a_store_that_was_never_filled(sound):
    state = "--state=sqlite:///new.db"
    call("state", "init", "-e", "simulator", state, cwd=sound)
    with sqlite3.connect(sound / "new.db") as database:
        database.execute("UPDATE meta SET filled = 0")
    database.close()
    found = checks(sound, state, code=3)["store"]
    assert "never filled" in found["message"]
    assert "state import -e simulator" in found["mend"]


def test_a_store_of_another_environment(sound):
    found = checks(sound, "--state=sqlite:///.reconciler/simulator.db", environment="stage", code=69)["store"]
    assert "is for the environment 'simulator'" in found["message"]


def test_a_store_that_is_no_store(sound):
    (sound / ".reconciler/simulator.db").write_text("a note to myself, which is no database at all")
    found = checks(sound, code=74)["store"]
    assert found["status"] == "problem"
    assert found["mend"]


def test_a_store_that_can_only_be_read(sound, monkeypatch):
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and allowed(path, mode))
    found = checks(sound)["store"]
    assert found["status"] == "warning"
    assert "can be read, not written: we may not write to .reconciler/simulator.db" in found["message"]


def test_a_store_that_any_command_would_refuse_tells_no_password(sound):
    state = "--state=postgresql://me:s3cret@127.0.0.1:1/nowhere"
    done = call("doctor", "-e", "simulator", state, cwd=sound)
    assert done.code == 74, done.said
    assert "s3cret" not in done.out + done.err


def test_a_snapshot_can_only_be_planned_from(sound):
    found = checks(sound, "--state=file:examples/known-state.json")
    assert found["store"]["status"] == "ok"
    assert "can't be written" in found["store"]["message"]
    assert checks(sound, "--state=file:nowhere.json", code=3)["store"]["status"] == "problem"


def test_an_unfinished_run(sound):
    limited = call("apply", "-e", "simulator", "--yes", "--limit", "1", cwd=sound)
    assert limited.code != 0
    found = checks(sound)["run"]
    assert found["status"] == "warning"
    assert "reconciler resume -e simulator" in found["mend"]


HOLD = """
import os, sys
from reconciler.state import open_store
from reconciler.state.store import Holder
import socket
store = open_store("sqlite:///.reconciler/simulator.db", environment="simulator")
store.acquire(Holder("lock-7", "anna", socket.gethostname(), os.getpid(), "apply", "2026-01-01T00:00:00Z"))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
def test_a_lock_and_whether_its_holder_is_gone(sound, gone):
    from support.commands import environment

    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=sound,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        if gone:
            holder.send_signal(signal.SIGKILL)
            holder.wait(timeout=30)
        found = checks(sound)["lock"]
        assert found["status"] == "warning"
        assert "locked by anna on" in found["message"]
        assert "reconciler unlock lock-7" in found["mend"]
        assert ("isn't running" in found["mend"]) is gone
        holder.stdin.close()


@pytest.mark.parametrize("value", ["true", "1"])
def test_a_journal_on_the_disk_of_a_runner(sound, value):
    found = checks(sound, env={"CI": value})["CI"]
    assert found["status"] == "warning"
    assert "--state URL" in found["mend"]
    named = checks(sound, "--state=sqlite:///.reconciler/simulator.db", env={"CI": value})
    assert "CI" not in named


# --- The clock ---


@pytest.mark.parametrize(
    ("behind", "status", "code"),
    [
        (timedelta(seconds=-3600), "ok", 0),
        (timedelta(seconds=30), "ok", 0),
        (timedelta(minutes=5), "warning", 0),
        (timedelta(hours=5), "problem", 3),
    ],
)
def test_a_clock_behind_the_journal(sound, monkeypatch, behind, status, code):
    assert call("apply", "-e", "simulator", "--yes", cwd=sound).code == 0
    now = datetime.now(UTC) - behind
    monkeypatch.setattr(sessions, "system_clock", lambda: now)
    found = checks(sound, code=code)["clock"]
    assert found["status"] == status
    if status != "ok":
        assert "the journal ends at" in found["message"]
        assert "NTP" in found["mend"]


@pytest.fixture(scope="module")
def database():
    with postgres.server() as url:
        yield postgres.make_database(url)


@pytest.mark.parametrize(
    ("away", "status", "code"),
    [
        (timedelta(0), "ok", 0),
        (timedelta(minutes=-5), "warning", 0),
        (timedelta(minutes=5), "warning", 0),
        (timedelta(days=-1), "problem", 3),
        (timedelta(days=1), "problem", 3),
    ],
)
def test_a_clock_away_from_the_servers(sound, database, monkeypatch, away, status, code):
    state = f"--state={database}"
    if "no known state" in call("state", "list", "-e", "simulator", state, cwd=sound).err:
        assert call("state", "import", "-e", "simulator", state, "examples/known-state.json", cwd=sound).code == 0
    now = datetime.now(UTC) + away
    monkeypatch.setattr(sessions, "system_clock", lambda: now)
    found = checks(sound, state, code=code)
    assert found["clock"]["status"] == status
    assert found["store"]["status"] == "ok"
    if status != "ok":
        assert "the store's server says" in found["clock"]["message"]


def test_a_role_that_may_only_read(sound, database):
    import psycopg

    state = f"--state={database}"
    if "no known state" in call("state", "list", "-e", "simulator", state, cwd=sound).err:
        assert call("state", "import", "-e", "simulator", state, "examples/known-state.json", cwd=sound).code == 0
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in (
            "CREATE ROLE doctors_reader LOGIN PASSWORD 'secret'",
            "GRANT USAGE ON SCHEMA reconciler_simulator TO doctors_reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA reconciler_simulator TO doctors_reader",
        ):
            connection.execute(statement)
    found = checks(sound, f"--state={postgres.as_role(database, 'doctors_reader', 'secret')}")["store"]
    assert found["status"] == "warning"
    assert found["message"].endswith("it can be read, not written: the role may only read")


# --- The host ---


def test_a_host_that_is_found_and_not_called(sound):
    settings(sound, "[environments.north]\nbase_url = 'http://127.0.0.1:1'\n")
    call("state", "init", "-e", "north", cwd=sound)
    found = checks(sound, environment="north", env={"PAYWAY_TOKEN": TOKEN})
    assert found["host"]["message"] == "127.0.0.1 is 127.0.0.1; no connection was made"


def test_a_host_whose_name_nobody_knows(sound):
    found = checks(sound, environment="stage", env={"PAYWAY_TOKEN": TOKEN}, code=69)["host"]
    assert found["message"] == "payway-api.stage.adeprimo.se can't be looked up: Name or service not known"
    assert "base_url" in found["mend"]


def test_a_resolver_that_doesnt_answer(sound, monkeypatch):
    never = threading.Event()

    def waiting(*_, **__):
        never.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", waiting)
    monkeypatch.setattr(examined, "PATIENCE", 0.1)
    found = checks(sound, environment="stage", env={"PAYWAY_TOKEN": TOKEN}, code=69)["host"]
    never.set()
    assert "no answer within 0.1 s" in found["message"]


def test_behind_a_proxy_its_name_counts(sound, monkeypatch):
    asked = []

    def known(name, port, **_):
        asked.append((name, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", port))]

    monkeypatch.setattr(socket, "getaddrinfo", known)
    settings(sound, "[payway]\nproxy = 'http://proxy.example.com:3128'\n")
    call("state", "init", "-e", "stage", cwd=sound)
    found = checks(sound, environment="stage", env={"PAYWAY_TOKEN": TOKEN})["host"]
    assert found["message"].startswith("the proxy's name proxy.example.com is 192.0.2.7")
    assert asked == [("proxy.example.com", 3128)]


# --- Credentials ---


@pytest.fixture
def loopback(sound):
    """Runs ``doctor`` for an environment on loopback whose table ends in the given lines."""

    def look(text="", **more):
        settings(sound, f"[environments.north]\nbase_url = 'http://127.0.0.1:1'\n{text}\n")
        if not (sound / ".reconciler/north.db").exists():
            call("state", "init", "-e", "north", cwd=sound)
        return checks(sound, environment="north", **more)["credentials"]

    look.folder = sound
    return look


def test_no_credentials(loopback):
    found = loopback(code=69)
    assert found["status"] == "problem"
    assert "PAYWAY_TOKEN_NORTH" in found["mend"]


def test_half_a_pair_of_credentials(loopback):
    assert "PAYWAY_CLIENT_SECRET isn't" in loopback(env={"PAYWAY_CLIENT_ID": "me"}, code=69)["message"]


@pytest.mark.parametrize(
    ("text", "env", "says"),
    [
        ("token = {env = 'MINE'}", {}, "the variable MINE is empty or not set"),
        ("token = {env = 'MINE'}", {"MINE": "Bearer x"}, "can't be a secret"),
        ("token = {file = 'nowhere'}", {}, "the file nowhere can't be read"),
        ("token = {command = ['no-such-program-here']}", {}, "there is no such program"),
        ("client = {id = 'me', secret = {env = 'MINE'}}", {}, "the variable MINE is empty or not set"),
    ],
)
def test_references_that_lead_nowhere(loopback, text, env, says):
    found = loopback(text, env=env, code=69)
    assert says in found["message"]


def test_what_is_there_is_named_and_not_shown(loopback):
    (loopback.folder / "token").write_text(TOKEN)
    (loopback.folder / "token").chmod(0o600)
    for text, env in (
        ("", {"PAYWAY_TOKEN": TOKEN}),
        ("token = {file = 'token'}", {}),
        ("client = {id = 'me', secret = {env = 'MINE'}}", {"MINE": TOKEN}),
    ):
        found = loopback(text, env=env)
        assert found["status"] == "ok"
        assert TOKEN not in json.dumps(found)


def test_a_secret_that_others_can_read(loopback):
    (loopback.folder / "token").write_text(TOKEN)
    (loopback.folder / "token").chmod(0o644)
    found = loopback("token = {file = 'token'}")
    assert found["status"] == "warning"
    assert "chmod 600" in found["mend"]
    assert TOKEN not in json.dumps(found)


def test_a_command_is_not_run(loopback):
    program = loopback.folder / "pass"
    program.write_text("#!/bin/sh\ntouch was-run\n")
    program.chmod(0o755)
    assert loopback(f"token = {{command = ['{program}']}}")["status"] == "ok"
    assert not (loopback.folder / "was-run").exists()


# --- The whole ---


def test_the_worst_problem_decides(sound):
    (sound / "manifests/example.yaml").unlink()
    (sound / ".reconciler/stage.db").write_text("a note to myself, which is no database at all")
    found = checks(sound, environment="stage", code=74)
    assert {name for name, check in found.items() if check["status"] == "problem"} >= {
        "manifests",
        "store",
        "credentials",
    }


def test_every_problem_and_warning_says_how_to_mend_it(sound):
    (sound / "manifests/example.yaml").write_text("kind: Account\n")
    done = call("doctor", "-e", "stage", cwd=sound)
    wrong = re.findall(r"^[✗!] ", done.out, re.MULTILINE)
    assert len(wrong) >= 3
    assert done.out.count("mend:") == len(wrong)


def test_hostile_names_stay_on_their_line(sound):
    settings(sound, 'manifests = ["x\\n✓ ok forged", "\\u001b[2Jy"]\n')
    done = call("doctor", cwd=sound)
    assert "\x1b" not in done.out
    assert not any(line.startswith("✓ ok forged") for line in done.out.splitlines())
