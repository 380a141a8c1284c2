"""Slips and oddities on the command line: every one ends in plain words and the right code, none in a traceback."""

import json
import os

import pytest
from support.commands import call, run

HUGE = "9" * 5000
LONG = "x" * 300
E = ("-e", "simulator")

#: What is typed, the exit code, and what is said of it.
SLIPS = [
    # Names that are nearly right.
    (["plna"], 64, "there is no command 'plna'; did you mean 'plan'?"),
    (["zzz"], 64, "there is no command 'zzz' (see reconciler --help)"),
    (["state", "imprt"], 64, "Did you mean 'import'?"),
    (["plan", "--selct", "x"], 64, "'--select'"),
    (["plan", "-e", "prodution"], 64, "there is no environment 'prodution'; did you mean 'production'?"),
    (["plan", "-e", "Stage"], 64, "there is no environment 'Stage'; did you mean 'stage'?"),
    (["plan", *E, "--accept", "revokd"], 64, "there is no guard 'revokd'; did you mean 'revoked'?"),
    (["plan", *E, "--select", "acount=x"], 64, "--select 'acount=x' can't be used"),
    (["plan", *E, "--format", "yaml"], 64, "'yaml' isn't one of text, json, markdown, html"),
    (["validate", "--format", "githb"], 64, "did you mean 'github'?"),
    (["schema", "acount"], 64, "did you mean 'account'?"),
    (["resolve", "x", "1", "aplied"], 64, "did you mean 'applied'?"),
    # What is missing, or too much.
    (["plan"], 64, "no environment is named"),
    (["plan", "-e"], 64, "Option '-e' requires an argument"),
    (["schema"], 64, "It is one of account, known-state, plan, plan-shard, report, config"),
    (["explain"], 64, "Missing argument 'PLAN'"),
    (["version", "now"], 64, "unexpected extra argument"),
    (["apply", "plan.json", "--select", "owner=x"], 64, "--select is for planning, and this is a saved plan"),
    (["apply", "plan.json", "--accept", "revoked"], 64, "--accept is for planning"),
    (["apply", "plan.json", "--expect", "plan.json"], 64, "--expect is for planning"),
    (["--nope"], 64, "No such option '--nope'"),
    ([""], 64, "there is no command ''"),
    # Values that are empty: a variable that wasn't set.
    (["plan", "-e", ""], 64, "'--environment': it is empty"),
    (["plan", *E, ""], 64, "it is empty"),
    (["plan", *E, "--state", ""], 64, "'--state': it is empty"),
    (["--config", "", "plan", *E], 64, "'--config': it is empty"),
    (["plan", *E, "-o", ""], 64, "'--out': it is empty"),
    (["plan", *E, "--at", ""], 64, "'--at': it is empty"),
    (["plan", *E, "--select", ""], 64, "'--select': it is empty"),
    (["plan", *E, "--accept", ""], 64, "'--accept': it is empty"),
    (["plan", *E, "--base-url", ""], 64, "'--base-url': it is empty"),
    (["apply", *E, "--expect", ""], 64, "'--expect': it is empty"),
    (["apply", *E, "--report", ""], 64, "'--report': it is empty"),
    (["show", ""], 64, "it is empty"),
    (["runs", "show", "", *E], 64, "it is empty"),
    (["resume", "", *E], 64, "it is empty"),
    (["state", "import", "", *E], 64, "it is empty"),
    (["state", "show", "", *E], 64, "it is empty"),
    # Numbers, times and durations.
    (["plan", *E, "--at", "yesterday"], 64, "--at: 'yesterday' isn't a time"),
    (["plan", *E, "--at", "2026-11-24 10:00"], 64, "--at"),
    (["apply", *E, "--limit", "0"], 64, "'0' isn't a whole number from 1"),
    (["apply", *E, "--limit", HUGE], 64, "isn't a whole number"),
    (["apply", *E, "--limit", "٣"], 64, "isn't a whole number"),
    (["apply", *E, "--limit", "-1"], 64, "isn't a whole number"),
    (["apply", *E, "--max-failures", "1.5"], 64, "isn't a whole number"),
    (["apply", *E, "--rate", "nan"], 64, "isn't a number of calls a second"),
    (["apply", *E, "--rate", "inf"], 64, "isn't a number of calls a second"),
    (["apply", *E, "--rate", "0"], 64, "isn't a number of calls a second"),
    (["apply", *E, "--rate", "1e-320"], 64, "isn't a number of calls a second"),
    (["apply", *E, "--max-duration", "soon"], 64, "'soon' isn't a duration"),
    (["apply", *E, "--max-duration", HUGE], 64, "isn't a duration"),
    (["explain", "plan.json", HUGE], 64, "isn't a whole number"),
    (["explain", "plan.json", "9"], 64, "the plan has no step 9"),
    (["resolve", "x", HUGE, "applied", *E], 64, "isn't a whole number"),
    (["simulate", "--port", "65536"], 64, "isn't a whole number from 0 to 65535"),
    # Digests.
    (["apply", *E, "--expect", "sha256:abc"], 64, "--expect: sha256:abc is no digest"),
    (["apply", *E, "--expect", "sha256:" + "A" * 64], 64, "is no digest"),
    (["apply", *E, "--expect", "sha256:" + "0" * 64], 4, "the plan isn't the one that was reviewed"),
    # Files that aren't there, or aren't what they should be.
    (["plan", "manifests/", "missing/", *E], 3, "missing doesn't exist"),
    (["validate", "missing"], 3, "missing doesn't exist"),
    (["apply", "missing.json", *E], 3, "missing.json doesn't exist"),
    (["show", "missing.json"], 3, "missing.json can't be read: No such file or directory"),
    (["show", "manifests"], 3, "manifests can't be read: Is a directory"),
    (["explain", "manifests"], 3, "Is a directory"),
    (["requests", "known-state.json"], 3, "isn't a plan of this program"),
    (["show", "manifests/renumbering.yaml"], 3, "isn't a plan"),
    (["show", "dangling"], 3, "dangling can't be read: No such file or directory"),
    (["apply", *E, "--expect", "manifests"], 3, "Is a directory"),
    (["apply", *E, "--expect", "missing.json"], 3, "No such file or directory"),
    (["plan", "dangling", *E], 3, "a link to something that doesn't exist"),
    (["plan", *E, "-o", "missing/plan.json"], 3, "missing/plan.json can't be written: No such file or directory"),
    (["plan", *E, "-o", "manifests"], 3, "manifests can't be written: Is a directory"),
    (["plan", *E, "-o", "plan.json/x"], 3, "plan.json/x can't be written"),
    (["plan", *E, "-o", "-"], 64, "--out takes a file"),
    # Names longer than a file can have.
    (["plan", *E, "-o", LONG], 3, "File name too long"),
    (["plan", *E, LONG], 3, LONG),
    (["validate", LONG], 3, LONG),
    (["apply", *E, LONG], 3, LONG),
    (["apply", *E, "--expect", LONG], 3, "File name too long"),
    (["explain", LONG], 3, "File name too long"),
    (["show", LONG + ".json"], 3, "File name too long"),
    (["plan", *E, "--config", LONG], 3, LONG),
    (["plan", *E, "--state", f"sqlite:///{LONG}"], 74, "File name too long"),
    (["plan", *E, "--state", f"file:{LONG}"], 3, "File name too long"),
    (["state", "import", *E, LONG], 3, "File name too long"),
    (["state", "recover", *E, LONG], 3, "File name too long"),
    (["simulate", "--world", LONG], 3, "File name too long"),
    (["simulate", "--faults", LONG], 3, "File name too long"),
    (["apply", *E, "--dry-run", "--report", "missing/report.json"], 3, "missing/report.json can't be written"),
    (["state", "export", "missing/x.json", *E], 3, "missing/x.json can't be written"),
    (["state", "export", "manifests", *E], 3, "Is a directory"),
    (["state", "import", "missing.json", *E], 3, "missing.json: No such file or directory"),
    (["state", "import", "manifests", *E], 3, "Is a directory"),
    (["state", "import", "dangling", *E], 3, "No such file or directory"),
    (["state", "import", "plan.json", *E], 3, "isn't a form that this version reads"),
    (["state", "import", "-", *E], 3, "the snapshot is empty"),
    (["plan", *E, "--config", "missing.toml"], 3, "missing.toml: there is no such file"),
    (["plan", *E, "--config", "manifests"], 3, "manifests: there is no such file"),
    (["plan", *E, "--config", "dangling"], 3, "there is no such file"),
    (["plan", *E, "--state", "bogus"], 3, "isn't the URL of a state store"),
    (["plan", *E, "--state", "sqlite://"], 3, "doesn't name a file"),
    (["plan", *E, "--state", "sqlite:///manifests"], 74, "isn't a regular file"),
    (["plan", *E, "--state", "sqlite:///dangling"], 3, "there is no known state"),
    (["plan", *E, "--state", "file:missing"], 3, "No such file or directory"),
    (["plan", *E, "--state", "file:"], 3, ""),
    (["apply", *E, "--yes", "--state", "file:known-state.json"], 3, "can be planned from but not written"),
    (["simulate", "--world", "missing/world.jsonl"], 3, "missing/world.jsonl can't be written"),
    (["simulate", "--world", "manifests"], 3, "Is a directory"),
    (["simulate", "--request-log", "missing/log"], 3, "missing/log can't be written"),
    (["simulate", "--faults", "missing"], 3, "can't be read"),
    (["simulate", "--snapshot", "missing"], 3, "No such file or directory"),
    # Things that aren't known.
    (["runs", "show", "20261124", *E], 3, "there is no run '20261124'"),
    (["show", "20261124", *E], 3, "there is no run '20261124'"),
    (["resolve", "x", "1", "applied", *E], 3, "there is no run 'x'"),
    (["resume", *E], 3, "no run is unfinished"),
    (["abandon", *E], 3, "no run is unfinished"),
    (["unlock", "x", *E], 6, "nobody holds the lock"),
    (["state", "show", "x", *E], 3, "nothing is known of x"),
    (["state", "forget", "x", *E], 3, "nothing is known of x"),
    (["state", "list", "-e", "stage"], 3, "there is no known state"),
    (["plan", "-e", "stage", "--base-url", "http://example.com"], 64, ""),
    (["plan", "-e", "stage", "--base-url", "nonsense"], 64, ""),
    (["plan", "-e", "stage", "--base-url", "http://127.0.0.1:99999"], 64, ""),
]


