"""What was measured: one JSON file a part, so that a long run can be made in pieces and shown together."""

from __future__ import annotations

import json
import os
import platform
import re
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import ROOT, Measured

FOLDER = ROOT / "build" / "bench" / "results"


#: What keeps one core busy from start to end, in each part that has such a thing.
_YARDSTICKS = ("raw", "full-yaml", "bare")


@dataclass(slots=True)
class Part:
    """What was measured in turns. ``facts`` are figures that don't vary, ``runs`` one entry a round and measure."""

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    load: list[float] = field(default_factory=list)

    def add(self, measure: str, run: Measured | Mapping[str, float]) -> None:
        """Keep a run, and how busy the machine was after it."""
        self.runs.setdefault(measure, []).append(run.data() if isinstance(run, Measured) else dict(run))
        self.load.append(os.getloadavg()[0])

    def value(self, measure: str, key: str = "seconds") -> float | None:
        """The median of a measure; None if it wasn't taken."""
        runs = self.runs.get(measure)
        return median(run[key] for run in runs) if runs else None

    def memory(self, measure: str) -> float | None:
        """The highest peak of a measure in MiB."""
        runs = self.runs.get(measure)
        return max(max(run["largest"], run["together"]) for run in runs) if runs else None

    def got(self) -> float | None:
        """The share of a core that the part's one-core yardstick got; well under 1 on a machine that was busy."""
        runs = next((self.runs[name] for name in _YARDSTICKS if name in self.runs), None)
        return median(run["cpu"] / run.get("whole", run["seconds"]) for run in runs) if runs else None

    def cores(self) -> float | None:
        """How many times the work of one core two cores did at once; 2 on a machine with nothing else to do."""
        value = self.ratio("raw", "both")
        return None if value is None else 2 * value

    def ratio(self, over: str, under: str) -> float | None:
        """The median of the rounds' own ratios: what slows the machine down slows both sides of a round."""
        return _median_of(self, over, under, lambda one, other: one / other)


def _median_of(part: Part, one: str, other: str, how: Callable[[float, float], float]) -> float | None:
    pairs = zip(part.runs.get(one, ()), part.runs.get(other, ()), strict=False)
    values = [how(a["seconds"], b["seconds"]) for a, b in pairs]
    return median(values) if values else None


def save(part: Part, folder: Path = FOLDER) -> Path:
    """Write a part's file in place of an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part.name}.json"
    data = {"name": part.name, "facts": part.facts, "runs": part.runs, "machine": part.machine, "load": part.load}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return path


def load_all(folder: Path = FOLDER) -> dict[str, Part]:
    """Every part that was measured so far, by name."""
    parts = (Part(**json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json")))
    return {part.name: part for part in parts}


def machine() -> dict[str, str]:
    """What the figures were measured on, and when."""
    from yaml import _yaml

    kernel = re.match(r"[\d.]*\d", platform.release())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "cores": f"{len(os.sched_getaffinity(0))} ({_line('/proc/cpuinfo', 'model name') or platform.machine()})",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "Linux": kernel[0] if kernel else "",
        "Python": platform.python_version(),
        "PyYAML": version("pyyaml"),
        "libyaml": _yaml.get_version_string(),
        "SQLite": sqlite3.sqlite_version,
    }


def _line(path: str, name: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(rf"^{name}\s*: (.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _commit() -> str:
    git = ["git", "-C", str(ROOT)]
    named = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    if named.returncode:
        return "unknown"
    dirty = subprocess.run([*git, "status", "--porcelain", "reconciler"], capture_output=True, text=True, check=False)
    return named.stdout.strip() + (" and changes" if dirty.stdout.strip() else "")
