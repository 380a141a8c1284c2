"""The steps that apply: a lock that outlived its job, an unfinished run, the reviewed plan, the snapshot afterwards."""

from __future__ import annotations

import re
from contextlib import closing

from pipeline import artifacts, tool
from pipeline.forge import Missing, forge_of
from pipeline.runner import Failed, Runner
from pipeline.texts import report as report_text
from reconciler.errors import ReconcilerError
from reconciler.state import open_store
from reconciler.state.store import Lock


def unlock(runner: Runner) -> None:
    """Take the lock away from an apply whose job has ended, as the forge knows; every other lock stays.

    A job that was killed can't give its lock back, and no clock tells that it is gone. The forge does.
    """
    tool.refuse_committed_state()
    lock = _lock(runner)
    if lock is None:
        runner.say("the store isn't locked")
        return
    if not _has_ended(runner, lock.holder.ci_url):
        runner.warning(f"the store is locked by {lock.holder.who} on {lock.holder.host}, who may still be at work")
        return
    tool.succeed("unlock", tool.run(runner, "unlock", "-e", runner.environment, lock.holder.lock_id).code)
    runner.notice(f"took the lock from a job that has ended: {lock.holder.ci_url}")


def _lock(runner: Runner) -> Lock | None:
    try:
        with closing(
            open_store(runner.needed("RECONCILER_STATE"), environment=runner.environment, read_only=True)
        ) as store:
            return store.lock()
    except ReconcilerError as error:
        raise Failed.by(error) from None


def _has_ended(runner: Runner, ci_url: str | None) -> bool:
    """True if the run of this repository that ``ci_url`` names is over, or is an earlier attempt of this very run."""
    here = f"{runner.said('GITHUB_SERVER_URL')}/{runner.said('GITHUB_REPOSITORY')}/actions/runs/"
    number = (ci_url or "").removeprefix(here)
    if not ci_url or not ci_url.startswith(here) or not re.fullmatch(r"[0-9]{1,20}", number):
        return False
    if number == runner.said("GITHUB_RUN_ID"):
        # The queue lets in one apply at a time, and a run is tried again only after its last attempt.
        return True
    forge = forge_of(runner)
    try:
        return bool(forge.get(f"/actions/runs/{number}").get("status") == "completed")
    except Missing:
        return False
    finally:
        forge.close()


def resume(runner: Runner) -> None:
    """Finish an unfinished run with its own plan before anything else is applied."""
    listed = tool.run(runner, "runs", "list", "-e", runner.environment, "--format", "json")
    tool.succeed("runs list", listed.code)
    if not re.search(r'"status": ?"(?:running|stopped)"', listed.out):
        runner.say("no run is unfinished")
        return
    runner.notice("an earlier run isn't finished; it is resumed first")
    _run(runner, "resume", "-e", runner.environment)


def apply(runner: Runner) -> None:
    """Plan anew, hold that against what was reviewed, and run it."""
    tool.refuse_committed_state()
    expected = runner.needed("PIPELINE_EXPECT")
    code = _run(runner, "apply", "-e", runner.environment, "--expect", expected, *tool.paths(runner), ending=False)
    runner.output(exitcode=code)
    tool.succeed("apply", code)


def _run(runner: Runner, *arguments: str, ending: bool = True) -> int:
    ended = tool.run(runner, *arguments)
    runner.pass_on(ended.out)
    runner.summary(report_text(arguments[0], runner.environment, ended.code, ended.out))
    if ending:
        tool.succeed(arguments[0], ended.code)
    return ended.code


def export(runner: Runner) -> None:
    """Export known state for plans of pull requests, unless anybody could read it."""
    forge = forge_of(runner)
    try:
        private = artifacts.is_private(forge.get(""))
    finally:
        forge.close()
    if not private:
        runner.notice("known state isn't exported: this repository is public, and a snapshot is personal data")
        return
    path = runner.folder("known") / "known-state.json"
    ended = tool.run(runner, "state", "export", "-e", runner.environment, str(path))
    tool.succeed("state export", ended.code)
    runner.output(snapshot=path)
