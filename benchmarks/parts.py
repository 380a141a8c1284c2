"""What is measured in turns with what: each part is a list of rounds, and in each round everything runs once.

So whatever else the machine does meets both sides of a ratio. Files are in the page cache: a fleet is read through
before its raw load and before its cold plan. *Cold* means that ``.reconciler/cache.db`` isn't there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from benchmarks import fleet as fleets
from benchmarks.fleet import Fleet, Layout
from benchmarks.processes import ROOT, Failed, Measured, environment, measure, reconciler
from benchmarks.results import Part, machine

Say = Callable[[str], None]

#: A cache may distrust files that were written just before it; no plan is measured sooner after writing, in seconds.
SETTLED = 2.1

# One percent of a million is more than the guard `changed` lets pass by itself.
_PLAN = ("plan", "-e", "stage", "manifests", "-o", "plan.json", "--accept", "changed")


def short(count: int) -> str:
    """10k, 1M: how sizes are given."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if count >= size and not count % size:
            return f"{count // size}{letter}"
    return str(count)


@cache
def takes(flag: str) -> bool:
    """True if `plan` has this option."""
    done = subprocess.run(reconciler("plan", "--help"), env=environment(), capture_output=True, text=True, check=True)
    return re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", done.stdout) is not None


class Workspace:
    """A folder with a fleet, its known state and what the commands leave there."""

    def __init__(self, fleet: Fleet, folder: Path, say: Say) -> None:
        why = fleets.room_for(fleet, folder)
        if why is not None:
            raise Failed(why)
        self.fleet = fleet
        self.folder = folder
        self.manifests = folder / "manifests"
        self.known = folder / "known.jsonl"
        say(f"writing {fleet.accounts:,} accounts, files: {fleet.files():,}")
        self.size = fleets.write_manifests(fleet, self.manifests)
        fleets.write_known(fleet, self.known)
        self._written = time.monotonic()

    def run(self, name: str, *arguments: str) -> Measured:
        """Run ``reconciler ARGUMENTS`` here; what it prints goes into the file ``NAME.txt``."""
        return measure(reconciler(*arguments), folder=self.folder, out=self.folder / f"{name}.txt")

    def raw(self) -> dict[str, float]:
        """The yardstick: seconds of reading and loading, as the loader itself timed them."""
        out = self.folder / "raw.json"
        command = [sys.executable, str(ROOT / "benchmarks" / "raw_load.py"), str(self.manifests)]
        run = measure(command, folder=self.folder, out=out)
        told = json.loads(out.read_text(encoding="ascii"))
        if told["documents"] != self.fleet.accounts:
            raise Failed(f"the raw loader read {told['documents']:,} documents")
        took = {"seconds": told["reading"] + told["loading"], "loading": told["loading"], "whole": run.seconds}
        return run.data() | took

    def both(self) -> dict[str, float]:
        """What two cores give at the moment: the same load, done twice at once."""
        out = self.folder / "raw.json"
        command = [sys.executable, str(ROOT / "benchmarks" / "raw_load.py"), str(self.manifests), "2"]
        run = measure(command, folder=self.folder, out=out)
        return run.data() | {"seconds": json.loads(out.read_text(encoding="ascii"))["together"]}

    def fill(self, store: str = "stage") -> Measured:
        """Import known state into a new store."""
        for path in self.folder.glob(f".reconciler/{store}.db*"):
            path.unlink()
        return self.run(
            "import", "state", "import", "-e", "stage", "--state", f"sqlite:///.reconciler/{store}.db", "known.jsonl"
        )

    def plan(self, *more: str, cold: bool = False, steps: int | None = None) -> Measured:
        """`plan --out`, held to the number of steps that the fleet was made for."""
        self._begin(cold=cold)
        run = self.run("plan", *_PLAN, *more)
        found = re.search(r'"update": ?(\d+)', self._head())
        expected = self.fleet.differing if steps is None else steps
        if found is None or int(found[1]) != expected:
            raise Failed(f"the plan holds {found and found[1]} updates; the fleet was made for {expected}")
        return run

    def stages(self, *, cold: bool = False) -> dict[str, float]:
        """The seconds of a plan's stages, and what is left of the whole."""
        self._begin(cold=cold)
        out = self.folder / "stages.json"
        command = [sys.executable, str(ROOT / "benchmarks" / "stages.py"), str(out), *_PLAN]
        run = measure(command, folder=self.folder, out=self.folder / "plan.txt")
        found: dict[str, float] = json.loads(out.read_text(encoding="ascii"))
        return found | {"rest": run.seconds - sum(found.values())}

    def _begin(self, *, cold: bool) -> None:
        """Wait until no cache distrusts a file; cold, without what was kept."""
        if cold:
            for path in self.folder.glob(".reconciler/cache*"):
                path.unlink()
        time.sleep(max(0.0, SETTLED - (time.monotonic() - self._written)))

    def digest(self) -> str:
        """What the last plan would do."""
        found = re.search(r'"steps_digest": ?"([^"]+)"', self._head())
        return found[1] if found else ""

    def change(self, *, changed: bool) -> int:
        """Declare one percent anew, or again as before."""
        files = fleets.write_changed(self.fleet, self.manifests, changed=changed)
        self._written = time.monotonic()
        return files

    def read_through(self) -> None:
        """Bring manifests and store into the page cache."""
        # Not rglob, which keeps all paths: what this process holds is counted as a peak of those that it starts.
        for folder, _, names in os.walk(self.manifests):
            for name in names:
                Path(folder, name).read_bytes()
        for path in self.folder.glob(".reconciler/stage.db*"):
            with path.open("rb") as store:
                while store.read(1 << 20):
                    pass

    def _head(self) -> str:
        with (self.folder / "plan.json").open(encoding="ascii") as file:
            return file.read(65536)


