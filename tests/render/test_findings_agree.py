"""Every format of the same findings tells of as many of them, whatever they hold."""

from hypothesis import given
from hypothesis import strategies as st
from support import findings as read

from reconciler import render
from reconciler.render.placing import Base, rebased


@given(st.lists(read.findings, max_size=8))
def test_every_format_counts_the_same(found):
    errors = sum(one.is_error for one in found)
    expected = (errors, len(found) - errors)
    assert read.counted_in_text(render.diagnostics_to_text(found)) == expected
    assert read.counted_in_json(render.diagnostics_to_json(found)) == expected
    moved = list(rebased(found, Base("/repo", "/repo/fleet")))
    assert read.counted_in_sarif(render.diagnostics_to_sarif(moved)) == expected
    assert read.counted_in_gitlab(render.diagnostics_to_gitlab(moved)) == expected
    assert read.counted_in_junit(render.diagnostics_to_junit(moved)) == expected
    assert read.counted_in_junit(render.diagnostics_to_junit(moved, strict=True)) == (len(found), 0)


@given(st.lists(read.findings, max_size=8))
def test_no_two_tests_of_a_file_have_one_name(found):
    from xml.etree import ElementTree

    for suite in ElementTree.fromstring("\n".join(render.diagnostics_to_junit(found))):
        names = [case.get("name") for case in suite]
        assert len(names) == len(set(names))
