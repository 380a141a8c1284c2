"""The vendor's five pages as data (`pages/*.toml`, typed off by hand), and how to read their patterns."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Page = dict[str, Any]

PAGES = [tomllib.loads(path.read_text("utf-8")) for path in sorted(Path(__file__).parent.glob("pages/*.toml"))]

ID = "56e1741a6fc9365306000002"

#: Values at the edges of every pattern, size and list of words.
EDGES = [
    "",
    " ",
    ID,
    ID.upper(),
    ID[:23],
    ID + "0",
    ID + "\n",
    "\n" + ID,
    ID[:23] + "g",
    ID[:23] + "٣",  # an Arabic digit
    ID[:23] + "３",  # a full-width one
    "0",
    "0012345670",
    "1234567890\n",
    "1234567890\r",
    "12345 7890",
    "١٢٣",
    "a_b-C",
    "-",
    "--",
    "a.b",
    "a[b",
    "a^b",
    "a`b",
    "å",
    "ſ",  # lower-cases to s in careless patterns
    "x" * 50,
    "x" * 51,
    "x" * 50 + "\n",
    "recurring",
    "limited",
    "Limited",
    "limited\n",
    "activated",
    "deactivated",
    "ACTIVATED",
    "cancelled",
    "pending",
    "frozen",
]

_WRITTEN = re.compile(r"/\^(.*)\$/(i?)")


def page_accepts(field: dict[str, Any], value: str) -> bool:
    """Does the page allow ``value`` in ``field``? Its pattern holds for the whole text, its ``\\d`` is 0-9."""
    if "words" in field:
        return value in field["words"]
    if "size" in field and len(value) > int(field["size"].removeprefix("..")):
        return False
    if "pattern" in field:
        written = _WRITTEN.fullmatch(field["pattern"])
        assert written, field["pattern"]
        flags = re.ASCII | (re.IGNORECASE if written[2] else 0)
        return re.fullmatch(written[1], value, flags) is not None
    return True


@pytest.fixture(params=PAGES, ids=lambda page: page["action"])
def page(request: pytest.FixtureRequest) -> Page:
    """Each page in turn."""
    return request.param


@pytest.fixture
def pages() -> list[Page]:
    """All pages."""
    return PAGES


@pytest.fixture
def edges() -> list[str]:
    """Values to try in every field."""
    return EDGES


@pytest.fixture
def accepts() -> Callable[[dict[str, Any], str], bool]:
    """`page_accepts`."""
    return page_accepts
