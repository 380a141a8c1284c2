"""A dry run is told as one, opens no socket, runs no command and leaves every byte as it was."""

import hashlib

import pytest
from support.commands import ROOT, run

#: Ends whatever would reach out: any socket, any other program.
GUARD = """
import os
import sys

FORBIDDEN = {
    "socket.__new__", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto",
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork",
}

def refuse(event, arguments):
    if event in FORBIDDEN:
        os.write(2, f"reached out: {event}".encode())
        os._exit(99)  # an exception could be caught

sys.addaudithook(refuse)
# Only the browser's driver of these tests brings trio; httpcore imports it where it is, and that runs ldconfig.
sys.modules["trio"] = None
"""


@pytest.fixture
def alone(tmp_path_factory):
    """The environment of a process that can't reach out."""
    folder = tmp_path_factory.mktemp("guard")
    (folder / "sitecustomize.py").write_text(GUARD)
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


def contents(folder):
    """What every file holds, and how it may be read."""
    return {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_guard_sees_sockets(journey, alone):
    here = journey("three-readers")
    arguments = ("apply", "-e", "stage", "--base-url", here.payway, "--yes")
    sent = run(*arguments, cwd=here.folder, env=alone | {"PAYWAY_TOKEN": "any"})
    assert (sent.code, "reached out: socket." in sent.err) == (99, True), sent.said
    assert here.calls() == []


@pytest.mark.parametrize("how", ["a saved plan", "manifests", "a reviewed digest", "a faulty one"])
@pytest.mark.parametrize("environment", ["stage", "simulator"])
def test_a_dry_run_reaches_nothing_and_changes_nothing(journey, alone, how, environment):
    here = journey("three-readers", payway=False)
    if environment == "simulator":
        here.run("state", "import", "-e", "simulator", "known-state.json")
    planned = here.run("plan", "-e", environment, "-o", "plan.json")
    assert planned.code == 0, planned.said
    arguments = {
        "a saved plan": ["plan.json"],
        "manifests": ["-e", environment],
        "a reviewed digest": ["-e", environment, "--expect", "plan.json"],
        "a faulty one": ["-e", environment, "--limit", "1"],
    }[how]
    before = contents(here.folder)
    tried = run("apply", *arguments, "--dry-run", cwd=here.folder, env=alone)
    assert contents(here.folder) == before
    faulty = how == "a faulty one"
    assert tried.code == (7 if faulty else 0), tried.said
    assert ("1 applied, 3 not reached" if faulty else "4 applied") in tried.out
    assert "nothing to Payway" in tried.out
    assert ("accepted by the simulator" in tried.out) is not faulty
    assert "reconciler resume" not in tried.out


def test_after_a_dry_run_the_plan_can_be_applied(journey):
    here = journey("three-readers")
    here.run("plan", "-e", "stage", "--base-url", here.payway, "-o", "plan.json")
    assert here.run("apply", "--base-url", here.payway, "plan.json", "--dry-run").code == 0
    assert here.calls() == []
    assert here.run("runs", "list", "-e", "stage").out == "No run has been made yet.\n"
    assert here.run("apply", "--base-url", here.payway, "plan.json", PAYWAY_TOKEN="any").code == 0
    assert len(here.calls()) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate",),
        ("plan", "-e", "stage"),
        ("plan", "-e", "stage", "--state", "file:known-state.json"),
        ("show", "plan.json"),
        ("explain", "plan.json"),
        ("requests", "plan.json"),
        ("runs", "list", "-e", "stage"),
        ("state", "list", "-e", "stage"),
        ("state", "export", "-e", "stage"),
        ("config", "show", "-e", "stage", "--origin"),
    ],
    ids=" ".join,
)
def test_what_only_reads_reaches_nothing_and_changes_nothing(journey, alone, arguments):
    here = journey("three-readers", payway=False)
    here.run("plan", "-e", "stage", "-o", "plan.json")
    before = contents(here.folder)
    read = run(*arguments, cwd=here.folder, env=alone)
    assert read.code == 0, read.said
    assert contents(here.folder) == before
