"""What becomes of YAML and JSON text: only text, lists and mappings, each with its place."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diagnostics import Position
from reconciler.manifests import documents
from reconciler.manifests.documents import parse
from reconciler.manifests.nodes import ListNode, MappingNode
from reconciler.manifests.text import place


def read(text: str | bytes):
    """The documents and findings of ``text``."""
    found = []
    data = text.encode() if isinstance(text, str) else text
    return list(parse("a.yaml", data, found.append)), found


def only(text: str | bytes):
    [document], found = read(text)
    assert found == []
    return document


def rules(text: str | bytes) -> list[str]:
    return [f"{each.rule} {each.position.line}:{each.position.column}" for each in read(text)[1]]


def test_every_scalar_is_the_text_as_written():
    document = only(
        "a: 007\nb: no\nc: 1.50\nd: 2016-10-02\ne: true\nf: |\n  two\n  lines\ng: 'it''s'\nh: \"\\u00e5\"\n"
    )
    texts = ["007", "no", "1.50", "2016-10-02", "true", "two\nlines\n", "it's", "å"]
    assert list(document.root.values()) == texts


def test_each_key_value_and_item_keeps_its_place():
    document = only("a: x\nb:\n  - y\n  - {c: z}\n")
    root = document.root
    assert isinstance(root, MappingNode)
    assert (place(root.at), place(root.key_marks["b"]), place(root.value_marks["a"])) == ((0, 0), (1, 0), (0, 3))
    items = root["b"]
    assert isinstance(items, ListNode)
    assert [place(mark) for mark in items.marks] == [(2, 4), (3, 4)]
    assert place(items[1].value_marks["c"]) == (3, 8)
    assert document.places.at(items.marks[1]) == Position("a.yaml", 4, 5)


def test_columns_count_characters():
    document = only("{å😀: {b: c}}")
    assert place(document.root["å😀"].value_marks["b"]) == (0, 9)


def test_a_byte_order_mark_takes_no_column():
    document = only(b"\xef\xbb\xbfa: b\n")
    assert place(document.root.key_marks["a"]) == (0, 0)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_each_way(line_end):
    document = only(f"a: b{line_end}c: d{line_end}")
    assert document.root == {"a": "b", "c": "d"}
    assert place(document.root.value_marks["c"]) == (1, 3)


def test_documents_come_one_by_one_and_empty_ones_not_at_all():
    found, _ = read("---\na: 1\n---\n# nothing\n---\nb: 2\n...\n---\n")
    assert [document.root for document in found] == [{"a": "1"}, {"b": "2"}]


def test_a_document_before_a_syntax_error_is_still_read():
    found, findings = read("a: b\n---\nc: [d\n")
    assert [document.root for document in found] == [{"a": "b"}]
    assert [each.rule for each in findings] == ["bad-yaml"]


def test_sixteen_levels_are_read_and_seventeen_are_not():
    assert read("[" * 16 + "]" * 16)[1] == []
    assert rules("a: b\n---\n" + "[" * 17 + "]" * 17) == ["nesting-too-deep 3:17"]
    assert rules("[" * 1_000_000) == ["nesting-too-deep 1:1001"]
    assert rules("- " * 100_000) == ["nesting-too-deep 1:33"]
    assert rules("{a: " * 17) == ["nesting-too-deep 1:65"]


def test_all_findings_of_a_text_come_at_once():
    text = "a: &x !t b\nc: *x\n<<: {d: ~}\n? [e]\n: f\na: g\nh:\n~: i\n*x : j\n&y k: l\n"
    assert rules(text) == [
        "anchor 1:4",
        "tag 1:4",
        "alias 2:4",
        "merge-key 3:1",
        "null-value 3:9",
        "non-text-key 4:3",
        "duplicate-key 6:1",
        "null-value 7:3",
        "non-text-key 8:1",
        "alias 9:1",
        "anchor 10:1",
    ]


def test_refused_values_leave_a_hole_and_their_place():
    [document], _ = read("a: ~\nb: *x\nc: [null, d]\ne: &y f\n")
    assert document.root == {"a": None, "b": None, "c": [None, "d"], "e": "f"}
    assert document.refused == {(0, 3), (1, 3), (2, 4), (3, 3)}
    assert not document.sound


def test_of_a_duplicate_key_the_first_value_stays():
    [document], _ = read("a: 1\na: 2\n'a': 3\n")
    assert document.root == {"a": "1"}


def test_a_quoted_merge_key_is_a_key_and_a_quoted_null_a_text():
    document = only('"<<": "~"\n\'null\': ""\n')
    assert document.root == {"<<": "~", "null": ""}
    assert document.sound


@pytest.mark.parametrize("text", ["~", "null", "--- ~\n", "--- NULL\n...\n"])
def test_a_document_that_is_only_null_is_refused(text):
    assert [rule.split()[0] for rule in rules(text)] == ["empty-document"]


def test_a_document_that_is_only_an_alias_is_refused_once():
    [document], found = read("*a")
    assert ([each.rule for each in found], document.root, document.sound) == (["alias"], None, False)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("0012345670", "a number"),
        ("0x1F", "a number"),
        ("1_000", "a number"),
        ("13:00", "a number"),
        ("1.5", "a number"),
        (".inf", "a number"),
        ("no", "true or false"),
        ("On", "true or false"),
        ("2016-10-02", "a date"),
        ("=", "a default value"),
        ("<<", "a merge key"),
    ],
)
def test_plain_scalars_that_others_read_differently_are_noted(text, reading):
    document = only(f"a: {text}\nb: '{text}'\n")
    assert [(place(mark), *rest) for mark, *rest in document.ambiguous] == [((0, 3), text, reading)]


@pytest.mark.parametrize(
    "text", ["north", "52a781d6400e06897c00000f", "a1", "payway/v1", "y", "2016-10-02 13:00 +0100"]
)
def test_plain_scalars_that_everybody_reads_alike_are_not(text):
    assert only(f"a: {text}\n").ambiguous == []


def test_ambiguous_keys_are_noted_too():
    document = only("on: a\n'off': b\n")
    assert [(place(mark), text) for mark, text, _ in document.ambiguous] == [((0, 0), "on")]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=20))
def test_what_others_read_differently_is_what_pyyaml_reads_as_something_else(text):
    try:
        value = yaml.safe_load(f"a: {text}\n")
    except (yaml.YAMLError, ValueError):
        return
    found, findings = read(f"a: {text}\n")
    if findings or not isinstance(value, dict) or isinstance(value.get("a"), list | dict):
        return
    quoted = text.strip().startswith(("'", '"'))
    assert quoted or bool(found[0].ambiguous) == (not isinstance(value.get("a"), str))


# --- JSON ---


def test_json_is_read_by_the_same_parser():
    value = {"a": ["å", "\n", "\\", "/", "\t", "\x1f", "\u2028"], "b": {}, "c": []}
    for indent in (None, 2, "\t"):
        for ascii_only in (True, False):
            document = only(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
            if ascii_only:
                assert document.root == value


def test_tabs_between_json_tokens_are_fine():
    assert only('{\n\t"a":\t"b",\n\t"c":\t[\t"d"\t]\n}\n').root == {"a": "b", "c": ["d"]}


@pytest.mark.parametrize("indent", [None, 1])
def test_surrogate_pairs_of_json_are_one_character(indent):
    value = {"a😀": "b😀😀c", "d": "\\ud83d\\ude00", "e": {"f": "😀"}}
    assert only(json.dumps(value, indent=indent)).root == value


def test_places_after_a_surrogate_pair_are_those_of_the_file():
    text = '{"a": "\\uD83D\\uDE00\\uD83D\\uDE00", "b": null,\n"\\uD83D\\uDE00": null, "c": "\\uD83D\\uDE00", "d": null}'
    lines = text.split("\n")
    places = [(1, lines[0].index("null") + 1), (2, lines[1].index("null") + 1), (2, lines[1].rindex("null") + 1)]
    assert rules(text) == [f"null-value {line}:{column}" for line, column in places]


def test_half_a_pair_is_refused_with_its_place():
    assert rules('{"a": "\\uD83D"}') == ["bad-yaml 1:10"]
    assert rules('{"a": "\\uD83Dx\\uDE00"}') == ["bad-yaml 1:10"]


def test_a_pair_in_yaml_that_is_not_json_is_left_alone():
    assert only("a: \\uD83D\\uDE00\nb: '\\uD83D\\uDE00'\n").root == dict.fromkeys("ab", "\\uD83D\\uDE00")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
VALUES = st.recursive(NAMES, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3))


@settings(deadline=None)
@given(VALUES, st.sampled_from([None, 2, "\t"]))
def test_whatever_json_dumps_writes_is_read_back(value, indent):
    assert only(json.dumps({"a": value}, indent=indent)).root == {"a": value}


# --- Without libyaml ---


@pytest.fixture
def pure_python(monkeypatch):
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    documents._parser.cache_clear()
    yield
    documents._parser.cache_clear()


def test_without_libyaml_the_same_is_read(pure_python):
    text = "a: b\nc: [d, 'true', \"\\u00e5\", &x e]\nf:\n---\n~\n---\ng: no\n"
    found, findings = read(text)
    assert documents._parser() is yaml.BaseLoader
    assert [document.root for document in found] == [
        {"a": "b", "c": ["d", "true", "å", "e"], "f": None},
        None,
        {"g": "no"},
    ]
    assert [(each.rule, str(each.position)) for each in findings] == [
        ("anchor", "a.yaml:2:26"),
        ("null-value", "a.yaml:3:3"),
        ("empty-document", "a.yaml:5:1"),
    ]
    assert found[0].quoted == {(1, 7)}
    assert rules('a: "\\ud83d"') == ["bad-yaml 1:4"]
    assert rules("a: [b\n") == ["bad-yaml 1:4"]
    assert rules('a: "b\n') == ["bad-yaml 1:4"]
