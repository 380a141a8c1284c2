"""The examples do what they say: every refusal has its story and its output, and the worked fleet passes the guards."""

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.commands import ROOT, call, run

from reconciler.operations import OPERATIONS
from reconciler.planning.guards import DEFAULTS
from reconciler.rules import BLOCKS

REFUSED = ROOT / "examples" / "refused"
STORIES = sorted(path.name for path in REFUSED.iterdir())
GUARDS, RULES = sorted(DEFAULTS), sorted(BLOCKS)


@pytest.fixture
def story(tmp_path):
    """Copies a story to where no checkout is, so that its output has no commit in it."""
    return lambda name: Path(shutil.copytree(REFUSED / name, tmp_path / name))


def command(folder):
    """The arguments of a story's command, and its exit code."""
    typed, ends = (folder / "command.txt").read_text().splitlines()
    program, *arguments = shlex.split(typed)
    assert program == "reconciler"
    return arguments, int(ends.removeprefix("exit "))


def expected(folder, name, found):
    """A file of a story, "" if it has none; ``UPDATE_GOLDEN=1`` writes what was found."""
    path = folder / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(found) if found else path.unlink(missing_ok=True)
    return path.read_text() if path.exists() else ""


def plan_of(folder, *more):
    """The plan of a story in its machine form, and the exit code."""
    arguments, _ = command(folder)
    shown = call(*arguments, "--format", "json", *more, cwd=folder)
    return json.loads(shown.out), shown.code


def test_every_block_and_every_guard_has_a_story():
    assert sorted([*RULES, *GUARDS]) == STORIES


def test_every_story_stands_in_the_readme():
    assert sorted(re.findall(r"\(refused/([\w-]+)\)", (ROOT / "examples" / "README.md").read_text())) == STORIES


@pytest.mark.parametrize("name", STORIES)
def test_a_story_gives_the_output_that_it_must_give(name, story):
    folder = story(name)
    arguments, code = command(folder)
    shown = call(*arguments, cwd=folder)
    assert shown.out == expected(REFUSED / name, "output.txt", shown.out)
    assert shown.err == expected(REFUSED / name, "stderr.txt", shown.err)
    assert shown.code == code


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_told_at_the_top_of_its_manifest(name):
    [manifest] = (REFUSED / name / "manifests").iterdir()
    schema, first, *_ = manifest.read_text().splitlines()
    place = schema.removeprefix("# yaml-language-server: $schema=")
    assert (manifest.parent / place).resolve() == ROOT / "schemas" / "account.schema.json"
    assert first.startswith("# Story: ")


def test_a_story_reads_the_same_in_a_process_of_its_own(story):
    folder = story("protected")
    arguments, code = command(folder)
    shown = run(*arguments, cwd=folder)
    assert (shown.out, shown.err, shown.code) == ((REFUSED / "protected" / "output.txt").read_text(), "", code)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_blocks_its_product_and_no_guard_minds(name, story):
    plan, code = plan_of(story(name))
    assert name in {blocked["rule"] for blocked in plan["blocked"]}
    assert plan["refusals"] == []
    assert code == 0
    blocked = {(entry["account_id"], entry["product_id"]) for entry in plan["blocked"]}
    assert not blocked & {(step["account_id"], step["product_id"]) for step in plan["steps"]}


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_refuses_by_itself_until_it_is_accepted(name, story):
    folder = story(name)
    plan, code = plan_of(folder)
    assert [(refusal["guard"], refusal["accepted"]) for refusal in plan["refusals"]] == [(name, False)]
    assert code == 5
    for other in GUARDS:
        plan, code = plan_of(folder, "--accept", other)
        assert [(refusal["guard"], refusal["accepted"]) for refusal in plan["refusals"]] == [(name, other == name)]
        assert code == (0 if other == name else 5)


def test_the_worked_fleet_needs_each_of_the_five_calls_and_passes_the_default_guards():
    shown = call("plan", "-e", "stage", "--state", "file:examples/known-state.json", "--format", "json", cwd=ROOT)
    assert shown.code == 0, shown.said
    plan = json.loads(shown.out)
    assert {step["action"] for step in plan["steps"]} == {operation.action for operation in OPERATIONS}
    assert all(plan["summary"][operation.action] for operation in OPERATIONS)
    assert (plan["refusals"], plan["blocked"]) == ([], [])


def test_every_file_of_the_worked_fleet_tells_its_story():
    for manifest in sorted((ROOT / "manifests").iterdir()):
        assert manifest.read_text().splitlines()[1].startswith("# Story: "), manifest.name
