"""What journeys told in Python share: a copy of one of the folders here, with known state in its store."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.commands import call
from support.journeys import Journey


@pytest.fixture
def journey(tmp_path):
    """A function that copies a folder, starts Payway with the given options and imports what is known.

    The journey that it gives runs its commands in this process.
    """
    with ExitStack() as stack:

        def begin(folder, *options, take=(), runner=call, payway=True):
            here = Path(shutil.copytree(Path(__file__).parent / folder, tmp_path / f"{len(list(tmp_path.iterdir()))}"))
            journey = Journey(here, runner, stack)
            journey.take(*take)
            if payway:
                journey.start_payway(*options)
            imported = journey.run("state", "import", "-e", "stage", "known-state.json")
            assert imported.code == 0, imported.said
            return journey

        yield begin
