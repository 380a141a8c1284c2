"""Writes known state as a snapshot: the same state is the same bytes, whichever store it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TextIO

from reconciler import canonical
from reconciler.canonical import Json
from reconciler.errors import UsageError
from reconciler.model import (
    SYNC_KINDS,
    UNKNOWN,
    KnownAccount,
    KnownHead,
    KnownProduct,
    KnownView,
    known_product_json,
    product_order,
)
from reconciler.state import csvfile
from reconciler.state.snapshotcheck import FORMAT


def write_snapshot(view: KnownView, stream: TextIO, form: str = "json") -> None:
    """Write ``view`` to ``stream`` in one of `FORMS`, an account after the other.

    JSON is ASCII with an account on each line. CSV leaves out what it has no columns for: the heads, doubts, and
    the mark that a sync leaves. Raises `UsageError` for another form.
    """
    writer = FORMS.get(form)
    if writer is None:
        raise UsageError(f"known state can't be written as {form!r}", hint=f"write it as {' or '.join(FORMS)}")
    writer(view, stream)


def head_json(head: KnownHead) -> dict[str, Json]:
    """The heads of a snapshot."""
    return {
        "format": FORMAT,
        "environment": head.environment or None,
        "lineage": head.lineage,
        "serial": head.serial,
        "observed_at": head.observed_at,
    }


def account_json(account: KnownAccount) -> dict[str, Json]:
    """An account of a snapshot, with the time it was observed."""
    data = account.to_json()
    observed: dict[str, Json] = {} if account.observed_at is None else {"observed_at": account.observed_at}
    return {"account_id": account.account_id, **observed, **data}


def _json(view: KnownView, stream: TextIO) -> None:
    stream.write(canonical.dumps(head_json(view.head)).removesuffix("}") + ',"accounts":[')
    separator = "\n"
    for account in view.accounts():
        stream.write(separator + canonical.dumps(account_json(account)))
        separator = ",\n"
    stream.write("\n]}\n")


def _json_lines(view: KnownView, stream: TextIO) -> None:
    stream.write(canonical.dumps(head_json(view.head)) + "\n")
    for account in view.accounts():
        stream.write(canonical.dumps(account_json(account)) + "\n")


def _csv(view: KnownView, stream: TextIO) -> None:
    told = _told_columns(view)
    columns = [column for column in csvfile.COLUMNS if column in told]
    stream.write(",".join(columns) + "\n")
    for account in view.accounts():
        for row in _rows(account):
            stream.write(",".join(_quoted(row.get(column, _absent(column))) for column in columns) + "\n")


def _told_columns(view: KnownView) -> set[str]:
    """The columns that say something of some account; ids always stand."""
    told = {"account_id", *csvfile.IDS}
    for account in view.accounts():
        for row in _rows(account):
            told.update(row)
        if len(told) == len(csvfile.COLUMNS):
            break
    return told


def _quoted(cell: str) -> str:
    # Not the csv module's: whether it quotes a carriage return depends on the version of Python.
    return '"' + cell.replace('"', '""') + '"' if any(character in cell for character in ',;^"\r\n') else cell


def _absent(column: str) -> str:
    """The cell for what a row doesn't tell: unknown, where empty would mean known to be empty."""
    known_to_be_empty = column == "customer_number" or column in csvfile.FIELDS
    return csvfile.UNKNOWN_CELL if known_to_be_empty else ""


def _rows(account: KnownAccount) -> Iterator[dict[str, str]]:
    about = {"account_id": account.account_id}
    if account.observed_at is not None:
        about["observed_at"] = account.observed_at
    if account.customer_number is not UNKNOWN:
        about["customer_number"] = _cell(account.customer_number)
    for kind, column in zip(SYNC_KINDS, csvfile.SYNCED, strict=True):
        if kind in account.synced:
            about[column] = _cell(account.synced[kind])
    products = sorted(account.user_products, key=product_order)
    if not products:
        yield about
    for product in products:
        yield {**about, **_product_cells(product)}


def _product_cells(product: KnownProduct) -> dict[str, str]:
    return {key: _cell(value) for key, value in known_product_json(product).items()}


def _cell(value: Json) -> str:
    return "" if value is None else csvfile.escaped(str(value))


#: The forms of a snapshot, by the name that ``state export --format`` takes.
FORMS: Final[dict[str, Callable[[KnownView, TextIO], None]]] = {"json": _json, "jsonl": _json_lines, "csv": _csv}
