"""Known state as CSV: one user product a row, fields named as in the snapshot, separated by ``,`` ``;`` or ``^``.

An empty cell means known to be empty; a column that isn't there, or a cell that is only ``?``, means unknown. A row
without both ids tells of an account without products. Cells that a spreadsheet would take for a formula are
written with a ``'`` before them, and read back without it.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from typing import Final

from reconciler.canonical import Json
from reconciler.errors import InvalidInput
from reconciler.model import SYNC_KINDS
from reconciler.state.snapshotcheck import DataPath

SEPARATORS: Final = (",", ";", "^")
UNKNOWN_CELL: Final = "?"

IDS: Final = ("product_id", "user_product_id")
FIELDS: Final = ("state", "subscription_type", "valid_from", "valid_to", "subscription_number", "provision_service")
SYNCED: Final = tuple(f"synced_{kind}" for kind in SYNC_KINDS)
ACCOUNT_COLUMNS: Final = ("customer_number", "observed_at", *SYNCED)

#: All columns, in the order in which an export has them.
COLUMNS: Final = ("account_id", *ACCOUNT_COLUMNS, *IDS, *FIELDS)

_QUOTED: Final = re.compile(r"'*(?:[=+\-@].*|\?)", re.DOTALL)


@dataclass(slots=True)
class CsvAccount:
    """An account as its rows tell it, in the snapshot's form: ``lines`` has the line of each product's row."""

    name: str
    line: int
    data: dict[str, Json]
    lines: list[int] = field(default_factory=list)

    def place(self, path: DataPath) -> str:
        """Where a path into ``data`` stands in the file."""
        if len(path) >= 2 and path[0] == "user_products" and isinstance(path[1], int):
            line, names = self.lines[path[1]], path[2:]
        else:
            line, names = self.line, path
        column = "_".join(str(name) for name in names)
        return f"{self.name}:{line}: {column}" if column else f"{self.name}:{line}"


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A CSV file as it was read: ``problems`` are about its rows, the fields are still to be checked."""

    accounts: tuple[CsvAccount, ...]
    problems: list[str]
    notes: tuple[str, ...]


def escaped(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, and that isn't the mark of an unknown field."""
    return f"'{text}" if _QUOTED.fullmatch(text) else text


def unescaped(cell: str) -> str:
    """The text behind `escaped`."""
    return cell[1:] if cell.startswith("'") and _QUOTED.fullmatch(cell[1:]) else cell


def read_csv(text: str, name: str) -> CsvTable:
    """The accounts in a CSV text; rows of one account needn't stand together.

    Raises `InvalidInput` if it has no header that can be used.
    """
    separator, columns, notes = _header(text, name)
    accounts: dict[str, CsvAccount] = {}
    problems: list[str] = []
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        next(rows)
        for row in rows:
            line = rows.line_num
            if not any(row):
                continue
            if len(row) != len(columns):
                problems.append(f"{name}:{line}: the row has {len(row)} cells, but the header has {len(columns)}")
                continue
            cells = {column: cell for column, cell in zip(columns, row, strict=True) if column is not None}
            problems.extend(_take(accounts, cells, name, line))
    except csv.Error as error:
        problems.append(f"{name}:{rows.line_num}: this isn't CSV: {error}")
    return CsvTable(tuple(accounts.values()), problems, notes)


def _header(text: str, name: str) -> tuple[str, list[str | None], tuple[str, ...]]:
    """The separator, the columns (``None`` for one that is ignored) and what is to be said about them."""
    line = text.split("\n", 1)[0].rstrip("\r")
    read = {separator: _cells(line, separator) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=lambda each: len(set(read[each]) & set(COLUMNS)))
    names = read[separator]
    if "account_id" not in names:
        raise InvalidInput(
            f"{name}:1: this is neither JSON nor CSV with a column account_id",
            hint=f"the columns are {', '.join(COLUMNS)}; they are separated by , ; or ^",
        )
    if not set(names) & set(IDS):
        raise InvalidInput(f"{name}:1: neither product_id nor user_product_id is a column", hint="add one of the two")
    twice = sorted({each for each in names if each in COLUMNS and names.count(each) > 1})
    if twice:
        raise InvalidInput(f"{name}:1: the column {twice[0]} stands twice", hint="take one of them out")
    ignored = [each for each in names if each not in COLUMNS and each]
    notes = (f"{name}: ignored columns: {', '.join(ignored)}",) if ignored else ()
    return separator, [each if each in COLUMNS else None for each in names], notes


def _cells(line: str, separator: str) -> list[str]:
    try:
        row = next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return []
    return [cell.strip().lower() for cell in row]


def _take(accounts: dict[str, CsvAccount], cells: dict[str, str], name: str, line: int) -> list[str]:
    """Add a row to its account; what is wrong with the row comes back."""
    account_id = cells["account_id"]
    about = _account_data(account_id, cells)
    account = accounts.get(account_id.lower())
    if account is None:
        account = accounts[account_id.lower()] = CsvAccount(name, line, {**about, "user_products": []})
    problems = [
        f"{name}:{line}: {key}: differs from line {account.line}, which is about the same account"
        for key in ("customer_number", "observed_at", "synced")
        if account.data.get(key) != about.get(key)
    ]
    product = _product_data(cells)
    if "product_id" in product or "user_product_id" in product:
        products = account.data["user_products"]
        assert isinstance(products, list)
        products.append(product)
        account.lines.append(line)
    elif any(value is not None for value in product.values()):
        problems.append(f"{name}:{line}: the row tells of a product, but has neither product_id nor user_product_id")
    return problems


def _account_data(account_id: str, cells: dict[str, str]) -> dict[str, Json]:
    data: dict[str, Json] = {"account_id": account_id}
    if cells.get("observed_at"):
        data["observed_at"] = cells["observed_at"]
    _put(data, "customer_number", cells)
    words = {column.removeprefix("synced_"): unescaped(cells[column]) for column in SYNCED if cells.get(column)}
    if words:
        data["synced"] = dict(words)
    return data


def _product_data(cells: dict[str, str]) -> dict[str, Json]:
    data: dict[str, Json] = {key: cells[key] for key in IDS if cells.get(key, UNKNOWN_CELL) not in ("", UNKNOWN_CELL)}
    for key in FIELDS:
        _put(data, key, cells)
    return data


def _put(data: dict[str, Json], key: str, cells: dict[str, str]) -> None:
    cell = cells.get(key, UNKNOWN_CELL)
    if cell != UNKNOWN_CELL:
        data[key] = unescaped(cell) or None
