"""Real processes, killed at every point of each call and at random: nothing lost, at most one call repeated a kill."""

import json
import subprocess
import sys
from pathlib import Path

from support.commands import environment
from support.killing import POINTS

ROOT = Path(__file__).parents[2]


def test_killed_runs_end_like_the_undisturbed_one():
    command = [sys.executable, "tests/reliability/kill.py", "--seeds", "1", "--random", "12"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment({"PYTHONPATH": f"tests:{ROOT}"}), capture_output=True, text=True, timeout=300
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, figures["wrong"]) == (0, 0), done.stdout + done.stderr
    assert figures["kills at points"] == 5 * len(POINTS)
    assert figures["kills at random"] >= 12
    assert (figures["lost"], figures["converged"]) == (0, figures["cases"])
    assert figures["most repeats a kill"] <= 1
