"""A folder with manifests that count as many, and with what is known of them: small ones, in large files.

By size these are as many as it takes for a cache and for more processes; what follows from each line is a comment.
"""

from __future__ import annotations

import json
from pathlib import Path

from support.commands import Result, call

#: The moment of every plan here.
AT = "2026-11-24T10:00:00Z"


def account(number: int) -> str:
    """An account's id; no tool takes it for a number."""
    return f"{number:023x}f"


def manifest(number: int, state: str = "activated", more: str = "") -> str:
    """One document in a line."""
    product = f"{{product_id: {1:023x}a, user_product_id: {number:023x}b, state: {state}}}"
    head = "apiVersion: payway/v1, kind: Account"
    return f"{{{head}, account_id: {account(number)}, owner: o{number}{more}, user_products: [{product}]}}\n"


class LargeFleet:
    """Manifests in ``folder/manifests``, ``each`` in a file, and a snapshot of known state beside them."""

    def __init__(self, folder: Path, *, files: int = 4, each: int = 3, padding: int = 140_000) -> None:
        self.folder, self.files, self.each, self.padding = folder, files, each, padding
        (folder / "manifests").mkdir()
        self.states = dict.fromkeys(range(files * each), "activated")
        for file in range(files):
            self.write(file)
        self.know(serial=1)

    def write(self, file: int) -> None:
        """Write one of the files."""
        numbers = range(file * self.each, (file + 1) * self.each)
        text = "---\n".join(manifest(number, self.states[number]) for number in numbers)
        self.path(file).write_text(text + "#" * self.padding + "\n")

    def path(self, file: int) -> Path:
        """Where a file is."""
        return self.folder / "manifests" / f"{file:03}.yaml"

    def declare(self, number: int, state: str) -> None:
        """Declare another state."""
        self.states[number] = state
        self.write(number // self.each)

    def know(self, *, serial: int, state: str = "activated", missing: int = 1, hour: int = 9) -> None:
        """What is known: of all but the last ``missing`` accounts, and of one that nobody declares, since ``hour``."""
        numbers = [*range(len(self.states) - missing), 10**6]
        accounts = [
            {
                "account_id": account(number),
                "user_products": [{"product_id": f"{1:023x}a", "user_product_id": f"{number:023x}b", "state": state}],
            }
            for number in numbers
        ]
        known = {
            "format": "reconciler.known-state/v1",
            "environment": "stage",
            "lineage": "a" * 32,
            "serial": serial,
            "observed_at": f"2026-11-24T{hour:02}:00:00Z",
            "accounts": accounts,
        }
        (self.folder / "known.json").write_text(json.dumps(known))

    @property
    def cache(self) -> Path:
        """Where the cache is."""
        return self.folder / ".reconciler" / "cache.db"

    def arguments(self, *options: str, out: str = "plan.json") -> list[str]:
        """Those of a plan."""
        return ["plan", "-e", "stage", "--state", "file:known.json", "--at", AT, "-o", out, *options]

    def plan(self, *options: str, runner=call) -> bytes:
        """The plan file of a plan."""
        result = self.run(*options, runner=runner)
        assert result.code in (0, 5), result.said
        return (self.folder / "plan.json").read_bytes()

    def run(self, *options: str, runner=call) -> Result:
        """A plan, whatever comes of it."""
        (self.folder / "plan.json").unlink(missing_ok=True)
        return runner(*self.arguments(*options), cwd=self.folder)