@pytest.mark.parametrize(("typed", "code", "said"), SLIPS, ids=lambda value: str(value)[:70])
def test_slips_end_in_plain_words(folder, typed, code, said):
    (folder / "dangling").symlink_to("nowhere")
    result = call(*typed, cwd=folder)
    assert result.code == code, result.said
    assert said in result.err
    assert "error: " in result.err
    assert "Traceback" not in result.err and "this is a bug" not in result.err
    assert not (folder / "nowhere").exists()


@pytest.mark.parametrize(
    "typed",
    [
        [b"pl\xffan"],
        [b"plan", b"-e", b"\xff"],
        [b"plan", b"-e", b"simulator", b"\xff"],
        [b"plan", b"-e", b"simulator", b"--config", b"\xff"],
        [b"plan", b"-e", b"simulator", b"--state", b"sqlite:///\xff.db"],
        [b"plan", b"-e", b"simulator", b"--select", b"\xff"],
        [b"plan", b"-e", b"simulator", b"--at", b"\xff"],
        [b"schema", b"\xff"],
        [b"show", b"\xff.json"],
        [b"state", b"import", b"-e", b"simulator", b"\xff"],
        [b"state", b"show", b"-e", b"simulator", b"\xff"],
        [b"runs", b"show", b"-e", b"simulator", b"\xff"],
    ],
    ids=repr,
)
def test_bytes_that_are_no_text_are_refused_in_text(folder, typed):
    result = call(*map(os.fsdecode, typed), cwd=folder)
    assert result.code in (3, 64), result.said
    assert "error: " in result.err
    assert "this is a bug" not in result.err


