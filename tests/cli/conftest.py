"""What the tests of the command line share: a folder to work in, whose simulator store is filled."""

import shutil

import pytest
from support.commands import ROOT, call


@pytest.fixture(scope="session")
def _filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    shutil.copy(ROOT / "examples" / "known-state.json", folder)
    for command in (("state", "import", "known-state.json"), ("plan", "-o", "plan.json")):
        done = call(*command, "-e", "simulator", cwd=folder)
        assert done.code == 0, done.said
    return folder


@pytest.fixture
def folder(_filled, tmp_path):
    """A folder with manifests/, known-state.json, a filled store of the simulator and a plan.json for it."""
    return shutil.copytree(_filled, tmp_path / "here")


@pytest.fixture
def empty(tmp_path):
    """A folder with nothing in it."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"
