"""``validate`` in every format: the same findings, a document that can be read whatever happens, the same exit code."""

import json
import shutil

import pytest
from support import findings as read
from support.commands import ROOT, call

FORMATS = ("json", "github", "sarif", "gitlab", "junit")
COUNT = {
    "json": read.counted_in_json,
    "sarif": read.counted_in_sarif,
    "gitlab": read.counted_in_gitlab,
    "junit": read.counted_in_junit,
}

#: Two errors and two warnings, one of them behind letters that take two UTF-16 units each.
BROKEN = """\
apiVersion: payway/v1
kind: Account
account_id: 52a781d6400e06897c00000f
owner: no
labels: {"🎻🎻": ~}
user_products:
  - product_id: 56e1741a6fc9365306000002
    state: activated
    subscription_type: limited
    valid_from: 2016-10-02 13:00
"""


@pytest.fixture
def checkout(tmp_path):
    """A repository whose fleet lies in a folder of its own; the command runs there."""
    fleet = tmp_path / "fleets" / "north"
    (tmp_path / ".git").mkdir()
    (fleet / "manifests").mkdir(parents=True)
    (fleet / "manifests" / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    return fleet


def told(form, result):
    return COUNT[form](result.out.splitlines())


@pytest.mark.parametrize("form", COUNT)
def test_every_format_tells_of_the_same_findings(checkout, form):
    text = call("validate", cwd=checkout)
    assert text.out.count(" error: ") == 2 and text.out.count(" warning: ") == 2, text.said
    result = call("validate", "--format", form, cwd=checkout)
    assert told(form, result) == (2, 2), result.said
    assert result.code == text.code == 3
    assert result.err == text.err


@pytest.mark.parametrize("form", FORMATS)
def test_a_good_fleet_makes_a_good_document(tmp_path, form):
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    result = call("validate", "--format", form, "--at", "2026-11-24T10:00Z", cwd=tmp_path)
    assert result.code == 0, result.said
    if form in COUNT:
        assert told(form, result)[0] == 0
    assert "::error" not in result.out


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("typed", "message"),
    [(("nowhere",), "nowhere doesn't exist"), (("empty",), "no manifest in empty")],
    ids=["missing", "empty"],
)
def test_what_refuses_before_there_are_findings_leaves_a_document(checkout, form, typed, message):
    (checkout / "empty").mkdir()
    result = call("validate", *typed, "--format", form, cwd=checkout)
    assert result.code == 3
    assert message in result.err
    if form == "github":
        assert result.out.startswith(f"::error title=reconciler::{message}")
        return
    assert told(form, result) == (0, 0)
    if form == "sarif":
        [invocation] = json.loads(result.out)["runs"][0]["invocations"]
        assert not invocation["executionSuccessful"]
        assert invocation["toolExecutionNotifications"][0]["message"]["text"].startswith(message)
    if form == "junit":
        # A suite that passes would say that all is well.
        assert 'errors="1"' in result.out and message in result.out


@pytest.mark.parametrize("form", COUNT)
def test_settings_that_cant_be_used_are_findings_too(checkout, form):
    (checkout / "reconciler.toml").write_text("nope = 1\n")
    result = call("validate", "--format", form, cwd=checkout)
    assert result.code == 3
    assert told(form, result) == (1, 0), result.said
    assert "bad-config" in result.out
    assert "nope" in result.err


def test_a_line_that_isnt_understood_leaves_no_document(checkout):
    result = call("validate", "--format", "sarif", "--at", "yesterday", cwd=checkout)
    assert (result.code, result.out) == (64, "")


@pytest.mark.parametrize(
    ("path", "elsewhere"), [("manifests", False), (".", False), ("../north/manifests", False), (None, True)]
)
def test_forges_get_paths_from_the_top_of_the_repository(checkout, tmp_path_factory, path, elsewhere):
    if elsewhere:
        path = tmp_path_factory.mktemp("elsewhere")
        (path / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    result = {form: call("validate", str(path), "--format", form, cwd=checkout) for form in FORMATS}
    expected = f"{path}/broken.yaml" if elsewhere else "fleets/north/manifests/broken.yaml"
    assert {entry["location"]["path"] for entry in json.loads(result["gitlab"].out)} == {expected}
    assert f"file={expected}," in result["github"].out
    assert f'file="{expected}"' in result["junit"].out
    places = [one["locations"][0]["physicalLocation"] for one in json.loads(result["sarif"].out)["runs"][0]["results"]]
    uris = {place["artifactLocation"]["uri"] for place in places}
    assert uris == {f"file://{expected}" if elsewhere else expected}


def test_without_a_checkout_paths_start_at_the_working_folder(tmp_path):
    (tmp_path / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    result = call("validate", "broken.yaml", "--format", "gitlab", cwd=tmp_path)
    assert {entry["location"]["path"] for entry in json.loads(result.out)} == {"broken.yaml"}


@pytest.mark.parametrize("form", COUNT)
def test_standard_input_is_told_like_a_file(checkout, form):
    result = call("validate", "-", "--format", form, cwd=checkout, stdin=BROKEN)
    assert result.code == 3
    assert told(form, result) == (2, 2)
    assert "fleets" not in result.out


def test_columns_count_characters(checkout):
    log = json.loads(call("validate", "--format", "sarif", cwd=checkout).out)["runs"][0]
    [null] = [result for result in log["results"] if result["ruleId"] == "null-value"]
    column = null["locations"][0]["physicalLocation"]["region"]["startColumn"]
    line = BROKEN.splitlines()[4]
    assert log["columnKind"] == "unicodeCodePoints"
    assert line[column - 1] == "~"


def test_fingerprints_stay_when_lines_move_and_wherever_the_command_runs(checkout):
    def fingerprints(*where, cwd):
        entries = json.loads(call("validate", *where, "--format", "gitlab", cwd=cwd).out)
        return [entry["fingerprint"] for entry in entries]

    before = fingerprints(cwd=checkout)
    assert len(set(before)) == 4
    assert fingerprints("fleets/north/manifests", cwd=checkout.parents[1]) == before
    (checkout / "manifests" / "broken.yaml").write_text("# moved\n\n" + BROKEN, encoding="utf-8")
    assert fingerprints(cwd=checkout) == before


def test_strict_turns_warnings_into_failures_and_keeps_their_level(tmp_path):
    mended = BROKEN.replace("13:00\n", "13:00 +0100\n").replace("~", "x")
    (tmp_path / "a.yaml").write_text(mended, encoding="utf-8")
    plain, strict = (
        call("validate", "a.yaml", "--format", "junit", *more, cwd=tmp_path) for more in ((), ("--strict",))
    )
    assert (plain.code, strict.code) == (0, 3)
    assert (told("junit", plain), told("junit", strict)) == ((0, 2), (2, 0))
    assert told("sarif", call("validate", "a.yaml", "--format", "sarif", "--strict", cwd=tmp_path)) == (0, 2)
