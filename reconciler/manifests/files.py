"""Finds manifests under the given paths and reads their bytes; what they say is not looked at here.

Paths come from people, what lies below them from strangers: links don't lead out of a given path, nothing
but regular files is opened, and no file is read past its limit.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from reconciler.diagnostics import Diagnostic, Position
from reconciler.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIXES: Final = (".yaml", ".yml", ".json")
#: The largest manifest that is read, in bytes.
MAX_BYTES: Final = 8 * 1024 * 1024
#: The path that means standard input, and the name that its findings carry.
STDIN: Final = "-"
STDIN_NAME: Final = "<stdin>"

_SIGNED: Final = (1 << 63) - 1
# Where the system has them: a link put in place after the walk isn't followed, a FIFO doesn't block.
_OPEN_FLAGS: Final = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)


class ManifestFile(NamedTuple):
    """A manifest to be read: the ``name`` that positions carry, and its real ``path`` (``None``: standard input)."""

    name: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder's manifests: ``entries`` are their names in it. A million files are as many short texts."""

    name: str
    path: str
    entries: tuple[str, ...]

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


def read_manifest(file: ManifestFile, stdin: BinaryIO | None = None) -> bytes | Diagnostic:
    """The bytes of a manifest, or the finding that it can't be read or is over `MAX_BYTES`."""
    if file.path is not None:
        found = read_whole(file)
        return found if isinstance(found, Diagnostic) else found[0]
    try:
        data = (stdin or sys.stdin.buffer).read(MAX_BYTES + 1)
    except OSError as error:
        return _unreadable(file.name, error)
    return _too_large(file.name) if len(data) > MAX_BYTES else data


def read_whole(file: ManifestFile) -> tuple[bytes, tuple[int, ...]] | Diagnostic:
    """The bytes of a manifest that has a path, and its signature from before they were read, or as `read_manifest`."""
    return _opened(file, lambda descriptor, size: _read(descriptor, size, MAX_BYTES + 1))


def read_part(file: ManifestFile, offset: int, length: int) -> bytes | Diagnostic:
    """Some bytes of a manifest that has a path (``length`` 0: all), or as `read_manifest`."""

    def read(descriptor: int, size: int) -> bytes:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return _read(descriptor, length, length)

    found = _opened(file, read) if length else read_whole(file)
    return found if isinstance(found, Diagnostic) else found[0]


def _opened(file: ManifestFile, read: Callable[[int, int], bytes]) -> tuple[bytes, tuple[int, ...]] | Diagnostic:
    """What ``read`` makes of an open file and its size, and the file's signature."""
    assert file.path is not None
    try:
        descriptor = os.open(file.path, _OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return _not_a_file(file.name, "isn't a regular file")
            if status.st_size > MAX_BYTES:
                return _too_large(file.name)
            data = read(descriptor, status.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return _not_a_file(file.name, "isn't a regular file")
        return _unreadable(file.name, error)
    return _too_large(file.name) if len(data) > MAX_BYTES else (data, signature_of(status))


def _read(descriptor: int, size: int, most: int) -> bytes:
    """What is left of a file, up to ``most`` bytes: ``size``, unless it changes, and then there is no more of it."""
    data = os.read(descriptor, min(size + 1, most))
    while len(data) != size and len(data) < most and (more := os.read(descriptor, most - len(data))):
        data += more
    return data


class ChangedMeanwhile(InvalidInput):
    """A manifest isn't any more what it was when it was read first."""


def changed_meanwhile(name: str) -> ChangedMeanwhile:
    """The refusal for such a manifest."""
    return ChangedMeanwhile(f"{name} changed while it was read", hint="run the command again when nobody writes to it")


def signature_of(status: os.stat_result) -> tuple[int, ...]:
    """What tells an unchanged file without reading it: size, both times (nanoseconds), inode and device."""
    # An inode can have all 64 bits set, which SQLite's numbers can't.
    inode, device = status.st_ino & _SIGNED, status.st_dev & _SIGNED
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode, device)


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
            if folder is None or os.path.basename(real) not in folder.entries:  # noqa: PTH119
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
            self.diagnostics.append(_not_a_file(display_name(path), "isn't a regular file"))

    def _missing(self, path: str, error: OSError | ValueError) -> None:
        name = display_name(path)
        if isinstance(error, ValueError) or not os.path.lexists(path):
            if isinstance(error, PermissionError):
                raise InvalidInput(f"{name} can't be read", hint="ask for the right to read it") from None
            raise InvalidInput(
                f"{name} doesn't exist", hint="give a file or folder that exists, or - for stdin"
            ) from None
        if isinstance(error, PermissionError):
            self.diagnostics.append(_unreadable(name, error))
        else:
            self.diagnostics.append(_not_a_file(name, "is a link to something that doesn't exist"))

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
            self.diagnostics.append(_unreadable(display_name(path), error))
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
                    self.diagnostics.append(_not_a_file(display_name(entry.path), "isn't a regular file"))
                elif _is_text(entry.name):
                    manifests.append(entry.name)
                else:
                    self._take(entry.path, below)
        if manifests:
            self.folders.setdefault(real, Folder(display_name(path), real, tuple(reversed(manifests))))

    def _link(self, path: str, link: str, root: str, folders: list[tuple[str, str]], entered: set[str]) -> None:
        named = path.endswith(SUFFIXES)
        try:
            real = os.path.realpath(link, strict=True)
            mode = os.stat(real).st_mode  # noqa: PTH116
        except OSError:
            if named:
                reason = "is a link to something that doesn't exist"
                self.diagnostics.append(_not_a_file(display_name(path), reason))
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
            self.diagnostics.append(_not_a_file(display_name(path), "isn't a link to a regular file"))

    def _take(self, path: str, real: str) -> None:
        if real not in self.single:
            self.single[real] = ManifestFile(display_name(path), real)


def _not_a_file(name: str, reason: str) -> Diagnostic:
    hint = "put a regular file there, or give - to read standard input"
    return Diagnostic("not-a-file", f"this {reason}", Position(name), hint)


def _outside(name: str) -> Diagnostic:
    return Diagnostic(
        "outside-path",
        "this symbolic link leads out of the given path",
        Position(name),
        "put the file itself here, or give its own folder as a path",
    )


def _too_large(name: str) -> Diagnostic:
    return Diagnostic(
        "file-too-large", "this file is over 8 MiB", Position(name), "split it: a file may hold fewer accounts"
    )


def _unreadable(name: str, error: OSError) -> Diagnostic:
    reason = (error.strerror or "unknown reason").lower()
    return Diagnostic("unreadable", f"this can't be read: {reason}", Position(name), "check who may read it")
