"""GitLab's code quality report: what it asks of each entry, and no more."""

import json

from reconciler.diagnostics import Diagnostic, Position, Severity
from reconciler.render import diagnostics_to_gitlab

TWICE = Diagnostic(
    "duplicate-key", "the key 'state' stands twice", Position("manifests/north.yaml", 12, 5),
    hint="keep one of the two", related=Position("manifests/north.yaml", 9, 5),
)  # fmt: skip
OPEN = Diagnostic(
    "limited-without-end", "limited, but without valid_to", Position("manifests/east.yaml", 3, 1),
    severity=Severity.WARNING,
)  # fmt: skip


def entries(found):
    return json.loads("\n".join(diagnostics_to_gitlab(found)))


def test_a_report_reads_like_this(golden):
    golden("diagnostics-gitlab.json", "".join(f"{line}\n" for line in diagnostics_to_gitlab([TWICE, OPEN])))


def test_an_entry_has_what_gitlab_asks_for():
    warning, error = entries([TWICE, OPEN])
    assert error.pop("fingerprint") != warning.pop("fingerprint")
    assert error == {
        "description": "the key 'state' stands twice (see manifests/north.yaml:9:5). Mend: keep one of the two",
        "check_name": "duplicate-key",
        "severity": "major",
        "location": {"path": "manifests/north.yaml", "lines": {"begin": 12}},
    }
    assert warning["severity"] == "minor"


def test_no_finding_is_an_empty_list():
    assert entries([]) == []


def test_hostile_text_stays_text(hostile):
    position = Position(hostile, 1, 2)
    lines = list(diagnostics_to_gitlab([Diagnostic("bad-yaml", hostile, position, hint=hostile, related=position)]))
    assert all(line.isascii() and line.isprintable() and "##" not in line for line in lines)
    [entry] = json.loads("\n".join(lines))
    assert entry["description"].isprintable()
    assert entry["location"]["path"] == hostile
