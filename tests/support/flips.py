"""A plan file, each byte of which is altered."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from reconciler.errors import InvalidInput, StalePlan
from reconciler.planfile import plan_text, read_plan
from reconciler.session import read_plan_file
from support.planning import has


def small_plan() -> bytes:
    """A plan file with each of the five calls."""
    from support.running import all_five, rig

    declared, known = all_five()
    return plan_text(rig(declared, [known, has("u")]).plan).encode("ascii")


def flip_every_byte(*, every: int = 1) -> tuple[Counter[str], list[str]]:
    """Each byte of the small plan's file (or each ``every``-th), replaced in three ways, read as `apply` reads it.

    Counts ``flips``, ``refused`` and ``equivalent``; a list of those that made another plan of it.
    """
    data = small_plan()
    sealed = read_plan(data.decode("ascii"), name="plan.json")
    counts: Counter[str] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "plan.json")
        for place in range(0, len(data), every):
            byte = data[place]
            # Its neighbour; the other case, or what is no text; a blank, which between tokens says nothing.
            for other in (byte ^ 0x01, byte ^ 0x20 or 0xFF, 0x20 if byte != 0x20 else 0x09):
                path.write_bytes(data[:place] + bytes([other]) + data[place + 1 :])
                counts["flips"] += 1
                try:
                    found, _ = read_plan_file(str(path))
                except (InvalidInput, StalePlan):
                    counts["refused"] += 1
                    continue
                counts["equivalent"] += found == sealed
                if found != sealed:
                    wrong.append(f"byte {place} as {other:#x} makes another plan")
    return counts, wrong
