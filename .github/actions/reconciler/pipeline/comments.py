"""The one comment on a pull request that holds its plan: made once, updated in place from then on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from pipeline import texts
from pipeline.forge import Busy, Forbidden, Forge, Missing, Unfit, forge_of
from pipeline.runner import Runner

#: Who the forge's own token writes as.
OURSELVES: Final = "github-actions[bot]"

_TRIES: Final = 3


def comment(runner: Runner) -> None:
    """Put the plan's text into the pull request's comment. A token that may only read is no failure."""
    number = int(runner.pull_request()["number"])
    environment = runner.environment
    body = Path(runner.needed("PIPELINE_COMMENT")).read_text(encoding="utf-8")
    short = texts.elsewhere(
        f"Plan for `{environment}`", safe_url(runner.said("PIPELINE_ARTIFACT_URL")), texts.plan_marker(environment)
    )
    forge = forge_of(runner)
    try:
        done = upsert(forge, number, environment, body, short)
    except Forbidden as error:
        runner.notice(f"the plan can't be posted as a comment, it is in the job's summary: {error}")
        return
    finally:
        forge.close()
    runner.say(f"the comment is {done}")


def upsert(forge: Forge, number: int, environment: str, body: str, short: str) -> str:
    """Make or update the comment, with ``short`` if ``body`` is too long; says what was done. Raises `ForgeError`."""
    text = body if len(body) <= texts.LIMIT else short
    for tries_left in reversed(range(_TRIES)):
        try:
            return _put(forge, number, environment, text)
        except Unfit:
            if text == short:
                raise
            text = short
        except (Busy, Missing):
            # A comment that was made although the answer got lost is found the next time; one that is gone is not.
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _put(forge: Forge, number: int, environment: str, text: str) -> str:
    ours = [one for one in forge.pages(f"/issues/{number}/comments") if is_ours(one, "plan", environment)]
    if not ours:
        forge.post(f"/issues/{number}/comments", {"body": text})
        return "made"
    first, *others = sorted(ours, key=lambda one: int(one["id"]))
    forge.patch(f"/issues/comments/{int(first['id'])}", {"body": text})
    for other in others:
        # Two runs made one each at the same time.
        forge.delete(f"/issues/comments/{int(other['id'])}")
    return "updated"


def is_ours(entry: dict[str, Any], kind: str, environment: str) -> bool:
    """True if we wrote this comment or issue: anybody can write our marker, but not under our name."""
    user = entry.get("user")
    if not isinstance(user, dict) or user.get("login") != OURSELVES or user.get("type") != "Bot":
        return False
    return texts.is_marked(entry.get("body"), kind, environment)


def safe_url(text: str) -> str:
    """``text`` if it is an address that can stand in Markdown as it is, else ""."""
    return text if re.fullmatch(r"https://[A-Za-z0-9.-]+(?:/[A-Za-z0-9._/-]*)?", text) else ""
