"""Real processes to kill: the command line in forked children, and Payway in a process of its own.

The parent is a single thread that has imported everything, so that a child is there in a millisecond. Children are
the real `reconciler.cli.run` on a real SQLite store over real HTTP; only the place where they die is made here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.operations.base import API_PREFIX
from reconciler.payway.pages import BY_PATH
from reconciler.payway.server import SimulatorServer
from reconciler.payway.simulator import Reply, Simulator
from reconciler.payway.world import World
from reconciler.payway.worldfile import account_line
from reconciler.payway.worldmodel import WorldAccount
from reconciler.session import system_clock
from reconciler.state.sqlite import SqliteStore

#: Where a process can die around one call, in the order in which it passes them. At `server` points it is killed by
#: Payway's side, at the others by itself, with the same signal.
POINTS = {
    "before the intent": "itself",
    "intent not yet durable": "itself",
    "after the intent": "itself",
    "under way, and lost": "server",
    "under way, and arriving": "server",
    "carried out": "server",
    "answered": "itself",
    "outcome not yet durable": "itself",
    "after the outcome": "itself",
}


# --- Payway in a process of its own ---


class _Ambush(Simulator):
    """A simulator that can kill the process that calls it."""

    target: dict[str, Any] | None = None

    def respond(self, method: str, path: str, body: bytes, content_type: str | None, **more: Any) -> Reply:
        target = self.target
        page = BY_PATH.get(path)
        if target is None or page is None or page.action != target["action"]:
            return super().respond(method, path, body, content_type, **more)
        self.target = None
        if target["point"] != "carried out":
            _kill(target["process"])
        if target["point"] == "under way, and lost":
            # Payway never saw it; what it looked like to us doesn't matter, since nobody reads the answer.
            return Reply(0, cut="before")
        reply = super().respond(method, path, body, content_type, **more)
        if target["point"] == "carried out":
            _kill(target["process"])
        return reply


class PaywayProcess:
    """Payway on a loopback port. One question at a time goes to it over a pipe, as a line of JSON."""

    def __init__(self, accounts: Sequence[WorldAccount]) -> None:
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            os.close(self._to)
            os.close(self._from)
            _serve(accounts, to_read, to_write)
        os.close(to_read)
        os.close(to_write)
        self._questions = os.fdopen(self._to, "w")
        self._answers = os.fdopen(self._from)
        self.url: str = self.ask("url")

    def ask(self, what: str, **more: object) -> Any:
        """``reset``, ``aim`` (at ``process``, ``action``, ``point``), ``calls``, ``world`` or ``overlaps``."""
        self._questions.write(json.dumps({"what": what, **more}) + "\n")
        self._questions.flush()
        return json.loads(self._answers.readline())

    def close(self) -> None:
        """End it."""
        self._questions.close()
        self._answers.close()
        os.waitpid(self._process, 0)


def _serve(accounts: Sequence[WorldAccount], to_read: int, to_write: int) -> None:
    """The life of Payway's process: answer questions until the pipe is closed."""
    world = World(None, accounts)
    log: list[Any] = []
    simulator = _Ambush(world, clock=system_clock, log=log)
    server = SimulatorServer(simulator)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with os.fdopen(to_read) as questions, os.fdopen(to_write, "w") as answers:
        for line in questions:
            question = json.loads(line)
            answer: object = None
            match question.pop("what"):
                case "url":
                    answer = server.url
                case "reset":
                    for account in accounts:
                        world.put(account)
                    log.clear()
                    simulator.violations.clear()
                    simulator.target = None
                case "aim":
                    simulator.target = question
                case "calls":
                    answer = [[call.path.removeprefix(API_PREFIX), call.body] for call in log]
                case "world":
                    # A sync that was repeated counts twice, and leaves the same.
                    answer = [account_line(replace(account, syncs={})) for account in world.accounts()]
                case "overlaps":
                    answer = simulator.violations
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    os._exit(0)


