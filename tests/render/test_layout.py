"""Pieces are laid out to a width; ids stay whole, colour changes no letter."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.layout import Piece, columns, flow, labelled, painter, unit, words

ID = "56e1741a6fc9365306000002"
PLAIN = painter(color=False)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)


def lines(pieces, **layout):
    return [PLAIN(line) for line in flow(pieces, **layout)]


def test_a_value_wraps_below_its_own_start():
    found = [PLAIN(line) for line in labelled("why", words("one two three four"), 2, 20, 6)]
    assert found == ["  why   one two", "        three four"]


def test_an_id_is_never_cut_and_a_time_never_wrapped():
    assert lines([*words("account"), unit(ID)], width=20) == ["account", ID]
    assert lines(words("until 2026-12-01 00:00 UTC, then"), width=22) == ["until", "2026-12-01 00:00 UTC,", "then"]


def test_a_word_wider_than_the_line_is_cut():
    assert lines(words("x" * 25), width=10) == ["x" * 10, "x" * 10, "x" * 5]


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("åäö", 3), ("a\u0308", 1), ("東京", 4), ("", 0)])
def test_width_is_counted_in_columns(text, width):
    assert columns(text) == width


@given(TEXTS, st.integers(10, 60), st.integers(0, 8))
def test_free_text_keeps_to_the_width_and_loses_nothing_but_spaces(text, width, hang):
    found = list(flow(words(text), lead=((" " * hang, ""),), hang=hang, width=width))
    for line in found:
        assert columns(PLAIN(line)) <= width
    joined = "".join("".join(part for part, _ in line) for line in found)
    expected = "".join(piece.text for piece in words(text))
    assert joined.replace(" ", "") == expected.replace(" ", "")


@given(TEXTS)
def test_colour_changes_no_letter(text):
    for line in flow([*words(text, "error"), Piece("end", "good"), unit(text, "no such style")], width=40):
        painted = painter(color=True)(line)
        assert re.sub(r"\x1b\[[0-9;]*m", "", painted).rstrip() == PLAIN(line)
