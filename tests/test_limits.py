"""Durations as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.limits import LONGEST, ApplySettings, BadDuration, duration_text, parse_duration

SECONDS = {
    "30s": 30, "90m": 5400, "24h": 86400, "7d": 604800, "45": 45, "1.5h": 5400, "0": 0, "2 m": 120, "0.25": 0.25,
    "3650d": LONGEST,
}  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), SECONDS.items())
def test_a_duration_is_seconds_or_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("number", [0, 1, 0.5, 3600])
def test_a_number_is_seconds(number: float) -> None:
    assert parse_duration(number) == number


@pytest.mark.parametrize(
    "bad", ["", "h", "1w", "1h30m", "-1s", "+1s", "1e3", "1,5h", " 1s", "1s ", "1s\n", "١s", "3651d", "9" * 13,
            -1, math.nan, math.inf, -math.inf, LONGEST + 1],
)  # fmt: skip
def test_what_is_no_duration(bad: str | float) -> None:
    with pytest.raises(BadDuration):
        parse_duration(bad)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "0.5s"), (30, "30s"), (90, "90s"), (5400, "90m"), (86400, "24h"), (7 * 86400, "7d")],
)
def test_a_duration_is_shown_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.integers(0, LONGEST // 60).map(lambda minutes: minutes * 60.0))
def test_what_is_shown_can_be_read_again(seconds: float) -> None:
    assert parse_duration(duration_text(seconds)) == seconds


def test_the_defaults_are_those_of_the_contract() -> None:
    assert ApplySettings() == ApplySettings(
        tries=4, delays=(1, 2, 4), jitter=True, max_wait=300, cool_down=30, call_deadline=60, connect_timeout=10,
        max_failures=10, max_unclear=3,
    )  # fmt: skip
