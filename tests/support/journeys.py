"""Journeys: what somebody types in a folder, what comes back, and which calls reach Payway.

A journey is a text that reads like a session at a terminal::

    # A story, told in comments.
    take manifests                            what of the checkout is needed, besides the journey's own folder
    payway --faults faults.json               starts `reconciler simulate` over known-state.json
    copy FILE TO                              copies a file
    change FILE: OLD -> NEW                   replaces a text that stands in it once
    $ NAME=VALUE reconciler plan -e stage     a command, with its environment
      exit 0                                  its exit code (0 unless said)
      out TEXT                                what stands in standard output, wherever lines break; err likewise
      not TEXT                                what stands in neither
    steps plan.json                           all requests of a plan file, in its order
      update {"account_id":"…"}
    calls                                     all calls since the last look, in order; - for an answer that was cut
      200 update {"account_id":"…"}

In angle brackets stands what differs from run to run: ``<payway>``, ``<run>``, ``<digest of plan.json>``,
``<days -2>`` (a time two days ago).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.operations import OPERATIONS
from reconciler.operations.base import API_PREFIX
from support import commands
from support.commands import ROOT, Result

REQUEST_LOG = "requests.jsonl"
ACTIONS = {API_PREFIX + operation.path: operation.action for operation in OPERATIONS}

_BRACKETS = re.compile(r"<(payway|run|digest|days)(?: of)?(?: ([^<>]+))?>")


@dataclass(frozen=True, slots=True)
class Act:
    """One line of a journey and the indented lines below it; ``line`` is its number."""

    line: int
    text: str
    below: tuple[str, ...]


def acts(path: Path) -> Iterator[Act]:
    """The acts of a journey file."""
    found: list[tuple[int, str, list[str]]] = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if text.startswith("  "):
            found[-1][2].append(text.strip())
        elif text.strip() and not text.startswith("#"):
            found.append((number, text.strip(), []))
    return (Act(number, text, tuple(below)) for number, text, below in found)


def calls_in(log: Path) -> list[dict[str, Any]]:
    """The calls in a request log, in the order in which they came."""
    lines = log.read_text().splitlines() if log.exists() else []
    return sorted(map(json.loads, lines), key=lambda call: call["number"])


def requests_of(plan: Path) -> list[tuple[str, str, str]]:
    """Method, path and body text of a plan file's requests, in its order, as they are written there."""
    bodies = re.findall(r'"request":\{"method":"(\w+)","path":"([^"]+)","body":(\{[^{}]*\})\}', plan.read_text())
    assert len(bodies) == len(json.loads(plan.read_text())["steps"])
    return bodies


@dataclass(slots=True)
class Journey:
    """A journey under way in ``folder``. ``runner`` is `commands.run` or `commands.call`."""

    folder: Path
    runner: Callable[..., Result]
    stack: ExitStack
    payway: str | None = None
    looked: int = 0
    results: list[Result] = field(default_factory=list)

    def go(self, path: Path) -> None:
        """Play the journey in the file ``path``."""
        for act in acts(path):
            word, _, rest = act.text.partition(" ")
            try:
                getattr(self, "_shell" if word == "$" else f"_{word}")(rest, act.below)
            except AssertionError as error:
                raise AssertionError(f"{path.name}:{act.line}: {act.text}\n{error}") from error
        assert not [call["number"] for call in self.calls() if call["overlap"]], "calls came at the same time"

    def calls(self) -> list[dict[str, Any]]:
        """Every call that has reached Payway."""
        return calls_in(self.folder / REQUEST_LOG)

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run one command; what it wrote is kept."""
        result = self.runner(*arguments, cwd=self.folder, env=environment)
        self.results.append(result)
        return result

    def take(self, *names: str) -> None:
        """Copy files and folders of the checkout here."""
        for name in names:
            source, target = ROOT / name, self.folder / Path(name).name
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)

    def start_payway(self, *options: str) -> None:
        """Simulate Payway over known-state.json, with a request log."""
        given = ("--snapshot", "known-state.json", "--request-log", REQUEST_LOG, *options)
        self.payway = self.stack.enter_context(commands.simulated(*given, cwd=self.folder))

    def filled(self, text: str) -> str:
        """``text`` with its angle brackets filled in."""
        return _BRACKETS.sub(lambda match: self._value(match[1], match[2]), text)

    def _value(self, name: str, of: str | None) -> str:
        if name == "payway":
            assert self.payway is not None, "no payway was started"
            return self.payway
        if name == "run":
            listed = self.runner("runs", "list", "-e", of or "stage", "--format", "json", cwd=self.folder)
            return str(json.loads(listed.out.splitlines()[-1])["run_id"])
        if name == "digest":
            return str(json.loads((self.folder / str(of)).read_text())["steps_digest"])
        return f"{datetime.now(UTC) + timedelta(days=int(of or 0)):%Y-%m-%dT%H:%M:%SZ}"

    def _take(self, names: str, _: tuple[str, ...]) -> None:
        self.take(*names.split())

    def _payway(self, options: str, _: tuple[str, ...]) -> None:
        self.start_payway(*options.split())

    def _copy(self, names: str, _: tuple[str, ...]) -> None:
        source, target = names.split()
        shutil.copy(self.folder / source, self.folder / target)

    def _change(self, what: str, _: tuple[str, ...]) -> None:
        name, old, new = re.fullmatch(r"(\S+): (.*) -> (.*)", self.filled(what)).groups()
        text = (self.folder / name).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (self.folder / name).write_text(text.replace(old, new))

    def _shell(self, typed: str, below: tuple[str, ...]) -> None:
        words = shlex.split(self.filled(typed))
        at = words.index("reconciler")
        result = self.run(*words[at + 1 :], **dict(word.split("=", 1) for word in words[:at]))
        wanted = [line for line in below if line.startswith("exit ")] or ["exit 0"]
        assert [f"exit {result.code}"] == wanted, result.said
        for line in below:
            kind, _, text = line.partition(" ")
            text = _flat(self.filled(text))
            if kind == "not":
                assert text not in _flat(result.out + result.err), f"{line}\n{result.said}"
            elif kind != "exit":
                assert text in _flat({"out": result.out, "err": result.err}[kind]), f"{line}\n{result.said}"

    def _steps(self, name: str, below: tuple[str, ...]) -> None:
        _same([f"{ACTIONS[path]} {body}" for _, path, body in requests_of(self.folder / name)], below)

    def _calls(self, _: str, below: tuple[str, ...]) -> None:
        calls = self.calls()
        new, self.looked = calls[self.looked :], len(calls)
        shown = ("-" if call["status"] is None else call["status"] for call in new)
        _same(
            [f"{status} {ACTIONS[call['path']]} {call['body']}" for status, call in zip(shown, new, strict=True)], below
        )


def _same(found: list[str], expected: tuple[str, ...]) -> None:
    assert found == list(expected), "\n  ".join(["found", *found, "expected", *expected])


def _flat(text: str) -> str:
    return " ".join(text.split())
