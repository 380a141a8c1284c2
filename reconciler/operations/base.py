"""What an operation is: one of Payway's calls, as data.

The planner asks an operation for its request, the applier sends it, the simulator's tests hold it to the
vendor's page. All calls are ``PUT`` with JSON in and out (the five pages in the project's design folder).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from reconciler import canonical
from reconciler.plan import Request

METHOD: Final = "PUT"
API_PREFIX: Final = "/external/api/v1"

#: Whose id a 200 answer holds.
Answers: TypeAlias = Literal["user_product", "account"]

# Patterns as the pages give them, always matched whole: `$` would accept a trailing newline.
OBJECT_ID: Final = re.compile(r"[0-9a-f]{24}")
NUMBER: Final = re.compile(r"[a-zA-Z0-9_-]{1,50}")
TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2} [+-][0-9]{4}")


class NoSuchRequest(ValueError):
    """A body that the operation would never make; the text says why."""


@dataclass(frozen=True, slots=True)
class BodyField:
    """One field of a request body: a pattern, or the words that are allowed."""

    name: str
    required: bool
    pattern: re.Pattern[str] | None = None
    words: tuple[str, ...] = ()

    def accepts(self, value: object) -> bool:
        """True if Payway's page allows ``value`` here."""
        if not isinstance(value, str):
            return False
        if self.pattern is not None:
            return self.pattern.fullmatch(value) is not None
        return value in self.words


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: where it goes, what its body holds, and what may be said of its answers.

    ``errors`` are the (status, code) pairs of its page beyond `COMMON_ERRORS`. ``repeatable`` tells
    whether the same body sent twice gives the same end, so that an unknown outcome may be repeated.
    ``cool_down`` asks for a pause before that: a lost twin may still be running, and the page forbids
    parallel calls.
    """

    action: str
    path: str
    scope: str
    fields: tuple[BodyField, ...]
    answers: Answers
    errors: tuple[tuple[int, str], ...]
    repeatable: bool
    cool_down: bool
    page: str

    def request(self, values: Mapping[str, str | None]) -> Request:
        """The request for ``values``; fields that are ``None`` or absent are left out.

        Raises `NoSuchRequest` if a required field is missing, a value breaks its page's rule, or a
        field isn't one of this call's.
        """
        unknown = [name for name in values if all(name != known.name for known in self.fields)]
        if unknown:
            raise NoSuchRequest(f"{self.action} has no field {unknown[0]!r}")
        body: dict[str, str] = {}
        for known in self.fields:
            value = values.get(known.name)
            if value is None:
                if known.required:
                    raise NoSuchRequest(f"{self.action} needs {known.name}")
                continue
            if not known.accepts(value):
                raise NoSuchRequest(f"{self.action} can't take {value!r} as {known.name}")
            body[known.name] = value
        return Request(METHOD, API_PREFIX + self.path, body)


#: Error codes that every page lists.
COMMON_ERRORS: Final = (
    (400, "invalid_parameter"),
    (400, "json_parser_error"),
    (400, "invalid_content_type_error"),
    (400, "unknown_parameter"),
    (500, "internal_server_error"),
)

ACCOUNT_ID: Final = BodyField("account_id", True, OBJECT_ID)
PRODUCT_ID: Final = BodyField("product_id", True, OBJECT_ID)
USER_PRODUCT_ID: Final = BodyField("user_product_id", True, OBJECT_ID)
CUSTOMER_NUMBER: Final = BodyField("customer_number", True, NUMBER)

SUBSCRIPTION_SYSTEM: Final = "/external/subscription_system/w"
USER_PRODUCT: Final = "/external/userproduct/w"


def body_bytes(request: Request) -> bytes:
    """The body as it goes over the wire."""
    return canonical.dumps(dict(request.body)).encode("ascii")
