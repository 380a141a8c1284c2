"""One step of a workflow: ``python -m pipeline STEP``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from pipeline import applying, artifacts, comments, issues, labels, planning, reviewed
from pipeline.runner import Failed, Runner, this_runner

STEPS: Final[dict[str, Callable[[Runner], None]]] = {
    "action": planning.action,
    "apply": applying.apply,
    "base-settings": planning.base_settings,
    "comment": comments.comment,
    "drift": issues.drift,
    "export": applying.export,
    "fresh-plan": planning.fresh_plan,
    "known-state": artifacts.known_state,
    "labels": labels.labels,
    "plan": planning.plan,
    "resume": applying.resume,
    "reviewed": reviewed.reviewed,
    "unlock": applying.unlock,
    "validate": planning.validate,
    "verdict": planning.verdict,
}


def main(arguments: list[str]) -> int:
    """Run one step; returns the exit code of its process."""
    runner = this_runner()
    step = STEPS.get(arguments[0]) if len(arguments) == 1 else None
    if step is None:
        runner.error(f"name one step: {', '.join(STEPS)}")
        return 64
    try:
        step(runner)
    except Failed as error:
        runner.error(str(error))
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
