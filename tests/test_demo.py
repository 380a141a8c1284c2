"""`make run` shows the whole way: examples/demo.sh ends well and leaves nothing to do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the demo reads, with a `reconciler` command that runs this source."""
    for name in ("manifests", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name)
    command = tmp_path / "bin" / "reconciler"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(checkout, *command, **environment):
    path = os.pathsep.join([str(checkout / "bin"), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=checkout,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def keys(entries):
    return [(entry["action"], entry["account_id"], entry["product_id"]) for entry in entries]


def test_the_demo_applies_its_plans_until_nothing_is_left(checkout):
    # Settings of whoever runs it don't reach it.
    shown = run(checkout, "examples/demo.sh", RECONCILER_ENVIRONMENT="production", RECONCILER_STATE="file:nowhere")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    commands = [line.split()[1:3] for line in shown.stdout.splitlines() if line.startswith("$ reconciler ")]
    words = ("validate", "state", "plan", "apply", "plan", "apply", "plan")
    assert commands == [["reconciler", word] for word in words]

    first, second = (json.loads((checkout / ".demo" / name).read_text()) for name in ("plan.json", "rest.json"))
    assert len({step["action"] for step in first["steps"]}) == 5, "the worked example needs each of the five calls"
    assert first["deferred"]
    assert keys(second["steps"]) == keys(first["deferred"])
    assert not second["deferred"]
    again = run(
        checkout, "reconciler", "plan", "-e", "simulator", "-o", "third.json",
        "--state", "sqlite:///.demo/simulator.db",
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    third = json.loads((checkout / "third.json").read_text())
    assert not (third["steps"] or third["deferred"] or third["blocked"])


def test_the_demo_can_be_run_twice(checkout):
    for _ in range(2):
        shown = run(checkout, "examples/demo.sh")
        assert shown.returncode == 0, shown.stdout + shown.stderr
    assert {path.name for path in checkout.iterdir()} == {"bin", "manifests", "examples", ".demo"}
