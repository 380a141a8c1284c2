"""The forge's stand-in, and a runner for single steps."""

import json
import os
import sys
from pathlib import Path

import pytest
import stamina
from forge import standin

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "reconciler"

sys.path.insert(0, str(ACTION))

from pipeline.runner import Runner  # noqa: E402


@pytest.fixture
def forge():
    with standin.standing_in() as forge:
        yield forge


@pytest.fixture(autouse=True)
def no_waiting():
    """Tries as in earnest, but nobody waits between them."""
    with stamina.set_testing(True, attempts=4):
        yield


class Step:
    """What one step gets and leaves behind."""

    def __init__(self, folder: Path, forge: standin.Forge, event: dict) -> None:
        self.folder = folder
        (folder / "event.json").write_text(json.dumps(event))
        self.environ = {
            "PATH": os.environ["PATH"],
            "GITHUB_API_URL": forge.url,
            "GITHUB_SERVER_URL": "https://forge.example",
            "GITHUB_REPOSITORY": standin.REPOSITORY,
            "GITHUB_TOKEN": standin.TOKEN,
            "GITHUB_RUN_ID": "55",
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "RUNNER_TEMP": str(folder),
            "PIPELINE_ENVIRONMENT": "stage",
        }

    def runner(self, **more: str) -> Runner:
        return Runner({**self.environ, **more})

    def outputs(self) -> dict[str, str]:
        path = self.folder / "output"
        return dict(line.split("=", 1) for line in path.read_text().splitlines()) if path.exists() else {}

    def summary(self) -> str:
        path = self.folder / "summary"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def step(tmp_path, forge):
    """Make a step for an event; by default the one of a pull request that was just pushed to."""

    def make(event: dict | None = None) -> Step:
        return Step(tmp_path, forge, event or {"action": "synchronize", "pull_request": PULL})

    return make


PULL = {"number": 7, "head": {"sha": "a" * 40, "ref": "change"}, "base": {"ref": "main"}}
