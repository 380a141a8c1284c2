"""Runs every way to a dry run with its every deed noted, and prints the figures.

Run it with ``PYTHONPATH=tests:.``; a real run beside it shows that sockets and writes would be seen.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from support.auditing import DRY_RUNS, NOWHERE, Place


def main() -> int:
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        place = Place.prepare(Path(folder))
        tried = {name: place.audit("apply", *how, "--dry-run") for name, how in DRY_RUNS.items()}
        real = place.audit("apply", "simulator.json")
        sent = place.audit("apply", "--base-url", NOWHERE, "stage.json")
    for name, done in tried.items():
        deeds = [*done.of("socket"), *done.of("write"), *done.of("program"), *done.changed]
        wrong += [f"{name}: {deed}" for deed in deeds]
        if "nothing to Payway" not in done.result.out:
            wrong.append(f"{name}: {done.result.said}")
    counts = {kind: sum(len(done.of(kind)) for done in tried.values()) for kind in ("socket", "write", "program")}
    changed = sum(len(done.changed) for done in tried.values())
    seen = (len(sent.of("socket")), len(real.of("write")), len(sent.of("program")), len(real.changed))
    if 0 in seen:
        wrong.append(f"what a real run does isn't seen: {seen}")
    print("\n".join(wrong), end="\n" if wrong else "")
    print(
        f"{len(tried)} dry runs: {counts['socket']} sockets, {counts['write']} writes, {counts['program']} programs, "
        f"{changed} files changed. Real runs beside them: {seen[0]} sockets, {seen[1]} writes, "
        f"{seen[2]} programs, {seen[3]} files changed."
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
