"""The library's front door: manifests and known state in, a plan out."""

import io
import json
import shutil
import sys
from datetime import UTC, datetime, timedelta

import pytest
from support.commands import ROOT

import reconciler
from reconciler import InvalidInput, Session, load_settings, resolve
from reconciler.errors import ReconcilerError, StalePlan, UsageError
from reconciler.planfile import plan_text
from reconciler.session import looks_like_plan, read_plan_file, system_clock

NOW = datetime(2026, 11, 24, 10, 0, 30, tzinfo=UTC)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, with manifests and a snapshot of what is known."""
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    shutil.copy(ROOT / "examples" / "known-state.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def session(name="stage", settings=None, **said):
    said = {"state": "file:known-state.json"} | said
    return Session(resolve(settings or load_settings(None, {}), name, {}, **said), clock=lambda: NOW)


def test_the_library_plans_in_three_lines(here):
    planned = session().plan()
    assert len(planned.plan.steps) == 8
    assert planned.plan.manifests.accounts == 12
    assert planned.plan.as_of == "2026-11-24T10:00:30Z"
    assert planned.plan.host == "https://payway-api.stage.adeprimo.se"


def test_the_same_input_gives_the_same_bytes(here):
    assert plan_text(session().plan().plan) == plan_text(session().plan().plan)


def test_planning_writes_nothing(here):
    before = sorted(path.relative_to(here) for path in here.rglob("*"))
    session().plan()
    assert sorted(path.relative_to(here) for path in here.rglob("*")) == before


def test_a_plan_for_later_is_a_what_if_and_one_for_earlier_is_not(here):
    assert session().plan(at=NOW + timedelta(seconds=1)).plan.what_if
    assert not session().plan(at=NOW).plan.what_if
    earlier = session().plan(at=NOW - timedelta(days=2)).plan
    assert not earlier.what_if
    assert earlier.expires_at == "2026-11-23T10:00:30Z"


def test_a_selection_takes_in_some_accounts(here):
    plan = session().plan(select=["label.region=north"]).plan
    assert 0 < plan.manifests.accounts < 12
    assert plan.manifests.select == ("label.region=north",)
    wider = session().plan(select=["label.region=north", "label.region=south"]).plan
    assert wider.manifests.accounts > plan.manifests.accounts


@pytest.mark.parametrize("select", ["x", "", "label.=x", "owner"])
def test_a_selection_that_is_none_is_refused(here, select):
    with pytest.raises(UsageError):
        session().plan(select=[select])


def test_a_guard_that_is_none_is_refused_with_the_nearest(here):
    with pytest.raises(UsageError, match="there is no guard 'revokd'; did you mean 'revoked'") as raised:
        session().plan(accept=["revokd"])
    assert "guards are revoked, " in raised.value.hint


def test_a_guard_that_is_not_exceeded_is_not_recorded_as_accepted(here):
    assert session().plan(accept=["revoked", "blocked"]).plan.refusals == ()


def test_settings_reach_the_plan(here):
    (here / "reconciler.toml").write_text('max_plan_age = "1h"\n[guards]\nrevoked = 0\n')
    plan = session(settings=load_settings(None, {})).plan().plan
    assert plan.expires_at == "2026-11-24T11:00:30Z"
    assert [refusal.guard for refusal in plan.refused] == ["revoked"]
    (here / "reconciler.toml").write_text('[payway]\nprovision_service = "ours"\n')
    plan = session(settings=load_settings(None, {})).plan().plan
    assert "not-product-owner" in {finding.rule for finding in plan.blocked}


def test_every_error_of_the_manifests_is_in_the_refusal(here):
    (here / "manifests" / "bad.yaml").write_text("apiVersion: x\nkind: y\n")
    with pytest.raises(InvalidInput, match=r"the manifests have [0-9]+ errors; nothing was planned") as raised:
        session().plan()
    assert len(raised.value.diagnostics) > 1


def test_without_known_state_there_is_no_plan(here):
    with pytest.raises(InvalidInput, match="there is no known state") as raised:
        session(state="sqlite:///missing.db").plan()
    assert "state import" in raised.value.hint and "state init" in raised.value.hint


def test_a_snapshot_of_another_environment_is_foreign(here):
    snapshot = json.loads((here / "known-state.json").read_text()) | {"environment": "production"}
    (here / "known-state.json").write_text(json.dumps(snapshot))
    with pytest.raises(StalePlan):
        session().plan()


def test_manifests_come_from_standard_input(here, monkeypatch):
    text = (here / "manifests" / "renumbering.yaml").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert session(manifests=("-",)).plan().plan.manifests.accounts == 1


def test_a_working_folder_that_is_gone_names_no_commit(here, monkeypatch):
    def gone():
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.cwd", gone)
    assert session().plan().plan.manifests.revision is None


def test_the_clock_is_in_utc():
    assert system_clock().tzinfo is UTC


# --- Plan files ---


@pytest.fixture
def plan(here):
    """The text of a plan."""
    return plan_text(session().plan().plan)


def test_a_plan_file_is_read_back(here, plan):
    (here / "plan.json").write_text(plan)
    read, text = read_plan_file("plan.json")
    assert text == plan
    assert plan_text(read) == plan


def test_a_plan_is_read_from_standard_input(plan, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(plan.encode())))
    assert plan_text(read_plan_file("-")[0]) == plan


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", InvalidInput),
        (b"\xff", InvalidInput),
        (b"[]", InvalidInput),
        (b"{}", InvalidInput),
        (b'{"format": "reconciler.plan/v1"}', InvalidInput),
        (b"[" * 100_000, InvalidInput),
    ],
)
def test_what_is_no_plan_is_refused_by_name(here, content, error):
    (here / "plan.json").write_bytes(content)
    with pytest.raises(error, match=r"plan\.json") as raised:
        read_plan_file("plan.json")
    assert isinstance(raised.value, ReconcilerError)
    assert raised.value.hint


@pytest.mark.parametrize("name", ["missing.json", "manifests", "x" * 300])
def test_a_plan_file_that_cannot_be_read_is_refused(here, name):
    with pytest.raises(InvalidInput, match="can't be read"):
        read_plan_file(name)


@pytest.mark.parametrize(
    ("content", "meant"),
    [
        ('{"format": "reconciler.plan/v1"', True),
        ('\ufeff\n {"format": "reconciler.plan/v2"', True),
        ('{"accounts": [' + "1," * 3000 + '], "plan_id": ""}', True),
        ('{"steps_digest": 1}', True),
        ('{"apiVersion": "payway/v1"}', False),
        ("plan_id: x\n", False),
        ('# {"plan_id": 1}', False),
        ("", False),
    ],
)
def test_a_file_that_was_meant_as_a_plan_is_told_from_a_manifest(here, content, meant):
    (here / "file.json").write_text(content, encoding="utf-8")
    assert looks_like_plan("file.json") is meant


def test_a_real_plan_looks_like_one_however_it_was_formatted(here, plan):
    for number, text in enumerate((plan, json.dumps(json.loads(plan), indent=4, sort_keys=True))):
        (here / f"{number}.json").write_text(text)
        assert looks_like_plan(f"{number}.json")


def test_folders_missing_files_and_devices_look_like_no_plan(here):
    for name in ("manifests", "missing", "/dev/null", "x" * 300, "manifests/renumbering.yaml", "known-state.json"):
        assert not looks_like_plan(name)


def test_the_public_names_are_those_of_the_modules():
    assert reconciler.Session is Session
    assert reconciler.read_plan_file is read_plan_file
