"""Findings for machines: JSON that parses, annotations that stay what they are."""

import json
import re

from reconciler.diagnostics import Diagnostic, Position, Severity
from reconciler.errors import InvalidInput
from reconciler.render import diagnostics_to_github, diagnostics_to_json


def finding(line=1, severity=Severity.ERROR, message="no YAML", **more):
    return Diagnostic("bad-yaml", message, Position("a.yaml", line, 2), severity=severity, **more)


def parsed(diagnostics):
    return json.loads("\n".join(diagnostics_to_json(diagnostics)))


def test_json_holds_every_finding_in_order():
    found = parsed([finding(3), finding(1, hint="quote it", related=Position("b.yaml", 4, 5))])
    assert found["format"] == "reconciler.diagnostics/v1"
    assert [one["line"] for one in found["diagnostics"]] == [1, 3]
    assert found["diagnostics"][0] == {
        "rule": "bad-yaml",
        "severity": "error",
        "message": "no YAML",
        "hint": "quote it",
        "file": "a.yaml",
        "line": 1,
        "column": 2,
        "related": {"file": "b.yaml", "line": 4, "column": 5},
    }
    assert parsed([])["diagnostics"] == []


def test_json_keeps_hostile_text_as_data_and_ascii(hostile):
    lines = list(diagnostics_to_json([finding(message=hostile)]))
    assert json.loads("\n".join(lines))["diagnostics"][0]["message"] == hostile
    assert all(line.isascii() and line.isprintable() and "##" not in line for line in lines)


def test_annotations_come_worst_first_and_the_rest_is_counted():
    many = [finding(line, severity) for line in range(1, 13) for severity in Severity]
    lines = list(diagnostics_to_github(many))
    assert [re.match("::([a-z]+)", line)[1] for line in lines] == ["error"] * 10 + ["warning"] * 10 + ["notice"]
    assert lines[0] == "::error file=a.yaml,line=1,col=2,title=bad-yaml::no YAML"
    assert "12 errors, 12 warnings; 4 of them aren't shown here" in lines[-1]


def test_few_annotations_need_no_notice():
    assert len(list(diagnostics_to_github([finding()]))) == 1


def test_an_annotation_has_its_hint_on_a_line_of_its_own():
    [line] = diagnostics_to_github([finding(hint="100% sure", related=Position("b.yaml", 4, 5))])
    assert line.endswith("::no YAML%0Asee b.yaml:4:5%0Amend: 100%25 sure")


def test_standard_input_is_no_file_of_the_repository():
    [line] = diagnostics_to_github([Diagnostic("bad-yaml", "no YAML", Position("<stdin>", 3, 4))])
    assert line == "::error title=bad-yaml::standard input, line 3, column 4: no YAML"


def test_a_refusal_is_one_of_the_ten_errors():
    refusal = InvalidInput("the settings can't be used", hint="mend them")
    lines = list(diagnostics_to_github([finding(line) for line in range(1, 13)], refusal=refusal))
    assert lines[0] == "::error title=reconciler::the settings can't be used%0Amend: mend them"
    assert [re.match("::([a-z]+)", line)[1] for line in lines] == ["error"] * 10 + ["notice"]
    assert "12 errors, 0 warnings; 3 of them aren't shown here" in lines[-1]


def test_hostile_text_makes_no_property_and_no_command(hostile):
    one = Diagnostic("bad-yaml", hostile, Position(hostile, 1, 2), hint=hostile)
    [line] = diagnostics_to_github([one])
    assert line.isprintable()
    found = re.fullmatch(r"::error file=([^:,]*),line=1,col=2,title=bad-yaml::(.*)", line)
    assert found is not None
    assert not re.search("%(?!25|0A|3A|2C)", line)