def test_a_user_or_a_file_whose_name_is_no_text_can_still_plan_and_apply(folder):
    name = os.fsdecode(b"pl\xe5n \n::error::.json")
    planned = run("plan", "-e", "simulator", "-o", name, cwd=folder)
    assert planned.code == 0, planned.said
    applied = run("apply", name, cwd=folder, env={"LOGNAME": os.fsdecode(b"\xe5sa")})
    assert applied.code == 0, applied.said
    shown = call("runs", "list", "-e", "simulator", cwd=folder)
    assert r"\udce5sa" in shown.out
    for line in (planned.out + planned.err + applied.out + applied.err).splitlines():
        assert not line.startswith("::")


@pytest.mark.parametrize(
    "name", ["with space.yaml", "with\nline.yaml", "häßlich ☃.yaml", "-leading.yaml", "a'b\"c$(d).yaml"]
)
def test_manifests_may_be_called_anything(folder, name):
    text = (folder / "manifests" / "renumbering.yaml").read_text()
    manifests = folder / "other"
    manifests.mkdir()
    (manifests / name).write_text(text)
    for path in ("other", f"other/{name}"):
        result = call("plan", "-e", "simulator", path, cwd=folder)
        assert result.code == 0, result.said
        assert "subscription_number" in result.out


def test_a_path_that_begins_with_a_dash_comes_behind_two(folder):
    (folder / "-x").mkdir()
    assert call("plan", "-e", "simulator", "--", "-x", cwd=folder).code == 3
    assert call("plan", "-e", "simulator", "-x", cwd=folder).code == 64


