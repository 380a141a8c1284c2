"""A pull request's whole life through the workflows as they are written, on the embedded simulator."""

import json
import re
import zipfile
from io import BytesIO

import pytest
from forge.publisher import Publisher, known, manifest
from forge.standin import TOKEN, archive

#: More than a guard lets through: two of three readers lose access.
REVOKED = {f"manifests/{number}.yaml": manifest(number, state="deactivated") for number in (2, 3)}
LONGER = manifest(1, until="2041-01-01")

#: A fork's run gets no secret at all.
NO_SECRETS = {"RECONCILER_STATE": ""}


@pytest.fixture
def publisher(tmp_path, forge):
    made = Publisher(tmp_path, forge)
    yield made
    for job in made.jobs:
        assert TOKEN not in job.log + job.summary


def digest_in(text):
    return re.search(r"steps `(sha256:[0-9a-f]{64})`", text)[1]


def uploaded(forge, name, entry):
    [made] = [one for one in forge.artifacts if one["name"] == name][-1:]
    with zipfile.ZipFile(BytesIO(forge.zips[made["id"]])) as opened:
        return opened.read(entry).decode()


def test_from_branch_to_applied(publisher, forge):
    publisher.push({"manifests/1.yaml": LONGER})
    first = publisher.plan("opened")
    assert not first.failed, first.said
    assert first.outputs["exitcode"] == "2" and first.outputs["has-changes"] == "true"
    [comment] = forge.comments
    assert "## Plan for `simulator`: 1 call" in comment["body"]
    assert first.outputs["steps-digest"] == digest_in(comment["body"])
    assert comment["body"].strip() in first.summary
    saved = json.loads(uploaded(forge, "payway-plan-simulator", "plan.json"))
    assert saved["steps_digest"] == first.outputs["steps-digest"]

    publisher.push({"manifests/2.yaml": manifest(2, until="2042-01-01")})
    second = publisher.plan("synchronize")
    assert not second.failed, second.said
    [comment] = forge.comments
    assert "## Plan for `simulator`: 2 calls" in comment["body"]

    publisher.merged()
    applied = publisher.apply()
    assert not applied.failed, applied.said
    assert applied.outputs == {"exitcode": "0", "has-changes": "false"}
    assert "holds no call" in applied.summary
    [run] = publisher.runs()
    assert (run["status"], run["exit_code"]) == ("finished", 0)
    snapshot = json.loads(uploaded(forge, "payway-known-state-simulator", "known-state.json"))
    assert [one["user_products"][0]["valid_to"][:4] for one in snapshot["accounts"]] == ["2041", "2042", "2040"]

    again = publisher.apply()
    assert not again.failed, again.said
    assert len(publisher.runs()) == 1


def test_a_refusal_is_shown_accepted_by_a_label_and_void_with_the_next_push(publisher, forge):
    publisher.push(REVOKED)
    refused = publisher.plan("opened")
    assert refused.failed and refused.codes["End as the plan did"] == 5, refused.said
    [comment] = forge.comments
    assert "### Refused by a guard" in comment["body"]

    forge.label("accept:revoked", "helper")
    assert publisher.plan("labeled").failed
    forge.unlabel("accept:revoked", "helper")
    forge.label("accept:revoked", "maintainer")
    accepted = publisher.plan("labeled")
    assert not accepted.failed, accepted.said
    assert "### Accepted" in forge.comments[0]["body"] and len(forge.comments) == 1

    publisher.push({"README.md": "Something else"})
    void = publisher.plan("synchronize")
    assert void.failed and void.outputs["exitcode"] == "5", void.said
    assert forge.labels == []
    assert "### Refused by a guard" in forge.comments[0]["body"]

    forge.label("accept:revoked", "maintainer")
    assert not publisher.plan("labeled").failed
    publisher.merged()
    applied = publisher.apply()
    assert not applied.failed, applied.said
    assert [run["exit_code"] for run in publisher.runs()] == [0]


def test_merged_although_refused(publisher, forge):
    publisher.push(REVOKED)
    publisher.plan("opened")
    publisher.merged()
    applied = publisher.apply()
    assert applied.codes["apply"] == 5, applied.said
    assert publisher.runs() == []