def warm_up(folder: Path) -> None:
    """Run each command once on a few accounts, so that Python's compiled files are there."""
    folder.mkdir()
    tiny = Workspace(Fleet(10, "packed", share=2), folder, lambda _: None)
    tiny.fill()
    tiny.plan()
    tiny.plan()
    tiny.run("validate", "validate", "manifests")
    tiny.raw()


def planning(accounts: int, layout: Layout, rounds: int, brief: bool, folder: Path, say: Say) -> Part:
    """Raw load, validate, and plans cold, warm and after one percent changed, of one fleet.

    In ``brief``, only what an aim is about.
    """
    part = Part(f"plan-{short(accounts)}-{layout}", machine=machine())
    space = Workspace(Fleet(accounts, layout), folder, say)
    part.facts |= {"accounts": accounts, "layout": layout, "files": space.fleet.files(), "bytes": space.size}
    say("importing known state")
    part.add("import", space.fill())
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        _round(part, space, say, extras=not brief and (number == 0 or accounts < 1_000_000))
        if number == 0 and not brief:
            part.facts["stages"] = _stages(space, say)
        if layout == "packed" and accounts < 1_000_000:
            part.add("import", space.fill("import"))
    part.facts["plan bytes"] = (folder / "plan.json").stat().st_size
    part.facts["store bytes"] = sum(path.stat().st_size for path in folder.glob(".reconciler/stage.db*"))
    part.facts["cache bytes"] = sum(path.stat().st_size for path in folder.glob(".reconciler/cache*"))
    return part


def _round(part: Part, space: Workspace, say: Say, *, extras: bool) -> None:
    def add(name: str, run: Measured | dict[str, float]) -> None:
        part.add(name, run)
        say(f"  {name:18} {part.runs[name][-1]['seconds']:9.2f} s {part.memory(name) or 0:8.0f} MiB")

    # Before each of the two, since some systems take back after minutes what nobody reads.
    space.read_through()
    add("raw", space.raw())
    if extras:
        add("both", space.both())
    space.read_through()
    add("cold", space.plan(cold=True))
    digest = space.digest()
    add("warm", space.plan())
    if space.digest() != digest:
        raise Failed("the warm plan would do something else than the cold one")
    if extras and takes("--full-hash"):
        add("full-hash", space.plan("--full-hash"))
        if space.digest() != digest:
            raise Failed("the plan of --full-hash would do something else than the cold one")
    part.facts["changed files"] = space.change(changed=True)
    add("changed", space.plan(steps=space.fleet.differing + len(space.fleet.changed())))
    space.change(changed=False)
    if not extras:
        return
    if takes("--jobs"):
        add("cold-jobs-1", space.plan("--jobs", "1", cold=True))
    add("cold-snapshot", space.plan("--state", "file:known.jsonl", cold=True))
    for path in space.folder.glob(".reconciler/cache*"):
        path.unlink()
    add("validate", space.run("validate", "validate", "manifests"))


def _stages(space: Workspace, say: Say) -> dict[str, dict[str, float]]:
    """Where the time of each kind of plan goes."""
    say("  stages")
    found = {"cold": space.stages(cold=True), "warm": space.stages()}
    space.change(changed=True)
    found["changed"] = space.stages()
    space.change(changed=False)
    for path in space.folder.glob(".reconciler/cache*"):
        path.unlink()
    return found


def startup(rounds: int, folder: Path, say: Say) -> Part:
    """A bare Python against `reconciler --help`."""
    part = Part("startup", machine=machine())
    say(f"starting Python {2 * rounds} times")
    for _ in range(rounds):
        part.add("bare", measure([sys.executable, "-c", "pass"], folder=folder))
        part.add("help", measure(reconciler("--help"), folder=folder))
    return part


def overhead(calls: int, rounds: int, folder: Path, say: Say) -> Part:
    """What the applier costs a call, by its own benchmark."""
    part = Part("overhead", machine=machine())
    say(f"applying {calls} calls {rounds} times")
    out = folder / "overhead.json"
    script = str(ROOT / "benchmarks" / "apply_overhead.py")
    command: Sequence[str] = [sys.executable, script, "--json", "--calls", str(calls), "--rounds", str(rounds)]
    part.add("overhead", measure(command, folder=folder, out=out))
    part.facts |= {"calls": calls, "rounds": rounds} | json.loads(out.read_text(encoding="ascii"))
    return part
