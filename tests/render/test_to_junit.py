"""JUnit XML: a suite a file, a test a finding, and an empty run that passes."""

from xml.etree import ElementTree

import pytest

from reconciler.diagnostics import Diagnostic, Position, Severity
from reconciler.errors import InvalidInput
from reconciler.render import diagnostics_to_junit

TWICE = Diagnostic(
    "duplicate-key", "the key 'state' stands twice", Position("manifests/north.yaml", 12, 5),
    hint="keep one of the two", related=Position("manifests/north.yaml", 9, 5),
)  # fmt: skip
OPEN = Diagnostic(
    "limited-without-end", "limited, but without valid_to", Position("manifests/north.yaml", 3, 1),
    severity=Severity.WARNING,
)  # fmt: skip
PIPED = Diagnostic("bad-yaml", "no YAML", Position("<stdin>", 2, 7))


def parsed(found, **how):
    return ElementTree.fromstring("\n".join(diagnostics_to_junit(found, **how)))


def counts(element):
    return {name: int(element.get(name)) for name in ("tests", "failures", "errors", "skipped")}


def test_a_report_reads_like_this(golden):
    golden("diagnostics-junit.xml", "".join(f"{line}\n" for line in diagnostics_to_junit([TWICE, OPEN, PIPED])))


def test_a_suite_is_a_file_and_a_test_a_finding():
    top = parsed([TWICE, OPEN, PIPED])
    assert counts(top) == {"tests": 3, "failures": 2, "errors": 0, "skipped": 1}
    piped, north = top.findall("testsuite")
    assert (piped.get("name"), north.get("name")) == ("<stdin>", "manifests/north.yaml")
    assert counts(north) == {"tests": 2, "failures": 1, "errors": 0, "skipped": 1}
    warning, error = north.findall("testcase")
    assert error.attrib == {
        "name": "duplicate-key: the key 'state' stands twice", "classname": "manifests/north.yaml", "time": "0",
        "file": "manifests/north.yaml", "line": "12",
    }  # fmt: skip
    [failure] = error
    assert failure.tag == "failure" and failure.get("type") == "error.duplicate-key"
    assert failure.text.splitlines() == [
        "manifests/north.yaml:12:5: error: the key 'state' stands twice [duplicate-key]",
        "  see: manifests/north.yaml:9:5",
        "  mend: keep one of the two",
    ]
    assert [child.tag for child in warning] == ["skipped"]
    assert "file" not in piped.find("testcase").attrib


def test_warnings_that_refuse_are_failures():
    assert counts(parsed([OPEN], strict=True)) == {"tests": 1, "failures": 1, "errors": 0, "skipped": 0}


def test_names_stay_when_lines_move_and_are_never_the_same():
    def names(*lines):
        found = [Diagnostic("anchor", "no anchors", Position("a.yaml", line)) for line in lines]
        return [case.get("name") for case in parsed(found).iter("testcase")]

    assert names(3, 9) == names(4, 20) == ["anchor: no anchors", "anchor (2): no anchors"]


def test_no_finding_is_one_test_that_passes():
    top = parsed([])
    assert counts(top) == {"tests": 1, "failures": 0, "errors": 0, "skipped": 0}
    [case] = top.iter("testcase")
    assert list(case) == []


def test_a_refusal_is_an_error_so_that_nothing_passes():
    top = parsed([], refusal=InvalidInput("nope doesn't exist", hint="give a file", details=["it isn't there"]))
    assert counts(top) == {"tests": 1, "failures": 0, "errors": 1, "skipped": 0}
    [error] = top.iter("error")
    assert error.text.splitlines() == ["error: nope doesn't exist", "  - it isn't there", "  mend: give a file"]


@pytest.mark.parametrize("strict", [False, True])
def test_hostile_text_stays_text(hostile, strict):
    position = Position(hostile, 1, 2)
    finding = Diagnostic("bad-yaml", hostile, position, hint=hostile, related=position)
    warning = Diagnostic("anchor", hostile, position, severity=Severity.WARNING)
    refusal = InvalidInput(hostile, hint=hostile, details=[hostile])
    lines = list(diagnostics_to_junit([finding, warning], strict=strict, refusal=refusal))
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert not any(line.startswith("::") or "##[" in line or "##vso[" in line for line in lines)
    # XML 1.0 takes neither control characters nor lone surrogates; the parser would refuse them.
    top = ElementTree.fromstring("\n".join(lines))
    assert len(list(top.iter("testcase"))) == 3
    assert all(value.isprintable() for case in top.iter() for value in case.attrib.values())
