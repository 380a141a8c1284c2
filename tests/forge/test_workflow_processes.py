"""The workflows with real processes, over HTTP to a simulated Payway, and with a job that is lost on the way."""

import json

import pytest
from forge.publisher import Publisher, known, manifest
from forge.standin import TOKEN
from support.commands import simulated
from support.journeys import calls_in

PAYWAY_TOKEN = "token-of-payway-which-nobody-may-see"
LONGER = {f"manifests/{number}.yaml": manifest(number, until="2041-01-01") for number in (1, 2)}


@pytest.fixture
def payway(tmp_path):
    """Payway over HTTP, whose second call takes long; gives its request log and its URL."""
    folder = tmp_path / "payway"
    folder.mkdir()
    (folder / "known.json").write_text(known("trial"))
    (folder / "slow.json").write_text(json.dumps([{"call": 2, "fault": {"delay": 8}}]))
    options = ("--snapshot", "known.json", "--request-log", "requests.jsonl", "--faults", "slow.json")
    with simulated(*options, cwd=folder) as url:
        yield folder / "requests.jsonl", url


def test_a_lost_job_is_resumed_before_the_next_apply(tmp_path, forge, payway):
    log, url = payway
    here = Publisher(
        tmp_path,
        forge,
        "trial",
        settings=f'[environments.trial]\nbase_url = "{url}"\n[apply]\ncool_down = 0\n',
        secrets={"PAYWAY_TOKEN": PAYWAY_TOKEN},
    )
    here.push(LONGER)
    planned = here.plan("opened", before=in_processes)
    assert not planned.failed, planned.said
    assert "2 calls" in forge.comments[0]["body"]
    here.merged()

    lost = here.apply(before=lambda job: job.kill_in("apply", lambda: started(here) == 2))
    assert lost.codes["apply"] == -9 and "export" not in lost.codes, lost.said
    [run] = here.runs()
    assert run["status"] == "running"

    waiting = forge.runs[-1]
    waiting["status"] = "in_progress"
    blocked = here.apply(before=in_processes)
    assert blocked.codes["Finish an unfinished run"] == 6, blocked.said
    assert "may still be at work" in blocked.log
    waiting["status"] = "completed"

    applied = here.apply(before=in_processes)
    assert not applied.failed, applied.said
    assert "took the lock from a job that has ended" in applied.log and "resumed first" in applied.log
    assert applied.outputs == {"exitcode": "0", "has-changes": "false"}
    assert [(run["status"], run["exit_code"]) for run in here.runs()] == [("finished", 0)]
    bodies = [call["body"] for call in calls_in(log)]
    assert len(set(bodies)) == 2 and len(bodies) in (2, 3)
    for result in here.jobs:
        assert TOKEN not in result.log + result.summary and PAYWAY_TOKEN not in result.log + result.summary


def in_processes(job):
    job.in_process = False


def started(here):
    """The step whose intent stands last in the journal, 0 before the first."""
    from contextlib import closing

    from reconciler.state import open_store

    with closing(open_store(here.store, environment="trial", read_only=True)) as store:
        entries = list(store.entries())
    return entries[-1].step if entries and entries[-1].status == "intent" else 0
