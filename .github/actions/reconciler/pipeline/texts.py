"""What the steps write for people besides the plan: why there is none, why it isn't here, what has drifted.

The last line of a comment or issue is a hidden marker, by which the next run finds it again.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline import tool
from reconciler.render.escape import code, comment, fenced

#: Characters that the forge takes in a comment or an issue.
LIMIT: Final = 65_536

SETTINGS_NOTE: Final = (
    "> **This pull request changes `reconciler.toml`.** The plan below is made with the file of the base commit; the "
    "change counts from the merge on.\n\n"
)

_MARKER: Final = re.compile(r"<!-- payway-reconciler (plan|drift) environment=([^\s<>]+)(?: [^<>]*)?-->")


def plan_marker(environment: str) -> str:
    """The hidden last line of a plan's comment, as the program writes it."""
    return f"<!-- payway-reconciler plan environment={comment(environment)} -->"


def drift_marker(environment: str) -> str:
    """The hidden last line of the drift issue."""
    return f"<!-- payway-reconciler drift environment={comment(environment)} -->"


def is_marked(body: object, kind: str, environment: str) -> bool:
    """True if the text's last line that isn't blank is the marker of that kind and environment."""
    lines = body.rstrip().splitlines() if isinstance(body, str) else []
    found = _MARKER.fullmatch(lines[-1].strip()) if lines else None
    return found is not None and found[1] == kind and found[2] == comment(environment)


def no_plan(environment: str, exit_code: int, said: str) -> str:
    """Instead of a plan: how the command ended and what it said, so that an old plan doesn't stay there as if true."""
    lines = [line for line in said.splitlines() if line.strip()]
    told = "\n".join(fenced(line) for line in lines[:1]) if len(lines) == 1 else _block(lines)
    return (
        f"## No plan for {code(environment)}\n\n"
        f"`reconciler plan` ended with exit code {exit_code}: {tool.meaning(exit_code)}.\n\n"
        f"{told}\n\n{plan_marker(environment)}\n"
    )


def _block(lines: list[str]) -> str:
    return "\n".join(f"- {code(line)}" for line in lines[:50])


def elsewhere(title: str, where: str, marker: str) -> str:
    """Instead of a text that is too long for the forge."""
    place = f"[the artifact of this run]({where})" if where else "the summary and the artifact of this run"
    return f"## {title}\n\nIt is too long to be shown here: see {place}.\n\n{marker}\n"


def report(command: str, environment: str, exit_code: int, out: str) -> str:
    """A run's report for the job's summary."""
    lines = [line.rstrip() for line in out.splitlines()]
    width = max((len(run) for run in re.findall(r"`+", out)), default=0)
    fence = "`" * max(3, width + 1)
    told = "\n".join(lines)[:50_000]
    heading = f"## {command.capitalize()} to {code(environment)}: exit code {exit_code}, {tool.meaning(exit_code)}"
    return f"{heading}\n\n{fence}text\n{told}\n{fence}"


def drift(environment: str, plan: str, digest: str, run_url: str, *, refused: bool) -> str:
    """The drift issue's text: the plan, and how it is applied."""
    how = (
        "A guard refuses it. If it is meant, make a pull request of it, in which a maintainer can accept that."
        if refused
        else "To apply exactly this, start the apply workflow by hand with this digest in `expect`:\n\n"
        + fenced(digest)
    )
    return (
        f"The main branch declares something else than what is known of {code(environment)}, or its time has come. "
        "This issue is updated by each run and closed when nothing is due any more.\n\n"
        f"{how}\n\nLast looked at by [this run]({run_url}).\n\n---\n\n{plan.rstrip()}\n\n{drift_marker(environment)}\n"
    )
