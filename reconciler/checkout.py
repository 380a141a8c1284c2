"""Which commit the working folder stands at, read from git's own files: `plan` runs no command."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF: Final = re.compile(r"refs/[A-Za-z0-9._/+@-]{1,250}")


def revision(folder: Path) -> str | None:
    """The commit checked out in ``folder`` or above it; ``None`` outside a checkout or before its first commit."""
    try:
        for place in (folder, *folder.parents):
            git = place / ".git"
            if git.exists():
                return _head(_git_dir(git))
    except (OSError, ValueError):
        # Whatever is odd about the checkout, a plan can be made without naming its commit.
        return None
    return None


def _git_dir(git: Path) -> Path:
    """The git directory; in a linked work tree, ``.git`` is a file that names it."""
    if git.is_dir():
        return git
    target = git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
    return git.parent / target


def _head(git: Path) -> str | None:
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    name = head.removeprefix("ref:").strip()
    if not _REF.fullmatch(name) or ".." in name:
        return None
    common = git / "commondir"
    shared = git / common.read_text(encoding="utf-8").strip() if common.exists() else git
    for base in (git, shared):
        loose = base / name
        if loose.is_file():
            commit = loose.read_text(encoding="utf-8").strip()
            return commit if _COMMIT.fullmatch(commit) else None
    packed = shared / "packed-refs"
    if packed.is_file():
        for line in packed.read_text(encoding="utf-8").splitlines():
            commit, _, ref = line.partition(" ")
            if ref == name and _COMMIT.fullmatch(commit):
                return commit
    return None