def test_a_working_folder_that_was_deleted_is_no_bug(folder, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    # The shell goes there, takes it away and stays.
    import subprocess
    import sys

    from support.commands import environment

    script = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m reconciler plan -e simulator {folder}/manifests"
    done = subprocess.run(
        ["sh", "-c", script + f" --state sqlite:///{folder}/.reconciler/simulator.db"],
        env=environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "this is a bug" not in done.stderr, done.stderr
    assert done.returncode in (0, 3), done.stderr


# --- Where a mistake would cost most ---


def test_a_reader_is_told_how_to_begin(folder):
    for command in (("plan",), ("apply", "--yes"), ("apply", "--dry-run"), ("state", "export"), ("state", "verify")):
        result = call(*command, "-e", "stage", cwd=folder)
        assert result.code == 3, result.said
        assert "reconciler state import" in result.err
        assert "reconciler state init" in result.err
    assert not (folder / ".reconciler" / "stage.db").exists()


def test_a_store_that_was_never_filled_is_as_good_as_none(folder):
    snapshot = (folder / "known-state.json").read_text()
    (folder / "broken.json").write_text(snapshot.replace('"reconciler.known-state/v1"', '"other/v9"'))
    assert call("state", "import", "-e", "stage", "broken.json", cwd=folder).code == 3
    result = call("plan", "-e", "stage", cwd=folder)
    assert result.code == 3
    assert "reconciler state init" in result.err


def test_state_import_makes_the_store(empty, folder):
    made = call("state", "import", "-e", "stage", str(folder / "known-state.json"), cwd=empty)
    assert made.code == 0, made.said
    assert (empty / ".reconciler" / "stage.db").is_file()
    assert call("plan", "-e", "stage", str(folder / "manifests"), cwd=empty).code == 0


def test_state_init_makes_an_empty_store_once(empty, folder):
    assert call("state", "init", "-e", "stage", cwd=empty).code == 0
    # Everything is adopted then, which a guard refuses.
    assert call("plan", "-e", "stage", str(folder / "manifests"), cwd=empty).code == 5
    again = call("state", "init", "-e", "stage", cwd=empty)
    assert again.code == 3
    assert "is there already" in again.err


@pytest.mark.parametrize("value", ["true", "1", "TRUE", "yes"])
def test_ci_keeps_no_journal_on_the_runners_disk(folder, value):
    for what in (["-e", "simulator", "--yes"], ["plan.json"]):
        refused = call("apply", *what, cwd=folder, env={"CI": value})
        assert refused.code == 5, refused.said
        assert "--state URL" in refused.err
        # Before anything is planned.
        assert refused.out == ""
    rehearsed = call("apply", "plan.json", "--dry-run", cwd=folder, env={"CI": value})
    assert rehearsed.code == 0, rehearsed.said
    named = "--state=sqlite:///.reconciler/simulator.db"
    assert call("apply", "plan.json", named, cwd=folder, env={"CI": value}).code == 0


@pytest.mark.parametrize("value", ["", "0", "false", "False"])
def test_without_ci_the_default_store_will_do(folder, value):
    assert call("apply", "plan.json", "--limit", "1", cwd=folder, env={"CI": value}).code == 7


def test_nobody_is_asked_about_a_run_that_could_not_begin(folder):
    assert call("apply", "plan.json", "--limit", "1", cwd=folder).code == 7
    refused = call("apply", "-e", "simulator", cwd=folder)
    assert refused.code == 6, refused.said
    assert "reconciler resume -e simulator" in refused.err
    assert "reconciler abandon -e simulator" in refused.err
    assert refused.out == ""


def test_an_unapproved_plan_is_shown_all_the_same(folder):
    refused = call("apply", "-e", "simulator", cwd=folder)
    assert refused.code == 9
    assert "Plan for simulator" in refused.out
    assert "nobody can be asked here" in refused.err
    assert call("runs", "list", "-e", "simulator", "--format", "json", cwd=folder).out == ""


def test_a_selection_of_nothing_is_told(folder):
    result = call("plan", "-e", "simulator", "--select", "owner=nobody", cwd=folder)
    assert result.code == 0
    assert "warning: --select owner=nobody takes in no account" in result.err


def test_a_snapshot_is_enough_for_a_rehearsal(folder):
    result = call("apply", "-e", "simulator", "--dry-run", "--state", "file:known-state.json", cwd=folder)
    assert result.code == 0, result.said
    assert "accepted by the simulator" in result.out
    exported = call("state", "export", "-e", "simulator", "export.json", cwd=folder)
    assert exported.code == 0, exported.said
    again = call("apply", "plan.json", "--dry-run", "--state", "file:export.json", cwd=folder)
    assert again.code == 0, again.said


def test_a_reviewed_plan_names_the_environment_as_a_saved_one_does(folder):
    for typed in (["plan.json"], ["--expect", "plan.json"]):
        result = call("apply", *typed, "--dry-run", cwd=folder)
        assert result.code == 0, result.said
        foreign = call("apply", *typed, "--dry-run", "-e", "stage", "--state=file:known-state.json", cwd=folder)
        assert foreign.code == 4, foreign.said
    digest = json.loads((folder / "plan.json").read_text())["steps_digest"]
    assert call("apply", "--expect", digest, "--dry-run", cwd=folder).code == 64
    assert call("apply", "--expect", digest, "--dry-run", "-e", "simulator", cwd=folder).code == 0


def test_accounts_are_listed_in_columns(folder):
    lines = call("state", "list", "-e", "simulator", cwd=folder).out.splitlines()
    assert len({line.index("product") for line in lines}) == 1
    assert len({line.index("2026-") for line in lines}) == 1
