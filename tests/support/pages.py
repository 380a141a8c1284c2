"""A page of the docs as a script: its console blocks are typed again, its diffs are applied, and what is said compared.

In a block, a line that begins with ``$ `` is typed, and the lines below it are what is then seen. A line ``⋮`` stands
for any lines. What is another each time (moments, digests, ids of runs, who and where) is compared by its form alone,
and where a later command names it, it types what was really seen.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from support.commands import PATIENCE, ROOT, environment

_BLOCK = re.compile(r"^```(console|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY = "⋮"

#: What is another each time.
_VARIES = re.compile(
    r"sha256:[0-9a-f]{64}|\b[0-9a-f]{40}\b|\b[0-9a-f]{32}\b|\b[0-9]{8}T[0-9]{6}-[0-9a-f]{6}\b"
    r"|\b20[23][0-9]-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?: UTC|Z)|\bby \S+ on \S+, process [0-9]+"
    r"|\bwaiting [0-9.]+ s\b"
)

_GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
_NAMES = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Robin"), ("EMAIL", "robin@example.com"))
}


@dataclass(slots=True)
class Replay:
    """A page that is being replayed in ``folder``. ``seen`` has what stood for what is another each time."""

    folder: Path
    programs: Path
    seen: dict[str, str] = field(default_factory=dict)

    def typed(self, command: str) -> str:
        """What a command says, on both streams."""
        for shown, real in self.seen.items():
            command = command.replace(shown, real)
        path = os.pathsep.join([str(self.programs), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=environment(_GIT | _NAMES | {"PATH": path}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        return done.stdout

    def block(self, kind: str, text: str) -> str:
        """Replay one block; returns it as it should read."""
        if kind == "diff":
            subprocess.run(["git", "apply", "-"], cwd=self.folder, input=text.encode(), check=True, timeout=PATIENCE)
            return text
        parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
        assert parts[0] == "", f"a block begins with what is typed, not with {parts[0]!r}"
        made = []
        for command, shown in zip(parts[1::2], parts[2::2], strict=True):
            if command.startswith("cd "):
                self.folder /= command.removeprefix("cd ")
                found = ""
            else:
                found = self.typed(command)
            made.append(f"$ {command}\n{shown if self._is_the_same(shown, found) else found}")
        return "".join(made)

    def _is_the_same(self, shown: str, found: str) -> bool:
        parts = [re.escape(_masked(part)) for part in re.split(rf"^{_ANY}\n", shown, flags=re.MULTILINE)]
        if not re.fullmatch(r"(?:.*\n)*".join(parts), _masked(found)):
            return False
        if len(parts) == 1:
            self.seen |= dict(zip(_VARIES.findall(shown), _VARIES.findall(found), strict=True))
        return True


def start(folder: Path) -> Replay:
    """A replay in ``folder``, with a command `reconciler` that runs this checkout."""
    programs = folder / ".programs"
    programs.mkdir()
    command = programs / "reconciler"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    command.chmod(0o755)
    return Replay(folder, programs)


def replayed(page: str, replay: Replay, *, until: str | None = None) -> str:
    """``page`` as it should read, by replaying its blocks; ``until`` ends after the block that holds this text."""
    made, at = [], 0
    for match in _BLOCK.finditer(page):
        made += [page[at : match.start(2)], replay.block(match[1], match[2])]
        at = match.end(2)
        if until is not None and until in match[2]:
            break
    return "".join(made) + page[at:]


def page(name: str) -> str:
    """A page of the docs."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def _masked(text: str) -> str:
    return _VARIES.sub("…", text)