def _kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    # Gone, not only told to go: a zombie holds no file and no socket.
    with suppress(FileNotFoundError):
        while _state(process) != "Z":
            time.sleep(0.0005)


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


# --- Commands in processes of their own ---


@dataclass(frozen=True, slots=True)
class Death:
    """Where a process kills itself: at ``point`` of the first call of ``action``."""

    action: str
    point: str


class Child:
    """``reconciler ARGUMENTS`` in a forked process, which waits until it is let go."""

    def __init__(self, arguments: Sequence[str], folder: Path, death: Death | None = None) -> None:
        waits, self._go = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            os.close(self._go)
            os.read(waits, 1)
            _live(arguments, folder, death)
        os.close(waits)

    def go(self) -> Child:
        """Let it run."""
        os.write(self._go, b"!")
        os.close(self._go)
        return self

    def kill(self) -> None:
        """Kill it, wherever it is; nothing happens if it has ended."""
        os.kill(self.process, signal.SIGKILL)

    def end(self) -> int:
        """Wait for its end; the exit code, or minus the signal that killed it."""
        _, status = os.waitpid(self.process, 0)
        return os.waitstatus_to_exitcode(status)


def run(arguments: Sequence[str], folder: Path) -> int:
    """Run a command to its end; its exit code."""
    return Child(arguments, folder).go().end()


def _live(arguments: Sequence[str], folder: Path, death: Death | None) -> None:
    """The life of a child."""
    code = 1
    try:
        os.chdir(folder)
        output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["PAYWAY_TOKEN"] = "any"
        if death is not None:
            _prepare(death)
        from reconciler import cli

        code = cli.run(list(arguments))
        sys.stdout.flush()
    finally:
        os._exit(code)


def _prepare(death: Death) -> None:
    """Wrap what the process passes, so that it dies at its point."""
    from reconciler.payway import client

    def die_if(*points: str) -> None:
        if death.point in points:
            os.kill(os.getpid(), signal.SIGKILL)

    class Telling:
        """A change that tells what is written into it."""

        written = ""

        def __init__(self, change: Any) -> None:
            self._change = change

        def __getattr__(self, name: str) -> Any:
            return getattr(self._change, name)

        def append(self, entry: Any) -> Any:
            if entry.action != death.action:
                return self._change.append(entry)
            if entry.status == "intent":
                die_if("before the intent")
            placed = self._change.append(entry)
            self.written = "intent" if entry.status == "intent" else "outcome"
            die_if(f"{self.written} not yet durable")
            return placed

    change = SqliteStore.change

    @contextmanager
    def change_and_tell(self: Any, fence: Any = None) -> Iterator[Any]:
        with change(self, fence) as made:
            telling = Telling(made)
            yield telling
        die_if(f"after the {telling.written}")

    send = client.HttpSender.send

    def send_and_tell(self: Any, request: Any) -> Any:
        answer = send(self, request)
        if BY_PATH[request.path].action == death.action:
            die_if("answered")
        return answer

    SqliteStore.change = change_and_tell  # type: ignore[method-assign,assignment]
    client.HttpSender.send = send_and_tell  # type: ignore[method-assign]


def preload() -> None:
    """Import what a run needs, so that children have it already."""
    import deepdiff
    import httpx
    import jsonschema
    import rich.progress
    import stamina
    import yaml

    from reconciler import cli, execution, planfile, session
    from reconciler.cli import app, apply, plan, runs

    assert all((deepdiff, httpx, jsonschema, rich.progress, stamina, yaml))
    assert all((cli, execution, planfile, session, app, apply, plan, runs))


def clean_environment(names: Mapping[str, str]) -> None:
    """Take out of this process's environment what could reach a command."""
    for name in list(os.environ):
        if name.startswith(("RECONCILER_", "PAYWAY_", "CI", "GITHUB_", "GITLAB_")):
            del os.environ[name]
    os.environ.update(names)


def timed(action: Callable[[], object]) -> float:
    """How long ``action`` takes, in seconds."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
