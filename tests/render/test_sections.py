"""Texts of sections keep to their budget by whole items, the least important kinds first."""

import re

from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.sections import Section, assemble

_SECTIONS = st.lists(
    st.builds(
        lambda rank, heading, sizes, ending: Section(
            "item", rank, "#" * heading, ["x" * size + "\n" for size in sizes], str, ending="e" * ending
        ),
        st.integers(0, 3),
        st.integers(0, 40),
        st.lists(st.integers(0, 120), max_size=6),
        st.integers(0, 90),
    ),
    max_size=4,
)


@given(_SECTIONS, st.integers(0, 200), st.integers(0, 200), st.integers(1000, 1600))
def test_the_budget_is_kept_with_room_for_the_note(sections, head, foot, budget):
    whole = assemble("h" * head, sections, "f" * foot, budget=budget, whole="W")
    note = re.search(r"\*\*Left out for length:\*\* .*? W\n\n", whole)
    kept = len(whole) - (len(note[0]) if note else 0)
    assert kept <= budget - 600
    assert len(whole) <= budget


def test_every_section_that_is_shown_has_its_ending():
    folded = Section("line", 1, "<details>", ["1\n", "2\n"], str, ending="</details>")
    assert assemble("", [folded], "", budget=2000, whole="") == "<details>\n\n1\n2\n</details>\n"
    assert assemble("", [folded], "", budget=620, whole="W") == "**Left out for length:** 2 of 2 lines. W\n\n"


def test_less_important_kinds_give_way():
    def sections():
        return [Section("minor", 2, "", ["m" * 90], str), Section("major", 1, "", ["M" * 90], str)]

    assert assemble("", sections(), "", budget=2000, whole="").count("\n") == 2
    cut = assemble("", sections(), "", budget=720, whole="W")
    assert "M" * 90 in cut and "m" * 90 not in cut and "1 of 1 minor" in cut
