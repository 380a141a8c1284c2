"""Requests as the vendor's five pages describe them: what the simulator lets in.

Written from the pages alone and not from `reconciler.operations`, so that a slip there is answered with an
error here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn

from reconciler.instants import BadTime, parse_known

PREFIX: Final = "/external/api/v1"
JSON_TYPE: Final = "application/json"

USER_PRODUCT_SCOPE: Final = "/external/userproduct/w"
SUBSCRIPTION_SYSTEM_SCOPE: Final = "/external/subscription_system/w"
SCOPES: Final = frozenset({USER_PRODUCT_SCOPE, SUBSCRIPTION_SYSTEM_SCOPE})


class Rejected(Exception):
    """An error answer: HTTP status, Payway's code, the field it names and a message for people."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row of a page's table of parameters.

    ``shown`` is the pattern as error messages quote it. ``is_id`` marks ids, read in either case.
    ``is_time`` marks a DateTime.
    """

    name: str
    required: bool
    pattern: re.Pattern[str] | None = None
    shown: str = ""
    size: int = 0
    words: tuple[str, ...] = ()
    is_id: bool = False
    is_time: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page: ``path`` below `PREFIX`, the scope it asks for, its parameters."""

    action: str
    path: str
    scope: str
    parameters: tuple[Parameter, ...]


def _id(name: str) -> Parameter:
    return Parameter(name, True, re.compile(r"[a-fA-F0-9]{24}"), r"/^[a-f\d]{24}$/", 24, is_id=True)


def _number(name: str) -> Parameter:
    return Parameter(name, True, re.compile(r"[a-zA-Z\-_0-9]+"), "/^[a-zA-Z-_0-9]+$/", 50)


# DateTime has no pattern on page "Update": its example's form is taken for the only one (assumption
# ``one-time-form``).
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} [+-][0-9]{4}")

PAGES: Final = (
    Page(
        "update",
        "/userproducts",
        USER_PRODUCT_SCOPE,
        (
            _id("account_id"),
            _id("product_id"),
            Parameter("subscription_type", False, words=("recurring", "limited")),
            Parameter("state", False, words=("activated", "deactivated")),
            Parameter("valid_from", False, _TIME, "YYYY-MM-DD hh:mm +hhmm", is_time=True),
            Parameter("valid_to", False, _TIME, "YYYY-MM-DD hh:mm +hhmm", is_time=True),
        ),
    ),
    # The page gives these two ids no pattern; its example error quotes that of the others.
    Page(
        "reactivate",
        "/subscription_system/reactivate_payway_provisioned_subscription",
        SUBSCRIPTION_SYSTEM_SCOPE,
        (_id("account_id"), _id("user_product_id")),
    ),
    Page(
        "subscription_number",
        "/subscription_system/subscription_number",
        SUBSCRIPTION_SYSTEM_SCOPE,
        (_id("account_id"), _id("user_product_id"), _number("subscription_number")),
    ),
    Page(
        "sync_address",
        "/subscription_system/sync_address_from_external_subscription_system",
        SUBSCRIPTION_SYSTEM_SCOPE,
        (_number("customer_number"),),
    ),
    Page(
        "sync_subscriptions",
        "/subscription_system/sync_customer_subscriptions",
        SUBSCRIPTION_SYSTEM_SCOPE,
        (_number("customer_number"),),
    ),
)

BY_PATH: Final = MappingProxyType({PREFIX + page.path: page for page in PAGES})


def read_body(page: Page, body: bytes, content_type: str | None) -> dict[str, str]:
    """The values of a request's body, ids in lower case; parameters that aren't there are left out.

    Raises `Rejected` with the page's 400 for the first thing that is wrong, in the order content type,
    JSON, unknown parameters, each parameter of the page.
    """
    if (content_type or "").partition(";")[0].strip().lower() != JSON_TYPE:
        raise Rejected(400, "invalid_content_type_error", f"Content-Type must be {JSON_TYPE}")
    data = _parse(body)
    known = {parameter.name for parameter in page.parameters}
    for name in data:
        if name not in known:
            raise Rejected(400, "unknown_parameter", "Parameter is not recognized", name)
    values: dict[str, str] = {}
    for parameter in page.parameters:
        if parameter.name in data:
            values[parameter.name] = _value(parameter, data[parameter.name])
        elif parameter.required:
            raise Rejected(400, "invalid_parameter", "Parameter is required", parameter.name)
    return values


def _parse(body: bytes) -> Mapping[str, object]:
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Rejected(400, "json_parser_error", "The request body could not be parsed as a JSON object")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _value(parameter: Parameter, value: object) -> str:
    name = parameter.name
    if not isinstance(value, str):
        raise Rejected(400, "invalid_parameter", "Parameter must be a string", name)
    if parameter.words and value not in parameter.words:
        raise Rejected(400, "invalid_parameter", f"Parameter must be one of {', '.join(parameter.words)}", name)
    if parameter.size and len(value) > parameter.size:
        raise Rejected(400, "invalid_parameter", f"Parameter must be at most {parameter.size} long", name)
    if parameter.pattern is not None and parameter.pattern.fullmatch(value) is None:
        raise Rejected(400, "invalid_parameter", f"Parameter must match format ({parameter.shown})", name)
    if parameter.is_time:
        try:
            parse_known(value)
        except BadTime:
            raise Rejected(400, "invalid_parameter", "Parameter is not a time", name) from None
    return value.lower() if parameter.is_id else value
