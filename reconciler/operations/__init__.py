"""Payway's calls, one file each. `OPERATIONS` is the one list of them.

A further call is one file here and one line below; the tests then ask for its page, its simulator rule
and its row in the docs.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from reconciler.operations.base import (
    API_PREFIX,
    COMMON_ERRORS,
    METHOD,
    BodyField,
    NoSuchRequest,
    Operation,
    body_bytes,
)
from reconciler.operations.reactivate import REACTIVATE
from reconciler.operations.subscription_number import SUBSCRIPTION_NUMBER
from reconciler.operations.sync_address import SYNC_ADDRESS
from reconciler.operations.sync_subscriptions import SYNC_SUBSCRIPTIONS
from reconciler.operations.update import UPDATE

OPERATIONS: Final = (UPDATE, REACTIVATE, SUBSCRIPTION_NUMBER, SYNC_ADDRESS, SYNC_SUBSCRIPTIONS)

BY_ACTION: Final = MappingProxyType({operation.action: operation for operation in OPERATIONS})

#: The operation behind each kind of a manifest's ``sync``.
SYNCS: Final = MappingProxyType({"address": SYNC_ADDRESS, "subscriptions": SYNC_SUBSCRIPTIONS})

__all__ = [
    "API_PREFIX",
    "BY_ACTION",
    "COMMON_ERRORS",
    "METHOD",
    "OPERATIONS",
    "SYNCS",
    "BodyField",
    "NoSuchRequest",
    "Operation",
    "body_bytes",
]
