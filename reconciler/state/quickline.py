"""The short way of an account's line: one as `reconciler state export` writes it is read without decoding it.

It answers with what the line says, or ``None``: then the long way (decode, check, encode) has to be taken. It never
refuses, and what it answers is what the long way would.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from reconciler.model import UNKNOWN, KnownText

# No escapes: a quotation mark always begins or ends a text, so that nothing within one can be taken for a key.
_ID: Final = "[0-9a-f]{24}"
_TEXT: Final = r'"[!#-\[\]-~](?:[ !#-\[\]-~]{0,198}[!#-\[\]-~])?"'
_WORD: Final = f"(?:null|{_TEXT})"
_DATE: Final = (
    "[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_MINUTE: Final = f"{_DATE}T(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME: Final = f'(?:null|"{_MINUTE}:00Z")'
_CLOCK: Final = f"{_MINUTE}:[0-5][0-9]Z"
_IDS: Final = f'(?:"product_id":"{_ID}"(?:,"user_product_id":"{_ID}")?|"user_product_id":"{_ID}")'
_FIELDS: Final = "".join(
    f'(?:,"{name}":{form})?'
    for name, form in (
        ("state", _WORD),
        ("subscription_type", _WORD),
        ("valid_from", _TIME),
        ("valid_to", _TIME),
        ("subscription_number", _WORD),
        ("provision_service", _WORD),
    )
)
_PRODUCT: Final = rf"\{{{_IDS}{_FIELDS}\}}"
_SYNCED: Final = rf'\{{(?:"address":{_TEXT}(?:,"subscriptions":{_TEXT})?|"subscriptions":{_TEXT})\}}'
_LINE: Final = re.compile(
    (
        rf'(\{{"account_id":"({_ID})")(?:,"observed_at":"({_CLOCK})")?'
        rf'((?:,"customer_number":({_WORD}))?(?:,"synced":{_SYNCED})?,'
        rf'"user_products":\[((?:{_PRODUCT}(?:,(?=\{{)|(?=\])))*)\]\}})[ \t\r\n]*'
    ).encode("ascii")
)
_PRODUCT_IDS: Final = re.compile(
    (rf'\{{(?:"product_id":"({_ID})"(?:,"user_product_id":"({_ID})")?|"user_product_id":"({_ID})")').encode("ascii")
)


class QuickLine(NamedTuple):
    """What a line says: ``document`` is the account's canonical JSON, in which the time isn't.

    ``product_ids`` are product_id and user_product_id of each product in their order, "" for one that isn't there.
    """

    account_id: bytes
    observed_at: str | None
    document: str
    customer_number: KnownText
    product_ids: list[tuple[bytes, bytes]]


def quick_line(line: bytes) -> QuickLine | None:
    """What ``line`` says, if it is as an export writes it and the order of its products is the one they can have."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    head, account_id, observed_at, rest, number, products = match.groups()
    found = [(product_id, own or alone) for product_id, own, alone in _PRODUCT_IDS.findall(products)]
    for index in range(1, len(found)):
        if found[index - 1] >= found[index]:
            return None
    return QuickLine(
        account_id,
        None if observed_at is None else observed_at.decode("ascii"),
        (head + rest).decode("ascii"),
        UNKNOWN if number is None else None if number == b"null" else number[1:-1].decode("ascii"),
        found,
    )
