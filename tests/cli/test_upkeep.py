"""The upkeep of a state store: proving it, copying it, folding in what it couldn't take."""

import json
import sqlite3

import pytest
from support.commands import ROOT, call

from reconciler.payway.simulator import Simulator

STATE = "sqlite:///state/simulator.db"
ACCOUNT = "50f3ac249f6aef294d000001"


@pytest.fixture
def at(tmp_path):
    """Runs commands in a folder whose simulator store was filled and has seen one run."""
    snapshot = ROOT / "examples" / "known-state.json"
    manifests = ROOT / "manifests"

    def command(*args, code=0, **more):
        result = call(*args, "-e", "simulator", f"--state={STATE}", cwd=tmp_path, **more)
        assert result.code == code, result.said
        return result

    command("state", "import", str(snapshot))
    command("apply", "--yes", str(manifests))
    command.folder = tmp_path
    return command


def meddle(folder, statement):
    with sqlite3.connect(folder / "state" / "simulator.db") as database:
        database.execute(statement)
    database.close()


def test_a_sound_store_is_proved(at):
    assert "16 journal entries, chain whole" in at("state", "verify").err


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE accounts SET document = replace(document, 'activated', 'frozen') WHERE account_id = '{ACCOUNT}'",
        "DROP TRIGGER IF EXISTS journal_is_never_changed",
    ],
    ids=["altered", "unguarded"],
)
def test_what_was_altered_behind_the_programs_back_is_told(at, statement):
    if statement.startswith("DROP"):
        for name in _triggers(at.folder):
            meddle(at.folder, f"DROP TRIGGER {name}")
        meddle(at.folder, "UPDATE journal SET status = 'rejected' WHERE sequence = 2")
    else:
        meddle(at.folder, statement)
    assert "isn't what its journal says" in at("state", "verify", code=74).err


def _triggers(folder):
    with sqlite3.connect(folder / "state" / "simulator.db") as database:
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    database.close()
    return [name for (name,) in found]


def test_a_backup_knows_what_the_store_knows_and_is_its_owners_alone(at):
    at("state", "backup", "copy.db")
    copy = at.folder / "copy.db"
    assert copy.stat().st_mode & 0o777 == 0o600
    ours = at("state", "export").out
    theirs = call("state", "export", "-e", "simulator", "--state=sqlite:///copy.db", cwd=at.folder).out
    assert theirs == ours


def test_a_backup_never_overwrites(at):
    (at.folder / "copy.db").write_text("mine")
    at("state", "backup", "copy.db", code=74)
    assert (at.folder / "copy.db").read_text() == "mine"


def test_an_outcome_that_the_store_could_not_take_is_folded_in_and_the_run_goes_on(at, monkeypatch):
    # The next plan has one step, the number that was deferred; its outcome meets a store that can't be written.
    answer = Simulator.send

    def break_the_store(self, request):
        done = answer(self, request)
        meddle(at.folder, "CREATE TRIGGER full BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        return done

    monkeypatch.setattr(Simulator, "send", break_the_store)
    failed = at("apply", "--yes", str(ROOT / "manifests"), code=74)
    monkeypatch.undo()
    meddle(at.folder, "DROP TRIGGER full")
    (file,) = (at.folder / "state").glob("emergency-*.json")
    assert str(file.relative_to(at.folder)) in failed.err
    assert "state recover" in failed.err
    assert json.loads(file.read_text())["status"] == "applied"

    at("state", "verify")
    recovered = at("state", "recover", str(file))
    assert "step 1" in recovered.err
    assert "applied" in recovered.err
    at("state", "recover", str(file), code=3)
    at("resume")
    assert "Calls     0" in at("plan", str(ROOT / "manifests")).out
    at("state", "verify")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run_id": "x"}', "\x00", "[" * 5000])
def test_a_file_that_is_no_outcome_is_refused(at, content):
    (at.folder / "file.json").write_text(content)
    at("state", "recover", "file.json", code=3)
    at("state", "recover", "missing.json", code=3)
