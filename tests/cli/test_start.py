"""How little a command loads before it does anything: nobody waits for what isn't needed."""

import subprocess
import sys

import pytest
from support.commands import environment

HEAVY = {"httpx", "deepdiff", "jsonschema", "jinja2", "yaml", "sqlite3", "psycopg", "stamina", "distributed"}
PARSER = {"click", "rich_click", "rich"}


def loaded_by(folder, *arguments):
    """The top-level modules that are loaded once ``python ARGUMENTS`` has ended."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert lines
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


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
    loaded = loaded_by(empty, "-m", "reconciler", "validate", "one.yaml")
    assert loaded & HEAVY == {"yaml", "sqlite3"}
