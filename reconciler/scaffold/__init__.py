"""What ``init`` makes: the files of a new working repository, and the store of its rehearsal.

A file is put there whole or not at all, and none that is there is replaced; a ``.gitignore`` gets the lines that it
lacks. The texts stand in ``files/``, which ships in the wheel.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Final, Literal, TypeAlias

from reconciler.errors import InvalidInput, UsageError
from reconciler.schemafiles import schema_text

DISTRIBUTION: Final = "payway-reconciler"

#: The example's known state, from the new repository's top.
KNOWN_STATE: Final = "examples/known-state.json"

#: The names of the workflows that can be called from another repository.
WORKFLOWS: Final = ("plan", "apply", "drift")

_IGNORED: Final = ".gitignore"
_REFERENCE: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100})@([A-Za-z0-9][A-Za-z0-9._/-]{0,199})"
)
_REMOTE: Final = re.compile(r"https://github\.com/([A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}?)(?:\.git)?/?")

#: What becomes of a file: ``new`` is written, ``longer`` gets lines at its end, ``other`` is left as it is.
Fate: TypeAlias = Literal["new", "same", "longer", "other"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of the scaffold: its path from the top, its whole text, and what becomes of the one that is there."""

    path: str
    text: str
    fate: Fate


@dataclass(frozen=True, slots=True)
class Reference:
    """Where the reusable workflows are: ``repository`` is OWNER/REPO, ``ref`` a commit, tag or branch."""

    repository: str
    ref: str

    @property
    def is_commit(self) -> bool:
        """True if nobody can move what it points to."""
        return re.fullmatch(r"[0-9a-f]{40}", self.ref) is not None


def parse_reference(text: str) -> Reference:
    """The workflows that ``OWNER/REPO@REF`` names. Raises `UsageError`."""
    match = _REFERENCE.fullmatch(text)
    if match is None or ".." in text:
        raise UsageError(
            f"--workflows: {text!r} names no repository and version",
            hint="write it as OWNER/REPO@REF, best with a commit's 40 digits as REF",
        )
    return Reference(match[1], match[2])


def installed_from() -> Reference | None:
    """The repository and commit that pip took this program from, if it was one on GitHub."""
    try:
        text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        origin = json.loads(text or "{}")
        match = _REMOTE.fullmatch(origin["url"])
        commit = origin["vcs_info"]["commit_id"]
    except (metadata.PackageNotFoundError, KeyError, TypeError, ValueError):
        return None
    return Reference(match[1], commit) if match is not None and re.fullmatch(r"[0-9a-f]{40}", commit) else None


def pieces(folder: Path, workflows: Reference | None) -> list[Piece]:
    """Every file of the scaffold and what would become of it in ``folder``; nothing is written.

    Raises `InvalidInput` if something is in the way that no file can be read from.
    """
    return [_piece(folder, path, text) for path, text in _texts(workflows)]


def write(folder: Path, piece: Piece) -> None:
    """Put a new or longer file in its place, whole or not at all. Raises `InvalidInput`.

    Nothing that came there meanwhile is replaced.
    """
    target = folder / piece.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".reconciler-", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(piece.text)
                file.flush()
                os.fsync(file.fileno())
            _place(Path(name), target, replace=piece.fate == "longer")
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot(target, "written", error) from None


def _texts(workflows: Reference | None) -> Iterator[tuple[str, str]]:
    yield "reconciler.toml", _shipped("reconciler.toml")
    yield "manifests/example.yaml", _shipped("example.yaml")
    yield "schemas/account.schema.json", schema_text("account")
    yield KNOWN_STATE, _shipped("known-state.json")
    yield _IGNORED, _shipped("gitignore")
    for name in WORKFLOWS if workflows is not None else ():
        assert workflows is not None
        text = _shipped(f"{name}.yml").replace("OWNER/REPO", workflows.repository).replace("@REF", f"@{workflows.ref}")
        yield f".github/workflows/{name}.yml", text


def _piece(folder: Path, path: str, text: str) -> Piece:
    target = folder / path
    try:
        with target.open(encoding="utf-8", newline="") as file:
            there = file.read()
    except FileNotFoundError:
        if target.is_symlink():
            raise InvalidInput(f"{target} is a link that leads nowhere", hint="take it away, then try again") from None
        return Piece(path, text, "new")
    except UnicodeDecodeError:
        return Piece(path, text, "other")
    except OSError as error:
        raise _cannot(target, "read", error) from None
    if path == _IGNORED:
        known = {line.strip() for line in there.splitlines()}
        lacking = [line for line in text.splitlines() if line not in known]
        if not any(not line.startswith("#") for line in lacking):
            return Piece(path, there, "same")
        gap = "" if not there or there.endswith("\n") else "\n"
        return Piece(path, there + gap + "".join(line + "\n" for line in lacking), "longer")
    return Piece(path, text, "same" if there.replace("\r\n", "\n") == text else "other")


def _place(made: Path, target: Path, *, replace: bool) -> None:
    """Give a finished file its name. Without ``replace``, raises `FileExistsError` if the name is taken."""
    if replace:
        made.chmod(target.stat().st_mode & 0o7777)
        made.replace(target.resolve())
        return
    mask = os.umask(0)
    os.umask(mask)
    # Files of a repository, so as readable as others that their owner makes.
    made.chmod(0o666 & ~mask)
    try:
        os.link(made, target)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems know no second name for a file.
        if os.path.lexists(target):
            raise
        made.rename(target)


def _shipped(name: str) -> str:
    return resources.files(__name__).joinpath("files").joinpath(name).read_text(encoding="utf-8")


def _cannot(path: Path, what: str, error: OSError) -> InvalidInput:
    return InvalidInput(f"{path} can't be {what}: {error.strerror}", hint="check what is there and its rights")
