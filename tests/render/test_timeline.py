"""Windows of access as a picture: where they stand on the scale, and what of them is gained and lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.instants import parse_known
from reconciler.render.timeline import NOW as PLACE
from reconciler.render.timeline import Bar, ahead, difference, scale_of, timeline

NOW = parse_known("2026-11-24T10:00Z")
YEAR = 365 * 24 * 60
LAST_YEAR, NEXT_YEAR, LATER = NOW - YEAR, NOW + YEAR, NOW + 2 * YEAR

ends = st.one_of(st.none(), st.integers(0, 12))
windows = st.lists(st.tuples(ends, ends).filter(lambda w: w[0] is None or w[1] is None or w[0] < w[1]), max_size=3).map(
    tuple
)


def minutes(some):
    """The minutes of windows on a small stretch of time, with something on either side of it."""
    return {m for m in range(-3, 16) if any((a is None or a <= m) and (b is None or m < b) for a, b in some)}


@given(windows, windows)
def test_the_difference_is_what_one_has_and_the_other_has_not(one, other):
    assert minutes(difference(one, other)) == minutes(one) - minutes(other)


@given(windows, st.integers(0, 12))
def test_what_is_ahead_begins_now(some, now):
    assert minutes(ahead(some, now)) == {m for m in minutes(some) if m >= now}


def row(before, after, **more):
    [found] = timeline(NOW, [(before, after)], **more).rows
    return found


def kinds(bars):
    return [bar.kind for bar in bars]


def test_a_window_that_grows_shows_what_is_gained_after_what_stays():
    found = row(((LAST_YEAR, NEXT_YEAR),), ((LAST_YEAR, LATER),))
    assert kinds(found.before) == ["kept"]
    assert kinds(found.after) == ["kept", "gained"]
    kept, gained = found.after
    assert kept.start + kept.width == pytest.approx(gained.start, abs=0.2)
    assert found.before[0].width == pytest.approx(kept.width)


def test_access_that_ends_is_lost_from_now_on_and_was_there_before():
    found = row(((LAST_YEAR, NEXT_YEAR),), ())
    assert kinds(found.before) == ["kept", "lost"]
    assert found.before[1].start == PLACE
    # The past is over: it is the same in both rows.
    assert found.after == found.before[:1]


def test_access_that_begins_was_not_there_before_whatever_its_window_says():
    found = row((), ((LAST_YEAR, NEXT_YEAR),))
    assert found.before == ()
    assert kinds(found.after) == ["gained"]
    assert found.after[0].start == PLACE


def test_open_sides_run_out_of_the_picture():
    [bar] = row(((None, None),), ((None, None),)).after
    assert bar == Bar("kept", 0.0, 100.0, True, True)
    [bar] = row(((NOW, NEXT_YEAR),), ((NOW, NEXT_YEAR),)).after
    assert not bar.open_start and not bar.open_end
    assert bar.start + bar.width < 100


def test_what_is_not_known_is_neither_gained_nor_lost():
    assert row(None, None).before is None
    found = row(None, ((LAST_YEAR, NEXT_YEAR),))
    assert found.before is None and kinds(found.after) == ["kept"]
    found = row(((LAST_YEAR, NEXT_YEAR),), None)
    assert found.after is None and kinds(found.before) == ["kept"]


def test_a_short_window_can_still_be_seen():
    [bar] = row((), ((NOW + 10 * YEAR, NOW + 10 * YEAR + 1),)).after
    assert bar.width > 0.3


def test_a_far_end_does_not_squeeze_the_rest():
    far = parse_known("9999-12-01T00:00Z")
    [near, distant] = row((), ((NOW, NEXT_YEAR), (NOW + YEAR + 1, far))).after
    assert near.width > 50
    assert distant.open_end


def test_deadlines_have_their_places_in_order():
    found = timeline(NOW, [((), ((NOW, LATER),))], [LATER, NEXT_YEAR, NEXT_YEAR])
    assert len(found.deadlines) == 2
    assert PLACE < found.deadlines[0] < found.deadlines[1] < 100


@pytest.mark.parametrize(
    ("reach", "shape"),
    [(3 * 24 * 60, "12:00|00:00|..-.."), (20 * 24 * 60, "..-.."), (YEAR, "....-.."), (30 * YEAR, "....")],
)
def test_ticks_are_few_and_as_fine_as_the_stretch_of_time(reach, shape):
    import re

    ticks = timeline(NOW, [((), ((NOW, NOW + reach),))]).ticks
    assert 2 <= len(ticks) <= 6
    assert all(re.fullmatch(shape, tick.label) for tick in ticks), ticks
    assert [tick.place for tick in ticks] == sorted(tick.place for tick in ticks)


@given(
    st.integers(-1_035_590_000, 4_200_000_000),
    st.lists(st.integers(-1_035_590_000, 4_223_000_000), max_size=4),
)
def test_every_moment_has_a_place_and_now_always_the_same(now, events):
    scale = scale_of(now, events)
    assert scale.place(now) == pytest.approx(PLACE, abs=0.3)
    assert all(0 <= scale.place(event) <= 100 for event in events)
    drawn = timeline(now, [(((None, event),), ((event, None),)) for event in events])
    assert all(0 <= tick.place <= 100 for tick in drawn.ticks)
    assert all(bar.start >= 0 and bar.start + bar.width <= 100.1 for each in drawn.rows for bar in each.before)
