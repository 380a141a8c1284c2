"""Where the working folder's checkout begins and at which commit it stands, read from git's own files.

`plan` and `validate` run no command.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF: Final = re.compile(r"refs/[A-Za-z0-9._/+@-]{1,250}")

#: Git's small files are never longer, in bytes; its list of packed refs may be.
_SMALL: Final = 4096
_LARGE: Final = 64 * 1024 * 1024


def revision(folder: Path) -> str | None:
    """The commit checked out in ``folder`` or above it; ``None`` outside a checkout or before its first commit.

    Whatever is odd about the checkout, a plan can be made without naming its commit.
    """
    try:
        for place in (folder, *folder.parents):
            git = place / ".git"
            if git.exists():
                return _head(_git_dir(git))
    except (OSError, ValueError):
        return None
    return None


def top(folder: Path) -> Path | None:
    """The checkout that ``folder`` lies in, which may be itself; ``None`` outside one."""
    try:
        return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    except OSError:
        return None


def _git_dir(git: Path) -> Path:
    """The git directory; in a linked work tree, ``.git`` is a file that names it."""
    if git.is_dir():
        return git
    kind, _, target = _line(git).partition(":")
    if kind != "gitdir":
        raise ValueError(f"{git} names no git directory")
    return git.parent / target.strip()


def _head(git: Path) -> str | None:
    head = _line(git / "HEAD")
    if not head.startswith("ref:"):
        return _commit(head)
    name = head.removeprefix("ref:").strip()
    if not _REF.fullmatch(name) or ".." in name:
        return None
    common = git / "commondir"
    shared = git / _line(common) if common.exists() else git
    for base in (git, shared):
        if (base / name).is_file():
            return _commit(_line(base / name))
    packed = shared / "packed-refs"
    lines = _text(packed, _LARGE).splitlines() if packed.is_file() else ()
    return next((_commit(line.partition(" ")[0]) for line in lines if line.partition(" ")[2] == name), None)


def _commit(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None


def _line(path: Path) -> str:
    return _text(path, _SMALL).strip()


def _text(path: Path, longest: int) -> str:
    """The text of a regular file: a pipe in its place would never end. Raises `OSError` or `ValueError`."""
    if not path.is_file():
        raise ValueError(f"{path} is no file")
    with path.open("rb") as file:
        data = file.read(longest + 1)
    if len(data) > longest:
        raise ValueError(f"{path} is too long")
    return data.decode("utf-8")
