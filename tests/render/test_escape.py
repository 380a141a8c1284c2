"""Hostile text is harmless in every place it is shown in."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.escape import (
    cell,
    code,
    command_message,
    command_property,
    comment,
    copyable,
    fenced,
    html_code,
    terminal,
    visible,
)

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
MARKUP = st.text("`|@#<>&*_[]()!-\\\n:%, ab1\u202e", max_size=40)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("circulation@example.com", "circulation@example.com"),
        ("Åsa, Königsstraße 5, 東京", "Åsa, Königsstraße 5, 東京"),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m and \x7f and \x00", r"\x9b31m and \x7f and \x00"),
        ("invoice\u202egpj.exe", r"invoice\u202egpj.exe"),
        ("\u2066isolated\u2069", r"\u2066isolated\u2069"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("\u2028line\u2029paragraph\u0085next", r"\u2028line\u2029paragraph\x85next"),
        ("no\u00a0break\u3000wide", r"no\xa0break\u3000wide"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("filler\u3164\u2800", r"filler\u3164\u2800"),
        ("lone\ud800", r"lone\ud800"),
    ],
)
def test_what_acts_or_hides_is_written_out(value, shown):
    assert visible(value) == shown
    assert terminal(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("::add-mask::e", r"\x3a:add-mask::e".replace("::e", r"\x3a:e")),
        ("##[add-mask]e", r"\x23#[add-mask]e"),
        ("##vso[task.complete]", r"\x23#vso[task.complete]"),
        ("a   b", "a b"),
        ("12::34 and ## heading", "12::34 and ## heading"),
    ],
)
def test_a_log_line_gives_no_order_to_a_runner_and_lays_out_no_columns(value, shown):
    assert terminal(value) == shown


@given(ANY_TEXT)
def test_shown_text_has_no_character_that_acts_or_hides(value):
    for shown in (visible(value), terminal(value), command_message(value), command_property(value)):
        assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
        assert len(shown.splitlines()) <= 1


@given(ANY_TEXT | MARKUP | st.text(":# a[é\x00", max_size=12))
def test_what_a_terminal_shows_is_what_can_be_copied_but_for_runs_of_spaces(value):
    assert terminal(value) == re.sub(" {2,}", " ", copyable(value))


@given(ANY_TEXT)
def test_escaping_twice_changes_nothing(value):
    assert visible(visible(value)) == visible(value)
    assert terminal(terminal(value)) == terminal(value)


@given(st.text(":#[abvso ]", max_size=20))
def test_no_text_becomes_an_order_to_a_runner(value):
    assert not re.search(r"::[a-z]|##[a-z]*\[", terminal(value))


@given(MARKUP | ANY_TEXT)
def test_a_code_span_ends_only_where_it_should(value):
    span = code(value)
    if span == "(empty)":
        return
    fence = re.match("`+", span)[0]
    inside = span[len(fence) : -len(fence)]
    assert span.endswith(fence) and fence not in re.findall("`+", inside)
    assert inside.strip(" ") == terminal(value).strip(" ")
    assert "\n" not in span


@pytest.mark.parametrize(
    ("value", "span"),
    [
        ("@team", "`@team`"),
        ("a`b``c", "```a`b``c```"),
        ("`", "`` ` ``"),
        ("", "(empty)"),
        ("  ", "(empty)"),
        ("<img src=x>", "`<img src=x>`"),
    ],
)
def test_code_spans(value, span):
    assert code(value) == span


def test_a_pipe_ends_no_cell():
    assert cell("a|b") == r"`a\|b`"


@given(MARKUP)
def test_a_block_is_three_lines_whatever_is_in_it(value):
    first, inside, last = fenced(value).split("\n")
    assert first == last and len(first) >= 3
    assert first not in inside


@given(MARKUP | ANY_TEXT)
def test_html_holds_no_tag_of_a_value(value):
    inside = html_code(value).removeprefix("<code>").removesuffix("</code>")
    assert not set('<>"\n') & set(inside)


@given(MARKUP | ANY_TEXT)
def test_a_comment_goes_on_until_its_own_end(value):
    assert "--" not in comment(value) and ">" not in comment(value)


def test_workflow_commands_keep_their_shape():
    assert command_message("50% of\r\nall") == r"50%25 of\r\nall"
    assert command_property("a:b,c%\n") == r"a%3Ab%2Cc%25\n"
