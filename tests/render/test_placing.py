"""Paths from the top of the repository, and fingerprints that stay when lines move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.findings import findings

from reconciler.diagnostics import Diagnostic, Position
from reconciler.render.placing import Base, identified, rebased


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("manifests/a.yaml", "fleets/north/manifests/a.yaml"),
        ("../south/a.yaml", "fleets/south/a.yaml"),
        ("../../../elsewhere/a.yaml", "/elsewhere/a.yaml"),
        ("/repo/b.yaml", "b.yaml"),
        ("/repository/b.yaml", "/repository/b.yaml"),
        ("/tmp/b.yaml", "/tmp/b.yaml"),
        ("<stdin>", "<stdin>"),
    ],
)
def test_paths_start_at_the_top(file, path):
    assert Base("/repo", "/repo/fleets/north").path(file) == path


def test_the_top_may_be_the_root_or_the_folder_itself():
    assert Base("/", "/fleet").path("a.yaml") == "fleet/a.yaml"
    assert Base("/fleet", "/fleet").path("a.yaml") == "a.yaml"


def test_both_places_move():
    one = Diagnostic("duplicate-key", "twice", Position("a.yaml", 3, 4), related=Position("b.yaml", 1, 2))
    [moved] = rebased([one], Base("/repo", "/repo/x"))
    assert (moved.position, moved.related) == (Position("x/a.yaml", 3, 4), Position("x/b.yaml", 1, 2))


def at(line, message="twice", file="a.yaml", rule="duplicate-key"):
    return Diagnostic(rule, message, Position(file, line))


def test_a_fingerprint_stays_when_lines_move():
    before = [one.fingerprint for one in identified([at(3), at(9), at(5, "other")])]
    after = [one.fingerprint for one in identified([at(13), at(19), at(15, "other")])]
    assert before == after


def test_what_is_found_where_makes_the_fingerprint():
    found = [at(1), at(2), at(1, "other"), at(1, file="b.yaml"), at(1, rule="anchor")]
    assert len({one.fingerprint for one in identified(found)}) == 5


def test_fingerprints_are_the_same_in_every_version():
    # They are kept by GitHub and GitLab: another one closes every alert and opens a new one.
    [one] = identified([at(1)])
    assert one.fingerprint == "aa0eb6505c1832bdbfbc62e5cb32636f"


@given(st.lists(findings))
def test_no_two_findings_share_a_fingerprint(found):
    prints = [one.fingerprint for one in identified(found)]
    assert len(prints) == len(set(prints)) == len(found)
