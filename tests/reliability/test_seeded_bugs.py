"""The bugs that `make seeded-bugs` plants can all be planted: it runs too long for every day, but must not rot."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_line_that_is_to_be_broken_is_there():
    command = [sys.executable, "tests/reliability/seeded_bugs.py", "--find"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
