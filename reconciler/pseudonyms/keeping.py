"""The key, and the table that leads from stand-ins back: two files that never leave the machine.

Both are readable by their owner alone. The key is made when it is first needed; the table beside it, ``FILE.table``,
gets each stand-in before anything that holds it is shown.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from reconciler.canonical import DIGEST_PREFIX
from reconciler.errors import InvalidInput
from reconciler.pseudonyms.stand_ins import STAND_IN, Pseudonyms
from reconciler.render.escape import visible

#: Where the key is unless somebody says otherwise.
DEFAULT_KEY: Final = ".reconciler/pseudonyms.key"

_KEY: Final = re.compile(r"[0-9a-f]{64}\n?")
_HEX: Final = re.compile(r"[0-9a-f]")


@dataclass(slots=True)
class Keeper:
    """The stand-ins of one key file. ``notes`` are for the person: what was made, and what is unwise."""

    path: Path
    names: Pseudonyms
    notes: tuple[str, ...] = ()
    _written: set[str] = field(default_factory=set)

    @property
    def table(self) -> Path:
        """The file that leads back."""
        return table_of(self.path)

    def text(self, text: str) -> str:
        """``text`` with stand-ins, which the table knows before anybody sees them."""
        shown = self.names.text(text)
        self.save()
        return shown

    def save(self) -> None:
        """Add to the table what it doesn't have yet. Raises `InvalidInput`: what can't be led back isn't shown."""
        fresh = {name: value for name, value in self.names.made.items() if name not in self._written}
        if not fresh:
            return
        lines = "".join(json.dumps([name, value]) + "\n" for name, value in fresh.items())
        try:
            handle = os.open(self.table, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                if size:
                    # A death may have left half a line.
                    file.seek(size - 1)
                    lines = lines if file.read(1) == b"\n" else "\n" + lines
                file.write(lines.encode("ascii"))
        except OSError as error:
            raise _unusable(self.table, "written", error) from None
        self._written.update(fresh)


@dataclass(slots=True)
class Revealed:
    """What `reveal` did: ``count`` stand-ins were replaced, ``unknown`` aren't in the table."""

    count: int = 0
    unknown: set[str] = field(default_factory=set)


def open_keeper(path: str | None) -> Keeper:
    """The key in the file ``path`` (by default `DEFAULT_KEY`), made if there is none. Raises `InvalidInput`."""
    place = Path(path or DEFAULT_KEY)
    notes: list[str] = []
    try:
        text = place.read_text(encoding="ascii")
    except FileNotFoundError:
        text = _make(place, notes)
    except (OSError, ValueError) as error:
        raise _unusable(place, "read", error) from None
    if _KEY.fullmatch(text) is None:
        raise InvalidInput(f"{place} holds no key: it must be 64 hexadecimal digits", hint="name another file, or none")
    if stat.S_IMODE(place.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH):
        notes.append(f"{place} is a key and can be read by others: chmod 600 it")
    keeper = Keeper(place, Pseudonyms(bytes.fromhex(text.strip())), tuple(notes))
    keeper._written.update(name for name, _ in _table(keeper.table))
    return keeper


def table_of(key: Path) -> Path:
    """The table that belongs to a key file."""
    return key.with_name(f"{key.name}.table")


def reveal(lines: Iterable[str], key: str | None, found: Revealed) -> Iterator[str]:
    """``lines`` with the originals in place of stand-ins; ``found`` counts. Raises `InvalidInput` without a table.

    An original is written so that it can't act: it may be a stranger's text.
    """
    table = table_of(Path(key or DEFAULT_KEY))
    if not table.is_file():
        raise InvalidInput(
            f"there is no table at {table}", hint="it lies beside the key that --pseudonymize used: name that key"
        )
    originals = dict(_table(table))
    for line in lines:
        yield "".join(_back(line, originals, found))


def _back(line: str, originals: Mapping[str, str], found: Revealed) -> Iterator[str]:
    done = at = 0
    while (match := STAND_IN.search(line, at)) is not None:
        original = originals.get(match[0])
        if original is None:
            # Real digests look the same, and most texts hold some.
            around = line[max(match.start() - 1, 0) : match.start()] + line[match.end() : match.end() + 1]
            if not match[0].startswith(DIGEST_PREFIX) and _HEX.search(around) is None:
                found.unknown.add(match[0])
            at = match.start() + 1
            continue
        found.count += 1
        yield line[done : match.start()]
        yield visible(original)
        done = at = match.end()
    yield line[done:]


def _table(path: Path) -> Iterator[tuple[str, str]]:
    """The pairs of a table; half a line that a death left is passed over."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            for line in file:
                try:
                    name, value = json.loads(line)
                except (ValueError, TypeError):
                    continue
                if isinstance(name, str) and isinstance(value, str):
                    yield name, value
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(path, "read", error) from None


def _make(place: Path, notes: list[str]) -> str:
    """A new key in a file of its own; the one that another process makes at the same time counts."""
    text = secrets.token_hex(32) + "\n"
    made = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        if place.parent != Path():
            place.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(made, place)
        except FileExistsError:
            return place.read_text(encoding="ascii")
        finally:
            made.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise _unusable(place, "made", error) from None
    notes.append(
        f"made the key {place}: keep it, for stand-ins of another key are others; {table_of(place)} leads back"
    )
    return text


def _unusable(path: Path, what: str, error: Exception) -> InvalidInput:
    reason = getattr(error, "strerror", None) or "it isn't text"
    return InvalidInput(
        f"{path} can't be {what}: {reason}", hint="check the folder and its rights, or name another key"
    )
