"""Reads a snapshot of known state: one JSON document, JSON Lines or CSV, told apart by their content.

Everything that is wrong with it is found before anything is done with it. A large one that has an account on each line
isn't held in memory.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import sys
import tempfile
import weakref
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from reconciler.errors import InvalidInput
from reconciler.model import KnownAccount, KnownHead, KnownView
from reconciler.state.accounts import user_product_ids
from reconciler.state.csvfile import read_csv
from reconciler.state.snapshotcheck import FORMAT, DataPath, Place, check_account, check_head
from reconciler.state.snapshotlines import SeenLines
from reconciler.state.snapshotscan import NotByLines, scan
from reconciler.state.snapshottext import (
    Problems,
    account_in,
    clock,
    known_head,
    load,
    not_json,
    not_utf8,
    object_or_none,
    place_in_document,
    place_in_line,
    unreadable,
)

#: From how many bytes on a snapshot isn't held in memory, if it can be read line by line.
LARGE: Final = 1 << 20

_STDIN: Final = "standard input"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as it was read. ``accounts`` are in order of their ids; ``notes`` say what was ignored.

    ``form`` is ``json``, ``jsonl`` or ``csv``. The head's environment is "" if the snapshot names none.
    """

    head: KnownHead
    accounts: tuple[KnownAccount, ...] | SeenLines
    form: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """An account before it is checked: ``place`` tells where a path into ``data`` stands, for messages."""

    data: object
    place: Place


def read_snapshot(source: str | Path) -> Snapshot:
    """The snapshot in the file ``source``, or on standard input for ``-``.

    Raises `InvalidInput` with every problem and its place.
    """
    name = _STDIN if str(source) == "-" else str(source)
    try:
        with ExitStack() as opened:
            file = _opened(source, opened)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if size >= LARGE:
                try:
                    head, seen, form = scan(file, name)
                except NotByLines:
                    file.seek(0)
                else:
                    # It stays open until nobody refers to the accounts any more.
                    weakref.finalize(seen, opened.pop_all().close)
                    return Snapshot(head, seen, form)
            data = file.read()
    except OSError as error:
        raise unreadable(name, error) from None
    return parse_snapshot(data, name)


def parse_snapshot(data: bytes, name: str) -> Snapshot:
    """The snapshot in ``data``; ``name`` is what messages call it. Raises `InvalidInput` with every problem."""
    text = _decoded(data, name)
    start = text.lstrip()[:1]
    if start == "":
        raise InvalidInput(f"{name}: the snapshot is empty", hint="an empty one is made with `reconciler state init`")
    if start == "[":
        raise InvalidInput(
            f"{name}: the snapshot is a JSON list", hint=f'put it into {{"format": "{FORMAT}", "accounts": […]}}'
        )
    if start != "{":
        table = read_csv(text, name)
        found = (Found(account.data, account.place) for account in table.accounts)
        return _snapshot(name, {}, found, "csv", problems=table.problems, notes=table.notes)
    first, _, rest = text.lstrip().partition("\n")
    head = object_or_none(first)
    if head is not None and "accounts" not in head:
        skipped = text.count("\n", 0, len(text) - len(text.lstrip()))
        return _json_lines(name, head, rest, skipped + 1)
    return _json_document(name, text)


def snapshot_view(snapshot: Snapshot) -> KnownView:
    """Known state for the planner, straight from a snapshot."""
    accounts = snapshot.accounts
    if isinstance(accounts, SeenLines):
        return KnownView(
            snapshot.head,
            accounts=lambda: iter(accounts),
            account_of=accounts.account_of,
            texts=lambda: (row.record for row in accounts.rows()),
            find=accounts.find,
        )
    owners = {own: account.account_id for account in accounts for own in user_product_ids(account)}
    return KnownView(
        snapshot.head, lambda: iter(accounts), owners.get, find=lambda account_id: find_account(snapshot, account_id)
    )


def find_account(snapshot: Snapshot, account_id: str) -> KnownAccount | None:
    """What a snapshot knows of one account."""
    accounts = snapshot.accounts
    if isinstance(accounts, SeenLines):
        return accounts.find(account_id)
    index = bisect_left(accounts, account_id, key=lambda account: account.account_id)
    return accounts[index] if index < len(accounts) and accounts[index].account_id == account_id else None


