"""Fleets of accounts, made from a seed alone: manifests, and the snapshot of known state behind them.

Account ``n`` of a seed is always the same, whatever else is made, so a fleet is written as a stream and a single
account can be written again. All windows that matter end in the 2040s, and nothing here asks the clock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

Layout = Literal["packed", "single"]

#: ``packed`` holds so many documents a file, ``single`` one document a file and so many files a folder.
SHARD = 1000

#: What one account takes on disk at most, in bytes: a block a file, or its text; and a line of the snapshot and a row.
_ON_DISK = {"packed": 5000, "single": 9000}

_MODELINE = "# yaml-language-server: $schema=../../schemas/account.schema.json\n"
_OWNERS = ("circulation@example.com", "customer-service@example.com", "business@example.com", "students@example.com")
_REGIONS = ("north", "south", "east", "west")
_TITLES = ("daily", "weekend", "digital", "archive")
#: How an offset is written in either form, and the hours to take off for UTC.
_OFFSETS = (("+0100", "+01:00", 1), ("+0200", "+02:00", 2), ("+0000", "Z", 0))


@dataclass(frozen=True, slots=True)
class Fleet:
    """``accounts`` many of them in one layout. Every ``share``-th is known to end a year earlier than declared."""

    accounts: int
    layout: Layout
    seed: int = 1
    share: int = 100

    @property
    def differing(self) -> int:
        """How many accounts the plan has a step for: one `update` each."""
        return sum(1 for _ in range(self.share // 2, self.accounts, self.share))

    def changed(self) -> list[int]:
        """The one percent of accounts that is declared anew between two plans; none of them differed before.

        In few files where a file holds many, spread over all folders where a file holds one.
        """
        count = max(1, self.accounts // 100)
        if self.layout == "single":
            return list(range(0, self.accounts, 100))[:count]
        candidates = (number for number in range(self.accounts) if number % self.share != self.share // 2)
        return [number for number, _ in zip(candidates, range(count), strict=False)]

    def files(self) -> int:
        """How many manifest files it has."""
        return self.accounts if self.layout == "single" else -(-self.accounts // SHARD)


@dataclass(frozen=True, slots=True)
class Product:
    """One product of an account; times as a manifest has them, and the same in UTC."""

    product_id: str
    user_product_id: str
    active: bool
    limited: bool
    start: tuple[str, str]
    end: tuple[str, str]
    number: str | None


def account_id(fleet: Fleet, number: int) -> str:
    """The id of account ``number``: in no order, and never all digits."""
    return _id("5", _digest(fleet, number))


def manifest(fleet: Fleet, number: int, *, changed: bool = False) -> str:
    """The document of account ``number``; a ``changed`` one ends a year later."""
    digest = _digest(fleet, number)
    lines = [
        "apiVersion: payway/v1\nkind: Account\n"
        f'account_id: {_id("5", digest)}\ncustomer_number: "{1_000_000_000 + number}"\n'
        f"owner: {_OWNERS[digest[0] & 3]}\n"
        f"labels: {{region: {_REGIONS[digest[1] & 3]}, title: {_TITLES[digest[2] & 3]}}}\n"
    ]
    if _synced(digest):
        lines.append(f'sync:\n  subscriptions: "2026-0{1 + digest[3] % 9}-15 renumbering"\n')
    lines.append("user_products:\n")
    for product in _products(digest, number, later=changed):
        lines.append(
            f"  - product_id: {product.product_id}\n"
            f"    user_product_id: {product.user_product_id}\n"
            f"    state: {'activated' if product.active else 'deactivated'}\n"
            f"    subscription_type: {'limited' if product.limited else 'recurring'}\n"
            f"    valid_from: {product.start[0]}\n"
            f"    valid_to: {product.end[0]}\n"
        )
        if product.number is not None:
            lines.append(f'    subscription_number: "{product.number}"\n')
    return "".join(lines)


def known_line(fleet: Fleet, number: int) -> str:
    """What is known of account ``number``, as a line of a snapshot."""
    digest = _digest(fleet, number)
    differs = number % fleet.share == fleet.share // 2
    synced = f'"synced":{{"subscriptions":"2026-0{1 + digest[3] % 9}-15 renumbering"}},' if _synced(digest) else ""
    products = ",".join(
        f'{{"product_id":"{product.product_id}","user_product_id":"{product.user_product_id}",'
        f'"state":"{"activated" if product.active else "deactivated"}",'
        f'"subscription_type":"{"limited" if product.limited else "recurring"}",'
        f'"valid_from":"{product.start[1]}","valid_to":"{product.end[1]}",'
        + (f'"subscription_number":"{product.number}",' if product.number is not None else "")
        + '"provision_service":"kayak"}'
        for product in _products(digest, number, earlier=differs)
    )
    return (
        f'{{"account_id":"{_id("5", digest)}","customer_number":"{1_000_000_000 + number}",{synced}'
        f'"user_products":[{products}]}}\n'
    )


def products(fleet: Fleet, number: int) -> list[Product]:
    """The products of account ``number`` as they are declared."""
    return list(_products(_digest(fleet, number), number))


def write_manifests(fleet: Fleet, folder: Path) -> int:
    """Write the manifests into ``folder``, a stream of files. Returns their bytes."""
    folder.mkdir(parents=True)
    written = 0
    for first in range(0, fleet.accounts, SHARD):
        numbers = range(first, min(first + SHARD, fleet.accounts))
        if fleet.layout == "single":
            (folder / f"{first // SHARD:04d}").mkdir()
        for path, text in _files(fleet, folder, numbers, frozenset()):
            written += _write(path, text)
    return written


def write_changed(fleet: Fleet, folder: Path, *, changed: bool) -> int:
    """Write the files of `Fleet.changed` again, with the new ends or with the old ones. Returns how many files."""
    anew = fleet.changed()
    chosen = frozenset(anew) if changed else frozenset[int]()
    if fleet.layout == "single":
        for path, text in _files(fleet, folder, anew, chosen):
            _write(path, text)
        return len(anew)
    shards = sorted({number // SHARD for number in anew})
    for shard in shards:
        numbers = range(shard * SHARD, min((shard + 1) * SHARD, fleet.accounts))
        for path, text in _files(fleet, folder, numbers, chosen):
            _write(path, text)
    return len(shards)


def write_known(fleet: Fleet, path: Path, environment: str = "stage") -> int:
    """Write the snapshot as JSON Lines. Returns its bytes."""
    with path.open("w", encoding="ascii") as file:
        file.write(
            f'{{"format":"reconciler.known-state/v1","environment":"{environment}","observed_at":"2026-11-01T06:00:00Z"}}\n'
        )
        for number in range(fleet.accounts):
            file.write(known_line(fleet, number))
    return path.stat().st_size


def room_for(fleet: Fleet, folder: Path) -> str | None:
    """Why ``folder`` has no room for the fleet, its snapshot and its store; None if it has."""
    needed, free = fleet.accounts * _ON_DISK[fleet.layout] + 100_000_000, shutil.disk_usage(folder).free
    if free < needed:
        return f"{fleet.accounts:,} accounts take about {needed >> 20:,} MiB on disk; {free >> 20:,} MiB are free"
    nodes = os.statvfs(folder)
    if nodes.f_files and nodes.f_favail < fleet.files() * 1.1 + 1000:
        return f"the fleet has {fleet.files():,} files; the file system takes {nodes.f_favail:,} more"
    return None


def _digest(fleet: Fleet, number: int) -> bytes:
    return blake2b(b"%d:%d" % (fleet.seed, number), digest_size=32).digest()


def _id(first: str, digest: bytes) -> str:
    """24 digits that begin with ``first``, and a letter among them: all digits would be a number to YAML."""
    return f"{first}a{digest.hex()}"[:24]


def _synced(digest: bytes) -> bool:
    return digest[4] < 26  # one in ten


def _products(digest: bytes, number: int, *, later: bool = False, earlier: bool = False) -> Iterator[Product]:
    for index in range(1 + digest[5] % 3):
        kind = digest[6 + index]
        active = index == 0 or kind >= 50
        year = 2040 + (kind & 3) + (index == 0 and later) - (index == 0 and earlier)
        yield Product(
            product_id=f"56e1741a6fc93653060000{(digest[9] + index) % 12:02d}",
            user_product_id=_id(f"57{index}", digest),
            active=active,
            limited=bool(kind & 1),
            start=_time(digest, index, 2014 + kind % 11),
            end=_time(digest, index + 3, year if active else 2025),
            number=f"00{number:08d}{index}" if kind & 6 else None,
        )


def _time(digest: bytes, index: int, year: int) -> tuple[str, str]:
    """A time as a manifest has it, and the same in UTC."""
    byte, other = digest[12 + index], digest[20 + index]
    offset, colon, hours = _OFFSETS[byte % 3]
    day, hour, minute = f"{year}-{1 + byte % 12:02d}-{1 + other % 28:02d}", 3 + other % 20, "30" if byte & 64 else "00"
    known = f"{day}T{hour - hours:02d}:{minute}:00Z"
    if byte & 128 and byte & 32:  # one in four
        return f"{day}T{hour:02d}:{minute}{colon}", known
    return f"{day} {hour:02d}:{minute} {offset}", known


def _files(fleet: Fleet, folder: Path, numbers: Sequence[int], changed: frozenset[int]) -> Iterator[tuple[str, str]]:
    """The files of these accounts, which make up one file where a file holds many: path and text."""
    texts = ((number, manifest(fleet, number, changed=number in changed)) for number in numbers)
    if fleet.layout == "single":
        for number, text in texts:
            yield f"{folder}/{number // SHARD:04d}/{account_id(fleet, number)}.yaml", _MODELINE + text
        return
    yield f"{folder}/{numbers[0] // SHARD:04d}.yaml", _MODELINE + "---\n".join(text for _, text in texts)


def _write(path: str, text: str) -> int:
    data = text.encode("ascii")
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(target, data)
    finally:
        os.close(target)
    return len(data)
