"""Finding what was reviewed: the plan that the merged pull request's head was shown with.

The plan's file was made by a pull request's job, so it decides nothing by itself. The apply plans anew from the merged
manifests and only compares (`apply --expect`); the guards that the file says were accepted must have been accepted by
a maintainer's label when the pull request was merged.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pipeline import artifacts
from pipeline.forge import Forge, forge_of, time_of
from pipeline.labels import accepted
from pipeline.runner import Failed, Runner
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.expectations import DIGEST, accepted_by
from reconciler.plan import Plan
from reconciler.session import read_plan_file

_HOW: Final = (
    "to apply all the same, start the apply workflow by hand with the steps' digest of a fresh plan in `expect`"
)


def reviewed(runner: Runner) -> None:
    """Say what the apply is to expect: the digest that was given, or the file of the reviewed plan."""
    given = runner.said("PIPELINE_EXPECT")
    if given:
        if not DIGEST.fullmatch(given):
            raise Failed(f"expect: {given} is no digest; it is sha256: and 64 digits from 0 to f", int(ExitCode.USAGE))
        runner.output(expect=given)
        return
    forge = forge_of(runner)
    try:
        pull = merged_pull(forge, runner.needed("GITHUB_SHA"), runner.needed("GITHUB_REF_NAME"))
        path = _fetch(runner, forge, pull)
    finally:
        forge.close()
    runner.output(expect=path)


def merged_pull(forge: Forge, commit: str, branch: str) -> dict[str, Any]:
    """The pull request whose merge is ``commit`` on ``branch``. Raises `Failed` if there isn't exactly one."""
    found = [
        pull
        for pull in forge.pages(f"/commits/{commit}/pulls")
        if pull.get("merged_at") and pull.get("merge_commit_sha") == commit and pull["base"].get("ref") == branch
    ]
    if len(found) != 1:
        raise Failed(
            f"{commit} is the merge of {len(found) or 'no'} pull request, so nobody has reviewed its plan; {_HOW}",
            int(ExitCode.NOT_APPROVED),
        )
    return found[0]


def _fetch(runner: Runner, forge: Forge, pull: dict[str, Any]) -> str:
    number, head = int(pull["number"]), str(pull["head"]["sha"])
    merged_at = time_of(pull.get("merged_at"))
    assert merged_at is not None
    artifact = artifacts.plan_of_head(forge, runner.environment, head, merged_at)
    if artifact is None:
        raise Failed(
            f"no plan for {runner.environment} was made of {head}, the head of #{number}, before it was merged; {_HOW}",
            int(ExitCode.NOT_APPROVED),
        )
    folder = runner.folder("reviewed")
    path = artifacts.fetch(forge, artifact, "plan.json", folder, artifacts.LONGEST_PLAN)
    plan = _read(str(path))
    _check_accepted(forge, plan, number, head, merged_at)
    runner.say(f"reviewed: the plan of #{number} at {head}, steps {plan.steps_digest}")
    return str(path)


def _read(path: str) -> Plan:
    try:
        return read_plan_file(path)[0]
    except ReconcilerError as error:
        raise Failed.by(error) from None


def _check_accepted(forge: Forge, plan: Plan, number: int, head: str, merged_at: datetime) -> None:
    claimed = set(accepted_by(plan))
    if not claimed:
        return
    found = accepted(forge, number, head, until=merged_at)
    unproven = sorted(claimed - set(found.guards))
    if unproven:
        why = "".join(f"; {text}" for text in found.ignored)
        raise Failed(
            f"the plan of #{number} counts {', '.join(unproven)} as accepted, but no maintainer's label says so{why}",
            int(ExitCode.REFUSED),
        )
