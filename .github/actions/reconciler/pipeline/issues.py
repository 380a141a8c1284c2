"""The one issue that says what has drifted: opened, updated and closed as the plan of the main branch changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline import texts, tool
from pipeline.comments import is_ours, safe_url
from pipeline.forge import Forge, Unfit, forge_of
from pipeline.runner import Runner
from reconciler.errors import ExitCode


def drift(runner: Runner) -> None:
    """Open or update the issue if anything is due, close it if nothing is. Fails where there is no plan."""
    code = int(runner.needed("PIPELINE_EXITCODE"))
    tool.succeed("plan", code, tool.PLANNED)
    environment = runner.environment
    run_url = f"{runner.said('GITHUB_SERVER_URL')}/{runner.said('GITHUB_REPOSITORY')}/actions/runs/"
    run_url = safe_url(run_url + runner.said("GITHUB_RUN_ID"))
    forge = forge_of(runner)
    try:
        present = find(forge, environment)
        if code == ExitCode.DONE:
            runner.say(_close(forge, environment, present, run_url))
            return
        plan = Path(runner.needed("PIPELINE_COMMENT")).read_text(encoding="utf-8")
        digest, refused = runner.needed("PIPELINE_DIGEST"), code == ExitCode.REFUSED
        text = texts.drift(environment, plan, digest, run_url, refused=refused)
        title = f"Payway drift: {environment}"
        where = safe_url(runner.said("PIPELINE_ARTIFACT_URL"))
        short = texts.elsewhere(title, where, texts.drift_marker(environment))
        runner.say(_put(forge, present, title, text, short))
    finally:
        forge.close()
    runner.warning(f"a plan for {environment} holds calls that are due; the drift issue shows them")


def find(forge: Forge, environment: str) -> dict[str, Any] | None:
    """Our open issue for the environment, the oldest if there are several. Raises `ForgeError`."""
    issues = forge.pages("/issues", state="open", sort="created", direction="asc")
    return next((one for one in issues if "pull_request" not in one and is_ours(one, "drift", environment)), None)


def _put(forge: Forge, present: dict[str, Any] | None, title: str, text: str, short: str) -> str:
    body = text if len(text) <= texts.LIMIT else short
    try:
        return _send(forge, present, {"title": title, "body": body})
    except Unfit:
        if body == short:
            raise
        return _send(forge, present, {"title": title, "body": short})


def _send(forge: Forge, present: dict[str, Any] | None, fields: dict[str, Any]) -> str:
    if present is None:
        made = forge.post("/issues", fields)
        return f"opened issue #{made.get('number') if isinstance(made, dict) else '?'}"
    forge.patch(f"/issues/{int(present['number'])}", fields)
    return f"updated issue #{int(present['number'])}"


def _close(forge: Forge, environment: str, present: dict[str, Any] | None, run_url: str) -> str:
    if present is None:
        return "nothing is due, and no issue is open"
    body = (
        f"A plan for `{environment}` holds no call any more: [this run]({run_url}).\n\n"
        f"{texts.drift_marker(environment)}\n"
    )
    fields = {"body": body, "state": "closed", "state_reason": "completed"}
    forge.patch(f"/issues/{int(present['number'])}", fields)
    return f"closed issue #{int(present['number'])}"
