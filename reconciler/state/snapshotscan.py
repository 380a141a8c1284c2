"""Goes through a snapshot that has an account on each line, and says what is wrong with it or where its accounts are.

It is JSON Lines, or one JSON document as an export writes it: the heads up to ``"accounts":[`` on the first line, an
account on each of the next, and ``]}`` on the last.
"""

from __future__ import annotations

import codecs
import heapq
from collections.abc import Callable, Iterator
from itertools import count
from operator import itemgetter
from typing import Any, BinaryIO, Final

from reconciler.model import KnownHead
from reconciler.state.quickline import quick_line
from reconciler.state.snapshotcheck import Place, check_account, check_head
from reconciler.state.snapshotlines import Repeated, SeenLines
from reconciler.state.snapshottext import (
    SHOWN_PROBLEMS,
    Problems,
    clock,
    known_head,
    load,
    not_json,
    not_utf8,
    object_or_none,
    place_in_document,
    place_in_line,
)

_SPACE: Final = b" \t\r\n"
#: Heads are short: where the first line has more bytes than this, it isn't one of heads.
_HEADS_SIZE: Final = 1 << 16


class NotByLines(Exception):
    """The snapshot isn't laid out an account a line; what is wrong with it, if anything, is still to be found."""


def scan(file: BinaryIO, name: str) -> tuple[KnownHead, SeenLines, str]:
    """The heads, accounts and form (``jsonl`` or ``json``) of the snapshot in ``file``, read from its start.

    The accounts keep the file. Raises `NotByLines`, and `reconciler.errors.InvalidInput` with every problem.
    """
    start, number, head, form = _heads(file)
    problems = Problems()
    for text in check_head({**head, "accounts": []}, name):
        problems.add(-1, text)
    seen = SeenLines(file, name, None if problems.count else clock(head.get("observed_at")))
    lines = enumerate(_placed(file, start), number + 1)
    if form == "jsonl":
        _add_lines(lines, name, seen, problems)
        _add_repeated(problems, seen, lambda position: place_in_line(name, position))
    else:
        _add_items(lines, name, seen, problems)
        _add_repeated(problems, seen, lambda position: place_in_document(name, position))
    if problems.count:
        raise problems.refusal(name)
    return known_head(head, seen.observed_at), seen, form


def _heads(file: BinaryIO) -> tuple[int, int, dict[str, Any], str]:
    """Where the line with the heads ends, its number, the heads, and the form."""
    start = 0
    for number in count(1):
        line = file.readline(_HEADS_SIZE)
        if len(line) == _HEADS_SIZE or not line:
            raise NotByLines
        text = _text(line.removeprefix(codecs.BOM_UTF8) if start == 0 else line)
        start += len(line)
        if text is None:
            raise NotByLines
        if text.strip():
            return start, number, *_head(text.lstrip())
    raise NotByLines


def _head(line: str) -> tuple[dict[str, Any], str]:
    if line.startswith("{"):
        head = object_or_none(line)
        if head is not None and "accounts" not in head:
            return head, "jsonl"
        opened = line.rstrip(_SPACE.decode("ascii"))
        head = object_or_none(f"{opened}]}}") if opened.endswith("[") else None
        if head is not None and next(reversed(head)) == "accounts" and head["accounts"] == []:
            return head, "json"
    raise NotByLines


def _placed(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """The lines from byte ``start`` on, each with where it begins."""
    for line in file:
        yield start, line
        start += len(line)


def _add_lines(lines: Iterator[tuple[int, tuple[int, bytes]]], name: str, seen: SeenLines, problems: Problems) -> None:
    for number, (start, line) in lines:
        if _add_quickly(seen, line, start, number):
            continue
        text = _text(line)
        if text is None:
            raise not_utf8(name, number)
        if not text.strip():
            continue
        try:
            data = load(text.removesuffix("\n"))
        except ValueError as error:
            problems.add(number, not_json(f"{name}:{number}", error))
            continue
        _add(seen, problems, data, line, start, number, place_in_line(name, number))


def _add_items(lines: Iterator[tuple[int, tuple[int, bytes]]], name: str, seen: SeenLines, problems: Problems) -> None:
    """The accounts of a JSON document. Raises `NotByLines` where a comma, a bracket or a value isn't in its place."""
    index, more, ended = 0, True, False
    for number, (start, line) in lines:
        item = line.strip(_SPACE)
        if not item:
            continue
        if item == b"]}" and not ended and (index == 0 or not more):
            ended = True
            continue
        if ended or not more:
            raise NotByLines
        start += line.index(item)
        more = item.endswith(b",")
        item = item.removesuffix(b",")
        if not _add_quickly(seen, item, start, index):
            text = _text(item)
            if text is None:
                raise not_utf8(name, number)
            try:
                data = load(text)
            except ValueError:
                raise NotByLines from None
            _add(seen, problems, data, item, start, index, place_in_document(name, index))
        index += 1
    if not ended:
        raise NotByLines


def _add_quickly(seen: SeenLines, line: bytes, start: int, position: int) -> bool:
    quick = quick_line(line)
    if quick is None:
        return False
    seen.add(bytes.fromhex(quick.account_id.decode("ascii")), line, start, position)
    for index, (_, user_product_id) in enumerate(quick.product_ids):
        if user_product_id:
            seen.add_user_product(bytes.fromhex(user_product_id.decode("ascii")), index)
    return True


def _add(
    seen: SeenLines, problems: Problems, data: object, line: bytes, start: int, position: int, place: Place
) -> None:
    wrong = check_account(data)
    for path, text in wrong:
        problems.add(position, f"{place(path)}: {text}")
    if wrong:
        return
    assert isinstance(data, dict)  # or the check would have told
    seen.add(bytes.fromhex(data["account_id"]), line, start, position)
    for index, product in enumerate(data["user_products"]):
        if product.get("user_product_id") is not None:
            seen.add_user_product(bytes.fromhex(product["user_product_id"]), index)


def _add_repeated(problems: Problems, seen: SeenLines, place: Callable[[int], Place]) -> None:
    """Add what stands a second time, each at its place among the other problems."""

    def counted() -> Iterator[Repeated]:
        for repeated in seen.arrange():
            problems.count += 1
            yield repeated

    told = [
        (each.position, f"{place(each.position)(each.path)}: {each.text} {place(each.first)(each.first_path)}")
        for each in heapq.nsmallest(SHOWN_PROBLEMS, counted())
    ]
    # One line has either problems of its own or ids that were seen before, never both.
    problems.first = sorted([*problems.first, *told], key=itemgetter(0))[:SHOWN_PROBLEMS]


def _text(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None
