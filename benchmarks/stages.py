"""Where the time of one plan goes: ``stages.py OUT ARGUMENTS…`` runs the command line and times its stages.

Writes into OUT, as JSON, the seconds of each stage without those inside it. What is left of the whole is starting
Python, importing and everything that has no name here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

#: Each stage: how people read it, and what does it.
STAGES = {
    "find": ("find the files", "reconciler.manifests.walk", "find_manifests"),
    "read": ("read and check what changed", "reconciler.manifests.loading", "_Loading._read"),
    "index": ("index the rows", "reconciler.manifests.cache", "Cache.refreshed"),
    "cross": ("count, and look for what stands twice", "reconciler.manifests.loading", "_Loading._summary"),
    "judge": ("compare with known state, ask the planner", "reconciler.fleetplan", "_Planning._judge"),
    "plan": ("add up, order, summarise", "reconciler.fleetplan", "plan_fleet"),
    "seal": ("digests of the plan", "reconciler.planfile", "seal"),
    "save": ("keep the cache", "reconciler.manifests.cache", "Cache.save"),
    "write": ("write the plan file", "reconciler.cli.plan", "write_plan"),
    "show": ("show the plan", "reconciler.cli.plan", "show_plan"),
}


class Stopwatch:
    """The seconds of stages that may be inside each other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[float] = []

    def times(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, timed."""

        def timed(*values: Any, **named: Any) -> Any:
            self._inside.append(0.0)
            began = perf_counter()
            try:
                return function(*values, **named)
            finally:
                took = perf_counter() - began
                self.seconds[name] = self.seconds.get(name, 0.0) + took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        return timed


def main(out: str, arguments: list[str]) -> None:
    """Run a plan, and write what its stages took."""
    watch = Stopwatch()
    for name, (_, module, path) in STAGES.items():
        holder = import_module(module)
        *owners, last = path.split(".")
        for owner in owners:
            holder = getattr(holder, owner)
        setattr(holder, last, watch.times(name, getattr(holder, last)))
    sys.argv = ["reconciler", *arguments]
    try:
        import_module("reconciler.cli").main()
    finally:
        Path(out).write_text(json.dumps(watch.seconds), encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
