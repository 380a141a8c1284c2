"""Streams that are closed, full or no longer read, and signals: an exit code, never a traceback."""

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.commands import PATIENCE, call, ended, environment, started

from reconciler.cli.output import Output
from reconciler.state import open_store

PROGRAM = f"{sys.executable} -m reconciler"
FULL = Path("/dev/full").exists()


def shell(script, folder, **variables):
    """Run a line of bash in which ``reconciler`` is this program."""
    done = subprocess.run(
        ["bash", "-c", "set -o pipefail; reconciler() { " + PROGRAM + ' "$@"; }; ' + script],
        cwd=folder, env=environment(variables), capture_output=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert b"this is a bug" not in done.stderr, done.stderr.decode()
    assert b"Exception ignored" not in done.stderr, done.stderr.decode()
    return done


def steps_done(folder):
    url = f"sqlite:///{folder}/.reconciler/simulator.db"
    with closing(open_store(url, environment="simulator", read_only=True)) as store:
        assert store.lock() is None
        return sum(entry.status == "applied" for entry in store.entries())


# --- Nobody reads ---


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "plan --help",
        "state",
        "plan -e simulator",
        "schema plan",
        "state export -e simulator",
        "show plan.json",
    ],
)
def test_a_reader_who_has_seen_enough_is_no_failure_to_explain(folder, command):
    done = shell(f"reconciler {command} | true", folder)
    # Whether the pipe was shut in time is the system's affair.
    assert done.returncode in (0, 130)


def test_the_first_line_of_a_long_plan(folder):
    done = shell("reconciler plan -e simulator --format json | head -1", folder)
    assert done.stdout.startswith(b'{"format"')


@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 65, 200, 1000])
def test_text_is_written_as_it_is_however_many_pieces_it_has(count, capsys):
    pieces = ["" if number % 5 == 0 else f"{number}\n" for number in range(count)]
    Output().text(pieces)
    assert capsys.readouterr().out == "".join(pieces)


def test_the_first_piece_is_written_before_another_is_made_and_few_are_held(monkeypatch):
    stream, made, ahead = io.StringIO(), [], []

    def pieces():
        for number in range(1000):
            made.append(number)
            ahead.append(len(made) - stream.getvalue().count("\n"))
            yield "line\n"

    monkeypatch.setattr(sys, "stdout", stream)
    Output().text(pieces())
    assert ahead[:2] == [1, 1] and 1 < max(ahead) <= 64


def test_a_run_whose_report_nobody_reads_is_carried_out_and_ends_as_it_ended(folder):
    done = shell("reconciler apply plan.json --limit 3 | true", folder)
    assert done.returncode == 7, done.stderr
    assert steps_done(folder) == 3


def test_a_run_whose_progress_nobody_reads_is_carried_out(folder):
    done = shell("reconciler apply plan.json --rate 20 2>&1 >report.txt | true", folder)
    assert done.returncode == 0
    assert steps_done(folder) == 8


# --- Closed ---


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("plan -e simulator", 0),
        ("plan -e simulator -o new.json", 0),
        ("state export -e simulator", 0),
        ("apply plan.json", 0),
        ("apply -e simulator", 9),
        ("apply -e simulator --yes", 0),
        ("--help", 0),
        ("plna", 64),
    ],
)
def test_a_closed_stream_reads_and_takes_nothing(folder, command, code, closed):
    done = shell(f"reconciler {command} {closed}", folder)
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize(("command", "code"), [("plan - -e simulator", 0), ("show -", 3), ("apply -", 3)])
def test_a_closed_standard_input_is_an_empty_one(folder, command, code):
    assert shell(f"reconciler {command} <&-", folder).returncode == code


# --- Full ---


@pytest.mark.skipif(not FULL, reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "command", ["plan -e simulator", "plan --help", "--help", "state export -e simulator", "schema plan", "version -q"]
)
def test_a_full_disk_behind_standard_output_is_told(folder, command):
    done = shell(f"reconciler {command} >/dev/full", folder)
    assert done.returncode == 3
    assert b"No space left on device" in done.stderr


@pytest.mark.skipif(not FULL, reason="this system has no /dev/full")
def test_a_full_disk_does_not_hide_how_a_run_ended(folder):
    done = shell("reconciler apply plan.json --limit 3 >/dev/full", folder)
    assert done.returncode == 7, done.stderr
    assert b"No space left on device" in done.stderr
    assert steps_done(folder) == 3


@pytest.mark.skipif(not FULL, reason="this system has no /dev/full")
def test_messages_that_cannot_be_written_stop_nothing(folder):
    done = shell("reconciler apply plan.json 2>/dev/full", folder)
    assert done.returncode == 0
    assert steps_done(folder) == 8


# --- Other letters ---


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}, {"LC_ALL": "C"}], ids=str)
def test_a_locale_that_lacks_letters_gets_them_written_out(folder, variables):
    manifest = folder / "manifests" / "renumbering.yaml"
    manifest.write_text(manifest.read_text().replace("circulation@", "Åsa ☃ circulation@"))
    assert shell("reconciler plan -e simulator", folder, **variables).returncode == 0


# --- Pipes as files ---


def test_plans_come_from_pipes_too(folder):
    for command in (
        "reconciler show <(cat plan.json)",
        "reconciler explain - 1 <plan.json",
        "cat plan.json | reconciler apply --dry-run -",
        "reconciler apply --dry-run <(cat plan.json)",
        "reconciler apply --dry-run -e simulator --expect <(cat plan.json)",
        "reconciler state import -e simulator --force <(cat known-state.json)",
    ):
        done = shell(command, folder)
        assert done.returncode == 0, done.stderr.decode()


def test_a_plan_is_written_to_a_pipe_or_where_standard_output_leads(folder):
    done = shell("reconciler plan -q -e simulator -o /dev/stdout | head -c 20", folder)
    assert done.stdout == b'{"format": "reconcil'
    device = Path("/dev/stdout").readlink()
    assert shell("reconciler plan -q -e simulator -o /dev/stdout >out.json", folder).returncode == 0
    assert Path("/dev/stdout").readlink() == device
    assert (folder / "out.json").read_text().startswith('{"format"')


# --- Signals ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_planning_ends_it(folder, number):
    pipe = folder / "manifests.yaml"
    os.mkfifo(pipe)
    # Reading what nobody writes: a command that is busy until a signal comes.
    with started("show", "manifests.yaml", cwd=folder) as process:
        time.sleep(0.4)
        process.send_signal(number)
        done = ended(process)
    assert done.code == 130, done.said
    assert done.err == "interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_importing_gives_the_lock_back(folder, number):
    os.mkfifo(folder / "export.json")
    with started("state", "import", "-e", "simulator", "export.json", "--log-format=json", cwd=folder) as process:
        time.sleep(0.4)
        process.send_signal(number)
        done = ended(process)
    assert done.code == 130, done.said
    assert done.err == '{"level":"info","message":"interrupted"}\n'
    assert call("state", "import", "-e", "simulator", "known-state.json", cwd=folder).code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_simulator_is_ended_by_a_signal(folder, number):
    with started("simulate", "--snapshot", "known-state.json", cwd=folder) as process:
        assert "Payway is simulated" in process.stderr.readline()
        process.send_signal(number)
        assert ended(process).code == 0
