"""`reconciler` in a process that notes what it does to the world: sockets, files opened for writing, other programs.

Python's audit hooks tell of all of these, whichever library does them; `sqlite3` opens its file itself, but says which
and how. What nobody could hide is looked at, too: every file and folder before and after.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.commands import ROOT, Result, run

#: Loaded by Python itself before anything else; its own file is open before the hook is there.
RECORDER = """
import json
import os
import sys

_log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_changes = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.utime", "os.setxattr", "os.mkfifo", "os.mknod", "shutil.copyfile", "shutil.move", "shutil.rmtree",
    "tempfile.mkstemp", "tempfile.mkdtemp",
}
_programs = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"}

def _kind(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":  # which asks this machine for its own name
        return "socket"
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _writes:
        return "write"
    if event == "sqlite3.connect" and arguments[0] not in (":memory:", ""):  # these two leave nothing behind
        read_only = str(arguments[0]).endswith(("?mode=ro", "?mode=ro&immutable=1"))
        return "read" if read_only else "write"
    return "write" if event in _changes else "program" if event in _programs else None

def _note(event, arguments):
    kind = _kind(event, arguments)
    if kind is not None:
        os.write(_log, json.dumps([kind, event, repr(arguments[:1])]).encode() + b"\\n")

sys.addaudithook(_note)
# Only the browser's driver of these tests brings trio; httpcore imports it where it is, and that runs ldconfig.
sys.modules["trio"] = None
"""


@dataclass(frozen=True, slots=True)
class Audited:
    """How a command ended, and what it did: kind (``socket``, ``write``, ``program``, ``read``), event and its subject.

    ``changed`` are the files and folders that aren't as they were before.
    """

    result: Result
    events: tuple[tuple[str, str, str], ...]
    changed: tuple[str, ...]

    def of(self, kind: str) -> list[str]:
        """The events of a kind, as a line each."""
        return [f"{event} {subject}" for found, event, subject in self.events if found == kind]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with manifests and a filled store, a home and a folder for temporary files, and the recorder."""

    base: Path

    @classmethod
    def prepare(cls, base: Path) -> Place:
        """Fill ``base``: known state of stage and of the simulator, and a plan for each."""
        place = cls(base)
        shutil.copytree(ROOT / "tests" / "journeys" / "three-readers", place.here)
        with (place.here / "reconciler.toml").open("a") as settings:
            settings.write(TOKEN)
        for name in ("home", "tmp", "recorder"):
            (base / name).mkdir()
        (base / "recorder" / "sitecustomize.py").write_text(RECORDER)
        for environment, url in (("stage", ("--base-url", NOWHERE)), ("simulator", ())):
            place.must("state", "import", "-e", environment, "known-state.json")
            place.must("plan", "-e", environment, *url, "-o", f"{environment}.json")
        return place

    @property
    def here(self) -> Path:
        return self.base / "here"

    def must(self, *arguments: str) -> None:
        """Run a command that has to work."""
        done = run(*arguments, cwd=self.here)
        assert done.code == 0, done.said

    def audit(self, *arguments: str, env: Mapping[str, str] | None = None) -> Audited:
        """Run a command with its every deed noted."""
        log = self.base / "audit.jsonl"
        log.unlink(missing_ok=True)
        before = self._contents()
        more = {
            "PYTHONPATH": f"{self.base / 'recorder'}:{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.base / "home"),
            "TMPDIR": str(self.base / "tmp"),
            "AUDIT_LOG": str(log),
        }
        result = run(*arguments, cwd=self.here, env=more | dict(env or {}))
        after = self._contents()
        changed = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
        events = tuple(tuple(json.loads(line)) for line in log.read_text().splitlines())
        return Audited(result, events, tuple(changed))

    def _contents(self) -> dict[str, tuple[object, ...]]:
        """What every file holds, and when each file and folder was changed: one that came and went shows, too."""
        found = {}
        for folder in ("here", "home", "tmp"):
            for path in (self.base / folder, *(self.base / folder).rglob("*")):
                seen = path.stat()
                digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                found[str(path.relative_to(self.base))] = (digest, seen.st_mode, seen.st_ino, seen.st_mtime_ns)
        return found


#: A credential that only a program can tell.
TOKEN = """
[payway]
token = {command = ["echo", "any"]}
"""

#: Where nobody listens.
NOWHERE = "http://127.0.0.1:9"

#: Every way to a dry run; each is `apply ARGUMENTS --dry-run`.
DRY_RUNS = {
    "a saved plan": ("--base-url", NOWHERE, "stage.json"),
    "manifests": ("-e", "stage", "--base-url", NOWHERE),
    "manifests, said yes": ("-e", "stage", "--base-url", NOWHERE, "--yes"),
    "a reviewed plan": ("-e", "stage", "--base-url", NOWHERE, "--expect", "stage.json"),
    "a snapshot": ("-e", "stage", "--base-url", NOWHERE, "--state", "file:known-state.json"),
    "a bounded one": ("--base-url", NOWHERE, "stage.json", "--limit", "2", "--rate", "1000"),
    "the simulator's saved plan": ("simulator.json",),
    "the simulator's manifests": ("-e", "simulator"),
}
