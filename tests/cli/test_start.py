"""How little a command loads before it does anything: nobody waits for what isn't needed."""

import sqlite3
import subprocess
import sys
from importlib.util import find_spec

import pytest
from support.commands import call, environment
from support.largefleet import LargeFleet

from reconciler.manifests import loading

HEAVY = {"httpx", "deepdiff", "jsonschema", "jinja2", "yaml", "sqlite3", "psycopg", "stamina", "distributed"}
PARSER = {"click", "rich_click", "rich"}


def loaded_by(folder, *arguments):
    """The top-level modules that are loaded once ``python ARGUMENTS`` has ended."""
    return {name.partition(".")[0] for name in modules_of(folder, *arguments)}


def modules_of(folder, *arguments):
    """All of them, by their whole names."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert lines
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import reconciler.cli"],
        ["-m", "reconciler"],
        ["-m", "reconciler", "--help"],
        ["-m", "reconciler", "-h"],
        ["-m", "reconciler", "--version"],
        ["-m", "reconciler", "version"],
    ],
    ids=" ".join,
)
def test_help_and_version_load_no_parser(empty, arguments):
    assert loaded_by(empty, *arguments) & (HEAVY | PARSER) == set()


@pytest.mark.parametrize("arguments", ["plan --help", "apply --help", "state import --help", "plna", "-q version"])
def test_a_line_is_understood_before_anything_heavy_is_loaded(empty, arguments):
    loaded = loaded_by(empty, "-m", "reconciler", *arguments.split())
    assert loaded & HEAVY == set()
    assert "click" in loaded


@pytest.mark.parametrize("arguments", ["completion bash", "completion fish"])
def test_completion_loads_nothing_heavy(empty, arguments):
    assert loaded_by(empty, "-m", "reconciler", *arguments.split()) & HEAVY == set()


def test_a_good_file_is_validated_without_what_only_plans_and_bad_files_need(empty):
    (empty / "one.yaml").write_text(
        "apiVersion: payway/v1\nkind: Account\naccount_id: 52a781d6400e06897c00000f\nuser_products:\n"
        "  - product_id: 56e1741a6fc9365306000002\n    state: activated\n    valid_to: 2040-01-01 00:00 +0100\n"
    )
    loaded = modules_of(empty, "-m", "reconciler", "validate", "one.yaml")
    assert {name.partition(".")[0] for name in loaded} & HEAVY == {"yaml", "sqlite3"}
    # Schemas lie beside the modules: to look for them another way takes longer than to read them.
    assert "reconciler.schemafiles" in loaded
    assert "importlib.resources" not in loaded


def test_a_sound_settings_file_is_read_without_what_only_says_what_is_wrong(empty):
    settings = empty / "reconciler.toml"
    settings.write_text(
        'max_plan_age = "12h"\n[apply]\ncall_deadline = 20\n[environments.stage.guards]\nrevoked = "5%"\n'
    )
    assert loaded_by(empty, "-m", "reconciler", "config", "show", "-e", "stage") & HEAVY == set()
    settings.write_text('max_plan_age = "soon"\n')
    assert "jsonschema" in loaded_by(empty, "-m", "reconciler", "config", "show", "-e", "stage")


#: What only reading manifests, asking the planner and starting processes need.
ONLY_CHANGES = {
    "reconciler.fleetjudge", "reconciler.fleetaccounts", "reconciler.planning.accounts", "reconciler.planning.drafting",
    "reconciler.manifests.rows", "reconciler.manifests.declaration", "reconciler.predicates", "reconciler.validation",
    "reconciler.processes", "reconciler.verdicts", "multiprocessing", "subprocess", "logging",
}  # fmt: skip


def test_a_plan_without_changes_loads_only_what_it_needs(tmp_path, monkeypatch):
    fleet = LargeFleet(tmp_path)
    fleet.know(serial=1, missing=0)
    assert call("state", "import", "-e", "stage", "known.json", cwd=tmp_path).code == 0
    monkeypatch.setattr(loading, "_RACY", -(10**12))
    plan = ("plan", "-e", "stage", "-o", "plan.json")
    assert call(*plan, cwd=tmp_path).code == 0
    # As if they had been read long after they were written.
    with sqlite3.connect(fleet.cache) as cache:
        cache.execute("UPDATE files SET read_at = read_at + 3600000000000")
    first, second = (modules_of(tmp_path, "-m", "reconciler", *plan, *more) for more in ((), ("--no-cache",)))
    assert first & ONLY_CHANGES == set()
    assert {name for name in first if name.partition(".")[0] in HEAVY} <= {"sqlite3", "sqlite3.dbapi2"}
    # The names are right: but for those of many accounts and of other commands, they are needed there.
    others = {"logging", "multiprocessing", "subprocess", "reconciler.processes", "reconciler.verdicts"}
    assert ONLY_CHANGES - second <= others
    for name in others - {"logging", "multiprocessing", "subprocess"}:
        assert find_spec(name), name
