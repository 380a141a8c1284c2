"""Every journey, through the real command line: manifests and known state in, plan and calls out."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import commands
from support.journeys import Journey

HERE = Path(__file__).parent
JOURNEYS = sorted(HERE.glob("*/*.journey"))

#: Played in processes of their own, as people do; in this process, all others are ten times as fast.
IN_PROCESSES = {"plan-apply-plan", "apply-the-manifests"}


@pytest.mark.parametrize("path", JOURNEYS, ids=lambda path: path.stem)
def test_a_journey_goes_as_it_is_told(path, tmp_path):
    folder = shutil.copytree(path.parent, tmp_path / "here")
    with ExitStack() as stack:
        runner = commands.run if path.stem in IN_PROCESSES else commands.call
        Journey(folder, runner, stack).go(path)
