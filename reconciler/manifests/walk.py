"""Finds manifests under the given paths.

Paths come from people, what lies below them from strangers: links don't lead out of a given path, and nothing but
regular files is taken.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.diagnostics import Diagnostic, Position
from reconciler.errors import InvalidInput
from reconciler.manifests.files import STDIN, STDIN_NAME, ManifestFile, cant_be_read, not_a_file

SUFFIXES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder's manifests: ``names`` are their names in it, each between two slashes, which no name holds.

    A million files are as many names: in one text they take a third of the memory, and processes that are forked go on
    sharing it, however often a name is used.
    """

    name: str
    path: str
    names: str

    @classmethod
    def of(cls, name: str, path: str, entries: Iterable[str]) -> Folder:
        """A folder with some manifests."""
        return cls(name, path, f"/{'/'.join(entries)}/")

    @property
    def entries(self) -> list[str]:
        """The names of its manifests."""
        return self.names[1:-1].split("/")

    @property
    def count(self) -> int:
        """How many manifests it has."""
        return self.names.count("/") - 1

    def holds(self, entry: str) -> bool:
        """True if that is the name of one of them."""
        return f"/{entry}/" in self.names

    def file(self, entry: str) -> ManifestFile:
        """One of its manifests."""
        shown = entry if entry.isascii() else _printable(entry)
        return ManifestFile(shown if self.name == "." else f"{self.name}/{shown}", f"{self.path}{os.sep}{entry}")


