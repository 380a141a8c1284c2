"""Writes known state as a snapshot: the same state is the same bytes, whichever store it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from reconciler import canonical
from reconciler.canonical import Json
from reconciler.errors import UsageError
from reconciler.model import (
    SYNC_KINDS,
    UNKNOWN,
    KnownAccount,
    KnownHead,
    KnownProduct,
    KnownRecord,
    KnownView,
    known_product_json,
    product_order,
)
from reconciler.state import csvfile
from reconciler.state.snapshotcheck import FORMAT


def snapshot_pieces(view: KnownView, form: str = "json") -> Iterator[str]:
    """``view`` as a snapshot in one of `FORMS`: text in pieces, an account after the other.

    JSON is ASCII with an account on each line. CSV leaves out what it has no columns for: the heads, doubts, and
    the mark that a sync leaves. Raises `UsageError` for another form.
    """
    pieces = FORMS.get(form)
    if pieces is None:
        raise UsageError(f"known state can't be written as {form!r}", hint=f"write it as {' or '.join(FORMS)}")
    return pieces(view)


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


def _account_text(record: KnownRecord, view: KnownView) -> str:
    """An account of a snapshot, with the time it was observed. Raises as the store does for one that was altered."""
    own_id = f'{{"account_id":{canonical.dumps(record.account_id)}'
    if not record.document.startswith(own_id) or canonical.digest_bytes(record.document.encode()) != record.digest:
        account = view.account(record.account_id)
        assert account is not None  # since there is a record of it
        return canonical.dumps(account_json(account))
    if record.observed_at is None:
        return record.document
    return f'{own_id},"observed_at":{canonical.dumps(record.observed_at)}{record.document[len(own_id) :]}'


def _json(view: KnownView) -> Iterator[str]:
    yield canonical.dumps(head_json(view.head)).removesuffix("}") + ',"accounts":['
    separator = "\n"
    for record in view.records():
        yield separator + _account_text(record, view)
        separator = ",\n"
    yield "\n]}\n"


def _json_lines(view: KnownView) -> Iterator[str]:
    yield canonical.dumps(head_json(view.head)) + "\n"
    for record in view.records():
        yield _account_text(record, view) + "\n"


def _csv(view: KnownView) -> Iterator[str]:
    told = _told_columns(view)
    columns = [column for column in csvfile.COLUMNS if column in told]
    yield ",".join(columns) + "\n"
    for account in view.accounts():
        for row in _rows(account):
            yield ",".join(_quoted(row.get(column, _absent(column))) for column in columns) + "\n"


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
FORMS: Final[dict[str, Callable[[KnownView], Iterator[str]]]] = {"json": _json, "jsonl": _json_lines, "csv": _csv}