def _json_document(name: str, text: str) -> Snapshot:
    try:
        document = load(text)
    except json.JSONDecodeError as error:
        raise _broken(name, [not_json(f"{name}:{error.lineno}", error)]) from None
    except ValueError as error:
        raise _broken(name, [not_json(name, error)]) from None
    assert isinstance(document, dict)  # it begins with {
    accounts = document.get("accounts")
    if not isinstance(accounts, list):
        raise _broken(name, check_head(document, name))
    found = (Found(data, place_in_document(name, index)) for index, data in enumerate(accounts))
    return _snapshot(name, document, found, "json")


def _json_lines(name: str, head: dict[str, Any], rest: str, lines_before: int) -> Snapshot:
    problems: list[str] = []

    def found() -> Iterator[Found]:
        for number, line in enumerate(rest.split("\n"), lines_before + 1):
            if not line.strip():
                continue
            try:
                yield Found(load(line), place_in_line(name, number))
            except ValueError as error:
                problems.append(not_json(f"{name}:{number}", error))

    return _snapshot(name, {**head, "accounts": []}, found(), "jsonl", problems=problems)


def _snapshot(
    name: str,
    head: dict[str, Any],
    found: Iterable[Found],
    form: str,
    *,
    problems: list[str] | None = None,
    notes: tuple[str, ...] = (),
) -> Snapshot:
    problems = [] if problems is None else problems
    if form != "csv":
        problems.extend(check_head(head, name))
    observed_at = None if problems else clock(head.get("observed_at"))
    accounts: dict[str, KnownAccount] = {}
    places: dict[str, tuple[Place, DataPath]] = {}
    for each in found:
        wrong = check_account(each.data)
        if wrong:
            problems.extend(f"{each.place(path)}: {text}" for path, text in wrong)
            continue
        assert isinstance(each.data, dict)
        account = account_in(each.data, observed_at)
        problems.extend(_twice(each.data, each.place, places))
        accounts[account.account_id] = account
    if problems:
        raise _broken(name, problems)
    ordered = tuple(accounts[account_id] for account_id in sorted(accounts))
    return Snapshot(known_head(head, observed_at), ordered, form, notes)


def _twice(data: dict[str, Any], place: Place, places: dict[str, tuple[Place, DataPath]]) -> Iterator[str]:
    """What an account names that was named before; ``places`` remembers where each id was first."""
    named: list[tuple[str, DataPath]] = [(f"account {data['account_id'].lower()}", ())]
    for index, product in enumerate(data["user_products"]):
        if product.get("user_product_id") is not None:
            named.append((f"user product {product['user_product_id'].lower()}", ("user_products", index)))
    for name, path in named:
        if name in places:
            first, first_path = places[name]
            yield f"{place(path)}: {name} stands here a second time, first at {first(first_path)}"
        else:
            places[name] = (place, path)


def _opened(source: str | Path, opened: ExitStack) -> BinaryIO:
    """The file ``source``; of a pipe or of standard input, what is in it.

    ``opened`` closes what is open then.
    """
    if str(source) == "-":
        return _copied(sys.stdin.buffer, opened)
    file = opened.enter_context(Path(source).open("rb"))  # noqa: SIM115 -- the stack closes it
    return file if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else _copied(file, opened)


def _copied(stream: BinaryIO, opened: ExitStack) -> BinaryIO:
    """What ``stream`` has, in a file that is gone when it is closed; in memory if that isn't much."""
    start = stream.read(LARGE)
    if len(start) < LARGE:
        return BytesIO(start)
    try:
        copy = opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 -- the stack closes it
        copy.write(start)
        shutil.copyfileobj(stream, copy)
        copy.flush()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        hint = "make room for temporary files, or let TMPDIR name a folder with more"
        raise InvalidInput("there is no room left for a copy of the snapshot", hint=hint) from None
    return cast("BinaryIO", copy)


def _decoded(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInput(f"{name}: the snapshot is UTF-16 text", hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise not_utf8(name, error.object.count(b"\n", 0, error.start) + 1) from None


def _broken(name: str, problems: list[str]) -> InvalidInput:
    found = Problems()
    for position, text in enumerate(problems):
        found.add(position, text)
    return found.refusal(name)