@dataclass(frozen=True, slots=True)
class Found:
    """What the given paths hold, each manifest once, and what can't be used.

    ``single`` are files that were given by name, are reached by a link, have a name that isn't UTF-8, or are standard
    input.
    """

    folders: tuple[Folder, ...]
    single: tuple[ManifestFile, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def files(self) -> tuple[ManifestFile, ...]:
        """All manifests in the order of their names."""
        return tuple(sorted(self._all(), key=lambda file: (file.name, file.path or "")))

    def _all(self) -> Iterator[ManifestFile]:
        for folder in self.folders:
            yield from map(folder.file, folder.entries)
        yield from self.single


def find_manifests(paths: Sequence[str]) -> Found:
    """Every manifest under ``paths`` once, however often it is reached.

    A folder is walked for `SUFFIXES` without hidden names; a file given by name is taken whatever its name.
    Raises `InvalidInput` if a path doesn't exist or if nothing is found at all.
    """
    walk = _Walk()
    for path in paths:
        if path == STDIN:
            walk.single[STDIN] = ManifestFile(STDIN_NAME)
        else:
            walk.start(path)
    folders, single = tuple(walk.folders.values()), tuple(walk.rest())
    if not (folders or single or walk.diagnostics):
        where = ", ".join(display_name(path) for path in paths) or "the given paths"
        raise InvalidInput(
            f"no manifest in {where}", hint="manifests are files that end in .yaml, .yml or .json and aren't hidden"
        )
    return Found(folders, single, tuple(walk.diagnostics))


def display_name(path: str) -> str:
    """``path`` as positions and plans carry it: with ``/``, from the current directory where it lies inside it.

    Characters that aren't UTF-8 are escaped, so that the name can be printed and stored.
    """
    name = os.path.normpath(path)
    try:
        inside = os.path.relpath(name)
    except (OSError, ValueError):  # no current directory, or another drive
        inside = os.pardir
    if inside != os.pardir and not inside.startswith(os.pardir + os.sep):
        name = inside
    return _printable(Path(name).as_posix())


def _is_text(name: str) -> bool:
    """False for a name with bytes that aren't UTF-8: it can't be stored as it is."""
    return name.isascii() or _printable(name) == name


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _Walk:
    """One search: the folders and files found so far by their real path, and the findings."""

    def __init__(self) -> None:
        self.folders: dict[str, Folder] = {}
        self.single: dict[str, ManifestFile] = {}
        self.diagnostics: list[Diagnostic] = []

    def rest(self) -> Iterator[ManifestFile]:
        """The single files that no folder holds: one that is reached both ways keeps its own name."""
        for real, file in self.single.items():
            folder = self.folders.get(os.path.dirname(real))  # noqa: PTH120
            if folder is None or not folder.holds(os.path.basename(real)):  # noqa: PTH119
                yield file

    def start(self, path: str) -> None:
        """Take the path that was given, a file or a folder."""
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 (paths stay texts: Path drops what os.walk keeps)
        except (OSError, ValueError) as error:
            self._missing(path, error)
            return
        real = os.path.realpath(path)
        if stat.S_ISDIR(mode):
            self._folder(path, real)
        elif stat.S_ISREG(mode):
            self._take(path, real)
        else:
            self.diagnostics.append(not_a_file(display_name(path), "isn't a regular file"))

    def _missing(self, path: str, error: OSError | ValueError) -> None:
        name = display_name(path)
        if isinstance(error, ValueError) or not os.path.lexists(path):
            if isinstance(error, PermissionError):
                raise InvalidInput(f"{name} can't be read", hint="ask for the right to read it") from None
            raise InvalidInput(
                f"{name} doesn't exist", hint="give a file or folder that exists, or - for stdin"
            ) from None
        if isinstance(error, PermissionError):
            self.diagnostics.append(cant_be_read(name, error))
        else:
            self.diagnostics.append(not_a_file(name, "is a link to something that doesn't exist"))

    def _folder(self, path: str, real: str) -> None:
        # Links come last, so that a file reached both ways keeps its own name; a folder is entered once.
        links: list[tuple[str, str]] = []
        folders = [(path, real)]
        entered = {real}
        while folders or links:
            if folders:
                self._entries(*folders.pop(), folders, links, entered)
            else:
                self._link(*links.pop(), real, folders, entered)

    def _entries(
        self,
        path: str,
        real: str,
        folders: list[tuple[str, str]],
        links: list[tuple[str, str]],
        entered: set[str],
    ) -> None:
        try:
            with os.scandir(path) as scan:
                entries = sorted(scan, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            self.diagnostics.append(cant_be_read(display_name(path), error))
            return
        manifests: list[str] = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            below = f"{real}{os.sep}{entry.name}"
            if entry.is_symlink():
                links.append((entry.path, below))
            elif entry.is_dir(follow_symlinks=False):
                if below not in entered:
                    entered.add(below)
                    folders.append((entry.path, below))
            elif entry.name.endswith(SUFFIXES):
                if not entry.is_file(follow_symlinks=False):
                    self.diagnostics.append(not_a_file(display_name(entry.path), "isn't a regular file"))
                elif _is_text(entry.name):
                    manifests.append(entry.name)
                else:
                    self._take(entry.path, below)
        if manifests:
            self.folders.setdefault(real, Folder.of(display_name(path), real, reversed(manifests)))

    def _link(self, path: str, link: str, root: str, folders: list[tuple[str, str]], entered: set[str]) -> None:
        named = path.endswith(SUFFIXES)
        try:
            real = os.path.realpath(link, strict=True)
            mode = os.stat(real).st_mode  # noqa: PTH116
        except OSError:
            if named:
                reason = "is a link to something that doesn't exist"
                self.diagnostics.append(not_a_file(display_name(path), reason))
            return
        if not (named or stat.S_ISDIR(mode)):
            return
        if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
            self.diagnostics.append(_outside(display_name(path)))
        elif stat.S_ISDIR(mode):
            if real not in entered:
                entered.add(real)
                folders.append((path, real))
        elif stat.S_ISREG(mode):
            self._take(path, real)
        else:
            self.diagnostics.append(not_a_file(display_name(path), "isn't a link to a regular file"))

    def _take(self, path: str, real: str) -> None:
        if real not in self.single:
            self.single[real] = ManifestFile(display_name(path), real)


def _outside(name: str) -> Diagnostic:
    return Diagnostic(
        "outside-path",
        "this symbolic link leads out of the given path",
        Position(name),
        "put the file itself here, or give its own folder as a path",
    )
