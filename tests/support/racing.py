"""Races: real commands in processes that are ready before they start, all at one moment, against one Payway.

A racer is this file run as a program: it reads command lines as JSON, one a line, runs each at the moment that the
line gives, and answers with exit code and standard error.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.commands import ROOT, Result, call, environment

STEPS = 3
ACCOUNTS = [f"50f3ac249f6aef294d00000{number}" for number in range(STEPS)]
PRODUCT = "56e1741a6fc9365306000001"

#: When the window of every product ends at first, and so what every round moves by another day.
FIRST_END = datetime(2040, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Racer:
    """A process that waits for commands."""

    process: subprocess.Popen[str]

    def go(self, command: Sequence[str], at: float) -> None:
        """Let it run ``command`` at the moment ``at`` (seconds since the epoch)."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([list(command), at]) + "\n")
        self.process.stdin.flush()

    def ended(self) -> Result:
        """How its command ended."""
        assert self.process.stdout is not None
        code, err = json.loads(self.process.stdout.readline())
        return Result(code, "", err)


@dataclass(slots=True)
class Field:
    """A folder, a state store and a Payway at ``base_url`` that all racers share."""

    folder: Path
    state: str
    base_url: str
    end: datetime = FIRST_END

    @property
    def environment(self) -> dict[str, str]:
        return {"RECONCILER_STATE": self.state, "RECONCILER_ENVIRONMENT": "stage", "PAYWAY_TOKEN": "t"}

    def run(self, *command: str) -> Result:
        """Run a command in this process; it must work."""
        done = call(*command, cwd=self.folder, env=self.environment)
        assert done.code == 0, done.said
        return done

    def fill(self) -> None:
        """Let the store know every account."""
        (self.folder / "known.json").write_text(json.dumps(known_state()))
        self.run("state", "import", "known.json")

    def plan(self) -> None:
        """A new plan with one call for each account, in ``plan.json``: its product's end moves by a day."""
        self.end += timedelta(days=1)
        (self.folder / "manifests").mkdir(exist_ok=True)
        for account in ACCOUNTS:
            manifest = {
                "apiVersion": "payway/v1",
                "kind": "Account",
                "account_id": account,
                "user_products": [{"product_id": PRODUCT, "valid_to": f"{self.end:%Y-%m-%dT%H:%M:00Z}"}],
            }
            (self.folder / "manifests" / f"{account}.json").write_text(json.dumps(manifest))
        self.run("plan", "-o", "plan.json", "--accept", "changed", "--base-url", self.base_url)

    @contextlib.contextmanager
    def racers(self, count: int) -> Iterator[list[Racer]]:
        """So many racers that have everything loaded."""
        command = [sys.executable, __file__]
        env = environment(self.environment)
        env["PYTHONPATH"] += f":{ROOT / 'tests'}"
        with contextlib.ExitStack() as stack:
            started = [
                Racer(
                    stack.enter_context(
                        subprocess.Popen(
                            command, cwd=self.folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                        )
                    )
                )
                for _ in range(count)
            ]
            yield started
            for racer in started:
                assert racer.process.stdin is not None
                racer.process.stdin.close()

    def race(self, racers: Iterable[Racer], *command: str) -> list[Result]:
        """Run ``command`` in all of ``racers`` at one moment; gives how it ended in each."""
        racers = list(racers)
        at = time.time() + 0.005
        for racer in racers:
            racer.go((*command, "--base-url", self.base_url), at)
        return [racer.ended() for racer in racers]


def known_state() -> dict[str, object]:
    """A snapshot of every account."""
    accounts = [
        {
            "account_id": account,
            "user_products": [
                {
                    "product_id": PRODUCT,
                    "user_product_id": account.replace("50f3", "57a0"),
                    "state": "activated",
                    "subscription_type": "limited",
                    "valid_from": "2025-12-31T23:00:00Z",
                    "valid_to": f"{FIRST_END:%Y-%m-%dT%H:%M:00Z}",
                    "provision_service": "kayak",
                }
            ],
        }
        for account in ACCOUNTS
    ]
    return {
        "format": "reconciler.known-state/v1",
        "environment": "stage",
        "observed_at": "2026-11-24T06:00:00Z",
        "accounts": accounts,
    }


def main() -> None:
    """Be a racer."""
    from reconciler import cli

    for line in sys.stdin:
        command, at = json.loads(line)
        err = io.StringIO()
        time.sleep(max(at - time.time(), 0))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            code = int(cli.run(command))
        print(json.dumps([code, err.getvalue()]), flush=True)


if __name__ == "__main__":
    main()
