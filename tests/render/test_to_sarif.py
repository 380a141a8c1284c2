"""SARIF that GitHub takes: the published schema, its own limits, and strangers' words as words."""

import re
from urllib.parse import unquote

import pytest
from support.findings import in_sarif

from reconciler import __version__
from reconciler.diagnostics import Diagnostic, Position, Severity
from reconciler.errors import InvalidInput
from reconciler.render import diagnostics_to_sarif, to_sarif
from reconciler.rules import MANIFEST_ERRORS, MANIFEST_WARNINGS

TWICE = Diagnostic(
    "duplicate-key", "the key 'state' stands twice", Position("manifests/nörd & süd.yaml", 12, 5),
    hint="keep one of the two", related=Position("manifests/nörd & süd.yaml", 9, 5),
)  # fmt: skip
OPEN = Diagnostic(
    "limited-without-end", "limited, but without valid_to", Position("/elsewhere/east.yaml", 3, 1),
    severity=Severity.WARNING,
)  # fmt: skip
PIPED = Diagnostic("bad-yaml", "no YAML", Position("<stdin>", 2, 7))


def run(found, **how):
    return in_sarif(diagnostics_to_sarif(found, **how))["runs"][0]


def test_a_log_reads_like_this(golden):
    golden("diagnostics.sarif", "".join(f"{line}\n" for line in diagnostics_to_sarif([TWICE, OPEN, PIPED])))


def test_no_finding_is_an_empty_list():
    one = run([])
    assert one["results"] == []
    assert one["invocations"] == [{"executionSuccessful": True}]


def test_the_driver_knows_every_rule_of_manifests():
    driver = run([])["tool"]["driver"]
    rules = {rule["id"]: rule for rule in driver["rules"]}
    assert len(rules) == len(driver["rules"])
    assert {*MANIFEST_ERRORS, *MANIFEST_WARNINGS, "bad-config"} <= set(rules)
    # The block of the same name is about something else.
    assert rules["window-inverted"]["shortDescription"]["text"] == MANIFEST_ERRORS["window-inverted"]
    for rule in rules.values():
        assert rule["defaultConfiguration"]["level"] == ("warning" if rule["id"] in MANIFEST_WARNINGS else "error")
        # What GitHub keeps of each.
        assert len(rule["id"]) <= 255
        assert all(0 < len(rule[name]["text"]) <= 1024 for name in ("shortDescription", "fullDescription", "help"))
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?", driver["semanticVersion"])
    assert driver["semanticVersion"] == __version__


def test_a_result_points_at_its_rule_and_place():
    one = run([OPEN, TWICE])
    rules = one["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in one["results"]] == ["limited-without-end", "duplicate-key"]
    twice = one["results"][1]
    place = twice["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "manifests/n%C3%B6rd%20%26%20s%C3%BCd.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 12, "startColumn": 5, "endLine": 12}
    assert one["columnKind"] == "unicodeCodePoints"
    # GitHub shows a related place only if the message links to it.
    assert "[the other place](1)" in twice["message"]["text"]
    assert [related["id"] for related in twice["relatedLocations"]] == [1]


def test_files_outside_the_repository_and_standard_input_are_no_paths_in_it():
    places = [
        result["locations"][0]["physicalLocation"]["artifactLocation"] for result in run([OPEN, PIPED])["results"]
    ]
    assert places == [
        {"uri": "file:///elsewhere/east.yaml"},
        {"uri": "%3Cstdin%3E", "description": {"text": "standard input"}},
    ]


def test_fingerprints_keep_out_of_the_way_of_the_one_that_github_makes():
    [result] = run([TWICE])["results"]
    assert list(result["partialFingerprints"]) == ["findingHash/v1"]


def test_more_results_than_github_takes_leave_the_worst(monkeypatch):
    monkeypatch.setattr(to_sarif, "RESULTS", 3)
    many = [
        Diagnostic("bad-yaml", "no YAML", Position("a.yaml", line), severity=severity)
        for line in (1, 2)
        for severity in (Severity.WARNING, Severity.ERROR)
    ]
    one = run(many)
    assert [result["level"] for result in one["results"]] == ["error", "error", "warning"]
    [told] = one["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"].startswith("1 finding left out")


def test_the_limit_is_githubs():
    assert to_sarif.RESULTS == 25_000


def test_a_refusal_is_told_and_nothing_is_found():
    one = run([], refusal=InvalidInput("nope doesn't exist", hint="give a file"))
    assert one["results"] == []
    [invocation] = one["invocations"]
    assert invocation["executionSuccessful"] is False
    [told] = invocation["toolExecutionNotifications"]
    assert told == {"level": "error", "message": {"text": "nope doesn't exist. Mend: give a file."}}


@pytest.mark.parametrize("refused", [False, True])
def test_hostile_text_stays_text(hostile, refused):
    position = Position(hostile, 1, 2)
    finding = Diagnostic("bad-yaml", hostile, position, hint=hostile, related=position)
    refusal = InvalidInput(hostile, hint=hostile) if refused else None
    lines = list(diagnostics_to_sarif([finding], refusal=refusal))
    assert all(line.isascii() and line.isprintable() and "##" not in line for line in lines)
    assert not any(line.lstrip().startswith("::") for line in lines)
    [result] = in_sarif(lines)["runs"][0]["results"]
    text = result["message"]["text"]
    assert text.isprintable()
    # One link, and it is ours.
    assert re.findall(r"\[[^]]*\]\(([^)]*)\)", text) == ["1"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[A-Za-z0-9._~/%-]*", uri)
    assert unquote(uri) == hostile.replace("\ud800", "?")
