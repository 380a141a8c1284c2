"""Diagnostics and errors as lines that editors and CI logs can use."""

import pytest

from reconciler.diagnostics import Diagnostic, Position, Severity
from reconciler.errors import InvalidInput, StalePlan
from reconciler.render import diagnostics_to_text, error_to_text

TWICE = Diagnostic(
    "duplicate-key", "the key 'state' stands twice", Position("manifests/north.yaml", 12, 5),
    hint="keep one of the two", related=Position("manifests/north.yaml", 9, 5),
)  # fmt: skip
OPEN = Diagnostic(
    "limited-without-end", "limited, but without valid_to", Position("manifests/east.yaml", 3, 1),
    severity=Severity.WARNING,
)  # fmt: skip


def test_findings_read_like_this(golden):
    golden("diagnostics.txt", "".join(f"{line}\n" for line in diagnostics_to_text([TWICE, OPEN])))


def test_no_finding_is_no_line():
    assert list(diagnostics_to_text([])) == []


def test_quiet_leaves_warnings_out():
    lines = list(diagnostics_to_text([TWICE, OPEN], quiet=True))
    assert not any("warning:" in line for line in lines)
    assert lines[-1] == "1 error, 0 warnings in 1 file"


def test_the_first_thousand_are_shown_and_all_are_counted():
    many = [Diagnostic("bad-yaml", "no YAML", Position("a.yaml", line)) for line in range(1, 1501)]
    lines = list(diagnostics_to_text(reversed(many)))
    assert len(lines) == 1001
    assert lines[0].startswith("a.yaml:1:1: error: ")
    assert lines[-1] == "1,500 errors, 0 warnings in 1 file; the first 1,000 are shown"


def test_an_error_says_what_is_wrong_and_how_to_mend_it():
    error = StalePlan("the plan has expired", hint="plan again", details=["as of yesterday", "today is today"])
    assert list(error_to_text(error)) == [
        "error: the plan has expired",
        "  - as of yesterday",
        "  - today is today",
        "  mend: plan again",
    ]


def test_an_error_with_very_many_details_counts_them():
    lines = list(error_to_text(StalePlan("stale", details=[str(n) for n in range(500)])))
    assert lines[-1] == "  and 400 more"


def test_an_error_about_input_shows_its_findings_first():
    lines = list(error_to_text(InvalidInput("the manifests can't be used", diagnostics=[TWICE])))
    assert lines[0].startswith("manifests/north.yaml:12:5: error: ")
    assert lines[-1] == "error: the manifests can't be used"


@pytest.mark.parametrize("color", [False, True])
def test_hostile_text_does_nothing(hostile, color):
    position = Position(hostile, 1, 1)
    finding = Diagnostic("bad-yaml", hostile, position, hint=hostile, related=position)
    error = InvalidInput(hostile, hint=hostile, details=[hostile], diagnostics=[finding])
    lines = list(error_to_text(error, color=color))
    assert len(lines) == 7
    assert all(c.isprintable() or c == "\x1b" for line in lines for c in line)
    assert color or not any("\x1b" in line for line in lines)
