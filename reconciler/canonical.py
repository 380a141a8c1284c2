"""One way to write JSON, so that equal values are equal bytes and a digest means something.

Compact, ASCII only (what looks like one character is one), keys in the order given: whoever builds a
value decides its order once, and files, digests and bodies on the wire all follow it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Final, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

DIGEST_PREFIX: Final = "sha256:"


# Made once: `json.dumps` would make an encoder for every value.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), check_circular=False)


def dumps(value: object) -> str:
    """``value`` as compact ASCII JSON."""
    return _ENCODER.encode(value)


#: A text as ASCII JSON: what `dumps` says of it, without an encoder.
text: Final[Callable[[str], str]] = encode_basestring_ascii


def digest(value: object) -> str:
    """``sha256:`` and 64 hex digits over the canonical JSON of ``value``."""
    return digest_bytes(dumps(value).encode("ascii"))


def digest_bytes(data: bytes) -> str:
    """``sha256:`` and 64 hex digits over ``data``."""
    return DIGEST_PREFIX + hashlib.sha256(data).hexdigest()
