"""What is said on standard error, in text and in JSON, to whom, in which colour, and that nobody can forge it."""

import json
import re

import pytest
from support.commands import call

E = ("-e", "simulator")

HOSTILE = "x\n::error file=a::forged\r\x1b[2J\u202e##[section]\u2028::stop-commands::now"


def messages(result):
    """Standard error as objects, one a line."""
    return [json.loads(line) for line in result.err.splitlines()]


# --- JSON ---


@pytest.mark.parametrize(
    "typed",
    [
        ["plan", *E, "-o", "new.json"],
        ["plan", *E, "-v"],
        ["apply", "plan.json", "-v"],
        ["apply", *E, "--dry-run"],
        ["apply", *E],
        ["apply", "plan.json", "--limit", "1"],
        ["validate"],
        ["validate", "broken"],
        ["plan", "broken", *E],
        ["plan", "-e", "stage"],
        ["plan", *E, "--config", "broken.toml"],
        ["state", "import", *E, "known-state.json"],
        ["state", "forget", *E, "50f3ac249f6aef294d000001"],
        ["plna"],
        ["plan", "--nope"],
        ["plan", *E, "--at", "yesterday"],
        ["show", "missing.json"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("place", ["before", "after", "variable"])
def test_every_line_is_an_object(folder, typed, place):
    (folder / "broken").mkdir()
    (folder / "broken" / "a.yaml").write_text("a: [\n")
    (folder / "broken.toml").write_text("nope = 1\n")
    told = ["--log-format", "json"]
    if place == "variable":
        result = call(*typed, cwd=folder, env={"RECONCILER_LOG_FORMAT": "json"})
    else:
        result = call(*(told + typed if place == "before" else typed + told), cwd=folder)
    for message in messages(result):
        assert message["level"] in ("debug", "info", "warning", "error")
        assert message["message"]
    if result.code not in (0, 3, 7):
        assert messages(result)[-1]["exit_code"] == result.code


def test_findings_are_objects_with_their_place(folder):
    (folder / "manifests" / "bad.yaml").write_text("apiVersion: payway/v1\nkind: Acount\n")
    found = messages(call("plan", *E, "--log-format", "json", cwd=folder))
    wrong = next(message for message in found if message.get("rule") == "unknown-value" or "kind" in message["message"])
    assert (wrong["level"], wrong["file"], wrong["line"]) == ("error", "manifests/bad.yaml", 2)
    assert found[-1]["exit_code"] == 3


def test_progress_is_an_object_a_step(folder):
    found = messages(call("apply", "plan.json", "--log-format", "json", cwd=folder))
    steps = [message for message in found if "step" in message]
    assert [message["step"] for message in steps] == list(range(1, 9))
    assert {message["status"] for message in steps} == {"applied"}


def test_a_bug_is_told_in_one_object(folder, monkeypatch):
    def broken(*_, **__):
        raise KeyError("::error::x\ny")

    monkeypatch.setattr("reconciler.session.Session.plan", broken)
    result = call("plan", *E, "--log-format", "json", cwd=folder)
    assert result.code == 1
    [message] = messages(result)
    assert message["exit_code"] == 1
    assert any("in broken" in line for line in message["traceback"])


# --- More and less ---


def test_quiet_leaves_documents_warnings_and_errors(folder):
    loud = call("plan", *E, "-o", "new.json", cwd=folder)
    quiet = call("plan", *E, "-o", "new.json", "-q", cwd=folder)
    assert "wrote the plan" in loud.err
    assert "wrote the plan" not in quiet.err
    assert "[window-over]" in quiet.err
    assert quiet.out
    assert "error: " in call("-q", "plan", "-e", "stage", cwd=folder).err


def test_quiet_runs_without_progress(folder):
    result = call("apply", "plan.json", "-q", cwd=folder)
    assert result.code == 0
    assert result.err == ""
    assert "exit code 0" in result.out


def test_verbose_says_which_settings_hold_and_when_a_call_is_sent(folder):
    result = call("apply", *E, "--yes", "-v", cwd=folder)
    assert "environment is simulator (flag --environment)" in result.err
    assert "state is sqlite:///.reconciler/simulator.db (default)" in result.err
    assert "sending step 1, try 1" in result.err


def test_verbose_shows_where_a_bug_is(folder, monkeypatch):
    def broken(*_, **__):
        raise KeyError(HOSTILE)

    monkeypatch.setattr("reconciler.session.Session.plan", broken)
    plain = call("plan", *E, cwd=folder)
    assert plain.code == 1
    assert "this is a bug, please report it" in plain.err
    assert "-v shows where it happened" in plain.err
    assert "Traceback" not in plain.err
    verbose = call("plan", *E, "-v", cwd=folder)
    assert "in broken" in verbose.err
    forged(plain, verbose)


# --- Colour ---


@pytest.mark.parametrize(
    ("typed", "variables", "coloured"),
    [
        ([], {}, False),
        (["--color", "always"], {}, True),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {}, False),
        ([], {"RECONCILER_COLOR": "always"}, True),
        (["--color", "never"], {"RECONCILER_COLOR": "always"}, False),
        ([], {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_is_what_was_said(folder, typed, variables, coloured):
    for command in (["plan", *E], ["plan", "-e", "stage"], ["validate"], ["explain", "plan.json"]):
        result = call(*command, *typed, cwd=folder, env=variables)
        assert ("\x1b[" in result.out + result.err) is coloured, result.said


def test_json_is_never_coloured(folder):
    result = call("plan", *E, "--format", "json", "--log-format", "json", "--color", "always", cwd=folder)
    assert "\x1b" not in result.out + result.err


# --- Strangers ---


def forged(*results):
    """Assert that no line of these gives an order to a CI runner or moves a cursor."""
    for result in results:
        for text in (result.out, result.err):
            assert not re.search(r"^\s*::[a-z]", text, re.MULTILINE), result.said
            assert "##[" not in text and "##vso[" not in text, result.said
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\u2028]", text), result.said


@pytest.fixture
def hostile(folder):
    """The folder, with a manifest whose name, owner, labels and words want to be more than text."""
    manifests = folder / "manifests"
    text = (manifests / "address-sync.yaml").read_text()
    quoted = json.dumps(HOSTILE)
    text = re.sub(r"^owner:.*$", lambda _: f"owner: {quoted}", text, flags=re.MULTILINE)
    text = re.sub(r"^labels:.*$", lambda _: f"labels: {{? {quoted} : {quoted}}}", text, flags=re.MULTILINE)
    (manifests / "address-sync.yaml").unlink()
    (manifests / "a\n::error::forged\x1b[2J##[x].yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    "typed",
    [
        ["validate"],
        ["validate", "--format", "json"],
        ["validate", "--strict", "-v"],
        ["plan", *E],
        ["plan", *E, "-v", "-o", "new.json"],
        ["plan", *E, "--log-format", "json"],
        ["apply", *E, "--dry-run"],
        ["apply", *E, "--yes"],
        ["apply", *E, "--yes", "--log-format", "json"],
        ["apply", *E],
    ],
    ids=" ".join,
)
def test_what_strangers_wrote_stays_what_it_is(hostile, typed):
    result = call(*typed, cwd=hostile)
    assert result.code in (0, 3, 9), result.said
    forged(result)


def test_a_saved_plan_and_a_run_show_strangers_words_as_words(hostile):
    # Not all that is hostile is refused: what can be planned is shown.
    name = "a\n::error::forged\x1b[2J##[x].yaml"
    manifest = hostile / "manifests" / name
    manifest.write_text(re.sub(r"^labels:.*$", "labels: {region: north}", manifest.read_text(), flags=re.MULTILINE))
    planned = call("plan", *E, "-o", "new.json", cwd=hostile)
    assert planned.code == 0, planned.said
    results = [planned]
    for command in (["show", "new.json"], ["explain", "new.json"], ["requests", "new.json"], ["apply", "new.json"]):
        results.append(call(*command, cwd=hostile))
        assert results[-1].code == 0, results[-1].said
    results.append(call("runs", "list", *E, cwd=hostile))
    run_id = results[-1].out.split()[0]
    results += [call("runs", "show", run_id, *E, cwd=hostile), call("show", run_id, *E, cwd=hostile)]
    forged(*results)


@pytest.mark.parametrize(
    "typed",
    [
        [HOSTILE],
        ["plan", *E, HOSTILE],
        ["plan", "-e", HOSTILE],
        ["plan", *E, "--accept", HOSTILE],
        ["plan", *E, "--select", HOSTILE],
        ["plan", *E, "--at", HOSTILE],
        ["plan", *E, "--config", HOSTILE],
        ["plan", *E, "--state", HOSTILE],
        ["plan", *E, "--state", f"file:{HOSTILE}"],
        ["plan", *E, "-o", f"missing/{HOSTILE}"],
        ["plan", "-e", "stage", "--base-url", HOSTILE],
        ["apply", *E, "--expect", HOSTILE],
        ["apply", *E, "--limit", HOSTILE],
        ["show", f"./{HOSTILE}"],
        ["show", HOSTILE, *E],
        ["schema", HOSTILE],
        ["unlock", HOSTILE, *E],
        ["state", "import", HOSTILE, *E],
        ["state", "show", HOSTILE, *E],
        ["runs", "show", HOSTILE, *E],
    ],
    ids=lambda typed: " ".join(typed)[:30],
)
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_is_typed_is_repeated_as_words(folder, typed, log_format):
    result = call(*typed, "--log-format", log_format, cwd=folder)
    assert result.code not in (0, 1), result.said
    forged(result)


def test_a_file_of_any_name_is_written_and_told(folder):
    result = call("plan", *E, "-o", HOSTILE.replace("/", ""), cwd=folder)
    assert result.code == 0, result.said
    forged(result)
    exported = call("state", "export", HOSTILE, *E, cwd=folder)
    assert exported.code == 0, exported.said
    forged(exported)
