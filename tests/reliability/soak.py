"""20,000 steps over real HTTP into a real SQLite store while 2 % of the calls go wrong: ``soak.py``.

The command line is run as a person would run it, and gone on with by `resume` for as long as something is left. In the
end the report, the journal, Payway's world and its request log must say the same, and memory must have stayed flat.
Run it with ``PYTHONPATH=tests:.``; the last line is its figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any

from support.commands import environment, run, simulated
from support.planning import account_id, product_id, user_product_id

from reconciler.operations.base import API_PREFIX
from reconciler.payway.pages import BY_PATH

#: No command may take longer, in seconds.
_PATIENCE = 1800

_SETTINGS = """
[apply]
delays = [0.01]
max_wait = 3600
cool_down = 0.05
"""
_FAULTS = [
    {"drop": "before"},
    {"drop": "after"},
    {"drop": "body"},
    {"status": 500},
    {"status": 503, "carried_out": True, "body": "<html>"},
    {"status": 429},
    {"status": 200, "body": "{", "carried_out": True},
    {"status": 504, "carried_out": True},
]


def _name(number: int) -> str:
    return f"{number:05d}"


def _snapshot(accounts: int, now: datetime) -> str:
    def line(number: int) -> dict[str, Any]:
        name = _name(number)
        product = {
            "product_id": product_id(name),
            "user_product_id": user_product_id(name),
            "state": "cancelled",
            "subscription_type": "limited",
            "valid_from": f"{now - timedelta(days=9):%Y-%m-%dT%H:%MZ}",
            "valid_to": f"{now + timedelta(days=9):%Y-%m-%dT%H:%MZ}",
            "subscription_number": "7",
            "provision_service": "tulo",
        }
        return {"account_id": account_id(name), "customer_number": f"c-{name}", "user_products": [product]}

    head = {"format": "reconciler.known-state/v1", "environment": "stage", "observed_at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    return json.dumps({**head, "accounts": [line(number) for number in range(accounts)]})


def _manifests(accounts: int, later: str) -> str:
    def document(number: int) -> str:
        name = _name(number)
        return (
            f"apiVersion: payway/v1\nkind: Account\naccount_id: {account_id(name)}\ncustomer_number: c-{name}\n"
            f"sync: {{address: 1, subscriptions: 1}}\nuser_products:\n"
            f"  - product_id: {product_id(name)}\n    user_product_id: {user_product_id(name)}\n"
            f"    state: activated\n    valid_to: {later}\n    subscription_number: n{number}\n"
        )

    return "---\n".join(document(number) for number in range(accounts))


def _memory(process: int) -> float:
    """The resident memory of a process, in MiB; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0.0
    return pages * 4096 / 2**20


def _watch(log: Path, process: Any, samples: list[tuple[int, float]]) -> None:
    """Note how many calls were made and how much memory that took, until the process ends."""
    seen, position = 0, 0
    while process.poll() is None:
        with log.open("rb") as lines:
            lines.seek(position)
            new = lines.read()
            position += len(new)
        seen += new.count(b"\n")
        memory = _memory(process.pid)
        if memory and new:
            samples.append((seen, memory))
        time.sleep(0.25)


def _start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a command whose output goes into a file: nobody reads it meanwhile."""
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *words],
            cwd=folder,
            env=environment({"PAYWAY_TOKEN": "any"}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _go(folder: Path, url: str, accounts: int, now: datetime) -> dict[str, Any]:
    """Import, plan, apply and resume; the figures."""
    log = folder / "requests.jsonl"
    log.touch()
    plans = ("plan", "-e", "stage", "--base-url", url, "-o", "plan.json", "-q")
    accept = [word for guard in ("changed", "reactivated") for word in ("--accept", guard)]
    for words in (("state", "import", "-e", "stage", "known.json"), (*plans, *accept)):
        code = _start(folder, *words).wait(_PATIENCE)
        assert code == 0, (folder / "output.txt").read_text()[-2000:]
    samples: list[tuple[int, float]] = []
    command: tuple[str, ...] = ("apply", "plan.json")
    begun = time.monotonic()
    for _ in range(10):
        process = _start(folder, *command, "--base-url", url, "--report", "report.json", "-q")
        _watch(log, process, samples)
        code = process.wait(_PATIENCE)
        if code not in (7, 8):
            break
        command = ("resume", "-e", "stage")
    took = time.monotonic() - begun
    report = json.loads((folder / "report.json").read_text())
    said = (folder / "output.txt").read_text()[-800:] if code else ""
    return {"exit": code, "said": said, "seconds": round(took), **_judge(folder, report, samples)}


def _judge(folder: Path, report: dict[str, Any], samples: list[tuple[int, float]]) -> dict[str, Any]:
    """Whether report, journal, log and world say the same, and how memory went."""
    calls = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
    last = max(count for count, _ in samples)
    # The plan is read and checked before the first call: memory counts from there on.
    first = mean(memory for count, memory in samples if 0.05 * last < count <= 0.25 * last)
    end = mean(memory for count, memory in samples if count > 0.75 * last)
    actions = Counter(BY_PATH[call["path"]].action for call in calls if call["path"].startswith(API_PREFIX))
    return {
        "steps": len(report["steps"]),
        "counts": report["counts"],
        "calls": len(calls),
        "calls that went wrong": sum(call["status"] != 200 for call in calls),
        "tries in the report": sum(step["attempts"] for step in report["steps"]),
        "overlaps": sum(call["overlap"] for call in calls),
        "called": dict(actions),
        "first quarter MiB": round(first, 1),
        "last quarter MiB": round(end, 1),
        "verify": run("state", "verify", "-e", "stage", cwd=folder).code,
    }


def _world_is_right(path: Path, accounts: int, end: str) -> bool:
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    world = {line["account_id"]: line for line in lines}
    return len(world) == accounts and all(
        (product["state"], product["valid_to"], product["subscription_number"]) == ("activated", end, f"n{number}")
        and min(world[account_id(_name(number))]["syncs"].values()) >= 1
        for number in range(accounts)
        for product in world[account_id(_name(number))]["user_products"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=0.02, help="the share of calls that go wrong")
    given = parser.parse_args()
    accounts = given.steps // 5
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    later = now.replace(second=0) + timedelta(days=365)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "manifests").mkdir()
        (folder / "manifests" / "all.yaml").write_text(_manifests(accounts, f"{later:%Y-%m-%d %H:%M} +0000"))
        (folder / "known.json").write_text(_snapshot(accounts, now))
        (folder / "reconciler.toml").write_text(_SETTINGS)
        (folder / "faults.json").write_text(json.dumps([{"rate": given.rate, "seed": 1, "faults": _FAULTS}]))
        options = ("--snapshot", "known.json", "--world", "world.jsonl", "--faults", "faults.json")
        with simulated(*options, "--request-log", "requests.jsonl", cwd=folder) as url:
            figures = _go(folder, url, accounts, now)
        figures["world"] = _world_is_right(folder / "world.jsonl", accounts, f"{later:%Y-%m-%dT%H:%M:00Z}")
    done = figures["counts"]["applied"] + figures["counts"]["assumed"]
    right = (
        figures["exit"] == figures["verify"] == figures["overlaps"] == 0
        and done == figures["steps"] == accounts * 5
        and figures["calls"] == figures["tries in the report"]
        and figures["world"]
        and figures["last quarter MiB"] <= figures["first quarter MiB"] * 1.1
    )
    print(json.dumps({**figures, "right": right}))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