def test_an_acceptance_that_only_the_artifact_tells_of(publisher, forge):
    publisher.push(REVOKED)
    forge.label("accept:revoked", "maintainer")  # before there was any plan of this head
    publisher.plan("opened")
    publisher.git("checkout", "-q", "change")
    made = publisher.reconciler(
        "plan", str(publisher.origin / "manifests"), "--accept=revoked", "-o", str(publisher.folder / "forged.json")
    )
    assert made.code == 0, made.said
    publisher.git("checkout", "-q", "main")
    run = next(run for run in forge.runs if run["event"] == "pull_request")
    forge.upload(run, "payway-plan-simulator", archive({"plan.json": (publisher.folder / "forged.json").read_bytes()}))
    publisher.merged()
    applied = publisher.apply()
    assert applied.codes["reviewed"] == 5, applied.said
    assert "counts revoked as accepted" in applied.log
    assert publisher.runs() == []


def _zip(name, data):
    from forge.standin import archive

    return archive({name: data})


def test_known_state_changed_in_between(publisher, forge):
    publisher.push({"manifests/1.yaml": LONGER})
    assert not publisher.plan("opened").failed
    publisher.merged()
    publisher.learn(known("simulator", until="2039-01-01", of=(2,), hour=11))
    applied = publisher.apply()
    assert applied.codes["apply"] == 4, applied.said
    assert "nobody reviewed" in applied.log
    assert publisher.runs() == []
    # Known state is exported all the same, for the next plan.
    assert "2039" in uploaded(forge, "payway-known-state-simulator", "known-state.json")


def test_pushed_past_every_review(publisher, forge):
    publisher.write({"manifests/1.yaml": LONGER})
    publisher.commit("Straight to main")
    refused = publisher.apply()
    assert refused.codes["reviewed"] == 9, refused.said
    assert publisher.runs() == []


def test_merged_before_there_was_a_plan(publisher, forge):
    publisher.push({"manifests/1.yaml": LONGER})
    publisher.merged()
    publisher.plan("opened")
    refused = publisher.apply()
    assert refused.codes["reviewed"] == 9, refused.said


def test_the_artifact_is_no_plan(publisher, forge):
    publisher.push({"manifests/1.yaml": LONGER})
    publisher.plan("opened")
    for data in (b"{}", b"#!/bin/sh\ntouch /tmp/owned\n", b"[" * 50_000):
        run = next(run for run in forge.runs if run["event"] == "pull_request")
        forge.upload(run, "payway-plan-simulator", archive({"plan.json": data}))
        publisher.merged()
        refused = publisher.apply()
        assert refused.codes["reviewed"] in (3, 4), refused.said
    assert publisher.runs() == []


# --- Known state, settings and forks ---


def test_a_fork_without_known_state_gets_validation_alone(publisher, forge):
    forge.private, forge.read_only = False, True
    publisher.push({"manifests/1.yaml": LONGER})
    result = publisher.plan("opened", **NO_SECRETS)
    assert not result.failed, result.said
    assert result.steps["known"] == {"source": "none"}
    assert "plan" not in result.codes and "Comment" not in result.codes
    assert result.outputs["exitcode"] == "" and "validated only" in result.summary

    publisher.push({"manifests/1.yaml": "kind: Account\n"})
    broken = publisher.plan("synchronize", **NO_SECRETS)
    assert broken.codes["End as the plan did"] == 3, broken.said
    assert "::error" in broken.log and "file=manifests/1.yaml" in broken.log


def test_a_plan_over_the_snapshot_of_the_main_branch(publisher, forge):
    publisher.drift()
    publisher.push({"manifests/1.yaml": LONGER})
    result = publisher.plan("opened", **NO_SECRETS)
    assert result.steps["known"]["source"] == "snapshot", result.said
    assert not result.failed and "1 call" in forge.comments[0]["body"]
    publisher.merged()
    applied = publisher.apply()
    assert not applied.failed and applied.outputs["has-changes"] == "false", applied.said


def test_a_fork_in_a_private_repository_that_may_not_comment(publisher, forge):
    publisher.drift()
    forge.read_only = True
    publisher.push({"manifests/1.yaml": LONGER})
    result = publisher.plan("opened", **NO_SECRETS)
    assert not result.failed, result.said
    assert forge.comments == [] and "1 call" in result.summary and "can't be posted" in result.log


def test_no_snapshot_leaves_a_public_repository(publisher, forge):
    forge.private = False
    result = publisher.drift()
    assert not result.failed, result.said
    assert result.steps["export"] == {}
    assert [one["name"] for one in forge.artifacts] == ["payway-drift-simulator"]


