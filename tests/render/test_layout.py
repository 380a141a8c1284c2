"""Pieces are laid out to a width; ids stay whole, colour changes no letter."""

import re
from itertools import groupby
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.style import Style

from reconciler.render import layout
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


PIECES = st.text(st.sampled_from("ab ::##é→\u4e2d\u0301"), max_size=14) | st.just("2026-11-24 10:00 +0100, x")


def by_the_plain_rule(pieces, lead, hang, width):
    """Word by word: whatever doesn't fit any more begins a line."""
    found, line, empty = [], list(lead), True
    for text, style, gap, breakable, wraps in pieces:
        for word in layout._WORD.findall(text) if wraps else [text]:
            cut = breakable and columns(word) > width - hang
            for number, part in enumerate(layout._cut(word, width - hang) if cut else [word]):
                before = 0 if empty or number else gap
                used = columns(text_of(line))
                if (not empty or used > hang) and used + before + columns(part) > width:
                    found.append(merged(line))
                    line, before = [(" " * hang, "")], 0
                line.append((" " * before + part, style))
                empty = False
    return [*found, merged(line)]


def text_of(line):
    return "".join(text for text, _ in line)


def merged(line):
    """Neighbours of one style as one span."""
    runs = groupby(line, key=lambda span: span[1])
    return tuple((text_of(spans), style) for style, spans in runs)


@given(
    st.lists(st.tuples(PIECES, st.sampled_from(["", "label"]), st.integers(-1, 3)), max_size=5),
    PIECES.map(lambda text: ((text, "label"),)) | st.just(()),
    st.integers(0, 6),
    st.integers(-2, 2),
)
def test_lines_are_what_the_plain_rule_makes_of_them(given_pieces, lead, hang, more):
    pieces = []
    for text, style, gap in given_pieces:
        pieces += words(text, style) if gap < 0 else [unit(text, style, gap)]
    # About as wide as one line needs, its first pieces, or its widest piece.
    widths = [columns(text_of(*by_the_plain_rule(pieces[:end], lead, 0, 10_000))) for end in range(len(pieces) + 1)]
    for wide in (*widths, max((columns(each.text) for each in pieces), default=0)):
        width = max(hang + 1, wide + more)
        assert list(flow(pieces, lead=lead, hang=hang, width=width)) == by_the_plain_rule(pieces, lead, hang, width)


def test_letters_that_are_counted_together_take_one_column_each():
    narrow = [chr(point) for point in range(0x3000) if layout._NARROW.fullmatch(chr(point))]
    assert len(narrow) > 500 and all(layout._columns_of(each) == 1 for each in narrow)


@pytest.mark.parametrize("name", [*layout.STYLES, "", "no such style"])
def test_a_style_looks_as_rich_draws_it(name):
    drawn = Style.parse(layout.STYLES.get(name, "")).render("some text", color_system=ColorSystem.STANDARD)
    assert painter(color=True)((("some text", name), ("", "label"), ("  ", "quiet"))) == drawn


def test_what_fits_isn_t_taken_apart():
    with patch.object(layout, "_wrapped", side_effect=AssertionError):
        assert lines([*words("until 2026-12-01 00:00 UTC"), Piece("→"), *words("é")], width=40) == [
            "until 2026-12-01 00:00 UTC → é"
        ]
