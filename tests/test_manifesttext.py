"""What the parser's complaints become: plain words, the right place, a way to mend it."""

import pytest

from reconciler.diagnostics import shown
from reconciler.manifests.documents import parse
from reconciler.manifests.text import Places


def complaint(text: str | bytes):
    found = []
    data = text.encode() if isinstance(text, str) else text
    list(parse("a.yaml", data, found.append))
    [finding] = found
    return finding


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: b: c", 1, 5, "a second ': ' stands in this line"),
        ("a: b\nc\nd: e\n", 2, 1, "this line has no ': '"),
        ("a: b\n c: d\n", 2, 3, "a second ': ' stands in this line"),
        ("  a: b\n c: d\n", 2, 2, "this doesn't fit what stands before it"),
        ("a:\n  b: c\n d: e\n", 3, 2, "this doesn't fit what stands before it"),
        ('a: "b" c\n', 1, 8, "this doesn't fit what stands before it"),
        ("- a\nb: c\n", 2, 1, "this line doesn't fit the list above it"),
        ("a: |x\n", 1, 5, "nothing may follow | or > in its line"),
        ("a: >\n\tx\n", 2, 1, "a tab stands where only spaces may"),
        ('a: "b\n---\nc"', 1, 4, "this quote is never closed"),
        ("a: 'b\nc: d\n", 1, 4, "this quote is never closed"),
        ("a: [b,\nc: d\n", 1, 4, "this list isn't closed, or a comma is missing"),
        ("a: [b,\n", 1, 4, "this list is never closed"),
        ("a: {b: c\n", 1, 4, "this mapping isn't closed, or a comma is missing"),
        ("a: {b: c,\n", 1, 4, "this mapping is never closed"),
        ('a: "\\q"', 1, 5, "\\ and this character mean nothing in double quotes"),
        ("a:\n\tb: c\n", 2, 1, "a tab stands where only spaces may"),
        ("a: `b", 1, 4, "a value can't start with '`'"),
        ("a: %b", 1, 4, "a value can't start with '%'"),
        ("a: - b", 1, 4, "a list can't start here"),
        ("a: b\x1b", 1, 5, "the character '\\x1b' isn't allowed"),
        ("a: b\n\x7f", 2, 1, "the character '\\x7f' isn't allowed"),
        ("a: ]", 1, 4, "this isn't YAML: did not find expected node content"),
        ("%YAML 3.0\n---\na: b\n", 1, 1, "this isn't YAML: found incompatible YAML document"),
    ],
)
def test_syntax_errors_are_in_plain_words(text, line, column, message):
    finding = complaint(text)
    assert (finding.rule, finding.message) == ("bad-yaml", message)
    assert (finding.position.line, finding.position.column) == (line, column)
    assert finding.hint


@pytest.mark.parametrize(
    ("data", "rule", "line", "column"),
    [
        (b"\xff", "not-utf8", 1, 1),
        (b"a: \xc3\xa5\xe5", "not-utf8", 1, 5),
        (b"a: b\r\nc: \xe5", "not-utf8", 2, 4),
        (b"a: b\rc: \xe5", "not-utf8", 2, 4),
        (b"a: \xed\xa0\x80", "not-utf8", 1, 4),
        (b"\xef\xbb\xbf\xe5", "not-utf8", 1, 1),
        ("a: b".encode("utf-16"), "not-utf8", 1, 1),
        ("a: b".encode("utf-16-le"), "not-utf8", 1, 1),
        ("a: b".encode("utf-16-be"), "not-utf8", 1, 1),
        ("a: b".encode("utf-32"), "not-utf8", 1, 1),
        (b"\0", "nul-character", 1, 1),
        (b"\0a: b", "nul-character", 1, 1),
        (b"a: b\nc: \0", "nul-character", 2, 4),
        ("å\0".encode(), "nul-character", 1, 2),
    ],
)
def test_bytes_that_are_no_text_are_shown_where_they_are(data, rule, line, column):
    finding = complaint(data)
    assert (finding.rule, finding.position.line, finding.position.column) == (rule, line, column)
    assert "UTF-8" in finding.hint


def test_a_text_in_a_message_is_escaped_and_cut():
    assert shown("a\n\x1b\u202e") == r"'a\n\x1b\u202e'"
    assert shown("x" * 61) == "'" + "x" * 60 + "'…"


def test_places_count_from_one():
    class Here:
        line, column, index = 2, 5, 0

    assert str(Places("b.yaml").at(Here())) == "b.yaml:3:6"