def test_settings_come_from_the_base_commit(tmp_path, forge):
    here = Publisher(tmp_path, forge, settings="[guards]\nrevoked = 0\n")
    here.push({"manifests/2.yaml": manifest(2, state="deactivated"), "reconciler.toml": "[guards]\nrevoked = 9\n"})
    result = here.plan("opened")
    assert result.outputs["exitcode"] == "5", result.said
    assert forge.comments[0]["body"].startswith("> **This pull request changes `reconciler.toml`.**")
    here.push({"reconciler.toml": None})
    gone = here.plan("synchronize")
    assert gone.outputs["exitcode"] == "5" and gone.steps["base"] == {"changed": "true"}
    here.push({"reconciler.toml": "[guards]\nrevoked = 0\n"})
    same = here.plan("synchronize")
    assert same.steps["base"] == {"changed": "false"}
    assert forge.comments[0]["body"].startswith("## Plan")


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_settings_as_a_link_or_a_folder(tmp_path, forge, kind):
    here = Publisher(tmp_path, forge, settings="[guards]\nrevoked = 0\n")
    stolen = tmp_path / "stolen.toml"
    stolen.write_text("[guards]\nrevoked = 9\n")
    here.push({"manifests/2.yaml": manifest(2, state="deactivated"), "reconciler.toml": None})
    here.git("checkout", "-q", "change")
    if kind == "link":
        (here.origin / "reconciler.toml").symlink_to(stolen)
    else:
        here.write({"reconciler.toml/inner.toml": "x"})
    here.commit("Replace it")
    here.git("checkout", "-q", "main")
    here.push({"README.md": "x"})
    result = here.plan("synchronize")
    assert result.outputs["exitcode"] == "5" and result.steps["base"] == {"changed": "true"}, result.said
    assert stolen.read_text() == "[guards]\nrevoked = 9\n"


@pytest.mark.parametrize("name", [".reconciler/cache.db", ".reconciler/simulator.db"])
def test_what_the_program_trusts_can_not_be_committed(publisher, forge, name):
    publisher.push({name: "poison"})
    result = publisher.plan("opened")
    assert result.codes["base"] == 3, result.said
    publisher.merged()
    applied = publisher.apply()
    assert applied.codes["Take the lock from a job that has ended"] == 3, applied.said


def test_manifests_that_can_not_be_planned(publisher, forge):
    publisher.push({"manifests/1.yaml": LONGER})
    publisher.plan("opened")
    publisher.push({"manifests/1.yaml": "kind: '](x)`@team <img src=x>'\n"})
    broken = publisher.plan("synchronize")
    assert broken.failed and broken.codes["End as the plan did"] == 3, broken.said
    [comment] = forge.comments
    assert "## No plan for `simulator`" in comment["body"] and "exit code 3" in comment["body"]
    assert "1 call" not in comment["body"]


# --- Drift ---


def test_drift_is_told_once_and_taken_back(publisher, forge):
    quiet = publisher.drift()
    assert not quiet.failed and forge.issues == [], quiet.said
    stranger = forge.issue("<!-- payway-reconciler drift environment=simulator -->", {"login": "eve", "type": "User"})
    forge.issue("<!-- payway-reconciler drift environment=simulator -->", pull_request={})

    publisher.learn(known("simulator", until="2039-01-01", hour=11))
    found = publisher.drift()
    assert not found.failed, found.said
    issue = forge.issues[-1]
    assert (issue["title"], issue["state"]) == ("Payway drift: simulator", "open")
    assert "1 call" in issue["body"] and found.steps["plan"]["steps-digest"] in issue["body"]

    publisher.learn(known("simulator", until="2038-01-01", hour=12))
    publisher.drift()
    assert len(forge.issues) == 3 and "2038" in issue["body"]

    digest = re.search(r"```\n(sha256:[0-9a-f]{64})\n```", issue["body"])[1]
    refused = publisher.apply(expect="sha256:" + "0" * 64)
    assert refused.codes["apply"] == 4 and publisher.runs() == [], refused.said
    assert publisher.apply(expect="; rm -rf /").codes["reviewed"] == 64

    forge.pulls = []
    applied = publisher.apply(expect=digest)
    assert not applied.failed and applied.outputs == {"exitcode": "0", "has-changes": "false"}, applied.said
    gone = publisher.drift()
    assert not gone.failed and issue["state"] == "closed", gone.said
    assert "holds no call any more" in issue["body"]
    assert stranger["state"] == "open"


def test_drift_that_a_guard_refuses(publisher, forge):
    publisher.learn(known("simulator", until="2037-01-01", of=(1, 2, 3), hour=11))
    found = publisher.drift()
    assert not found.failed, found.said
    assert "A guard refuses it" in forge.issues[0]["body"] and "in `expect`" not in forge.issues[0]["body"]


def test_broken_manifests_are_no_drift(publisher, forge):
    publisher.write({"manifests/1.yaml": "kind: Account\n"})
    publisher.commit("Break it")
    result = publisher.drift()
    assert result.failed and result.codes["Say so in the issue"] == 3, result.said
    assert forge.issues == []
