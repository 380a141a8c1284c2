"""A plan that something has overtaken is refused before any call; what doesn't concern it doesn't refuse it.

`make stale-plans` alters every byte of a plan, too; here it is each so many.
"""

import pytest
from support.flips import flip_every_byte
from support.stale import CONTROLS, STALE, play, play_control, play_many

from reconciler import planfile
from reconciler.applying import preflight
from reconciler.plan import Plan

ROUNDS = 54
CHUNKS = [range(start * len(STALE), (start + 3) * len(STALE)) for start in range(0, ROUNDS, 3)]


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}")
def test_a_stale_plan_is_refused_before_any_call(seeds):
    counts, wrong = play_many(seeds)
    # `python tests/reliability/stale_plans.py --seed N` plays one again.
    assert wrong == []
    assert (counts["applied"], counts["sent"]) == (0, 0)
    assert {counts[kind] for kind in STALE} == {3}


def test_what_doesn_t_concern_a_plan_doesn_t_refuse_it():
    counts, wrong = play_many(range(8 * len(CONTROLS)), play_control)
    assert wrong == []
    assert counts["applied"] == 8 * len(CONTROLS)
    assert counts["sent"] > counts["applied"]


def test_an_altered_byte_is_refused_or_says_the_same():
    counts, wrong = flip_every_byte(every=41)
    assert wrong == []
    assert counts["flips"] == counts["refused"] + counts["equivalent"] > 400


def test_the_same_seed_is_the_same_story():
    first, again = play(4711), play(4711)
    assert (first.kind, str(first.error), first.sent) == (again.kind, str(again.error), again.sent)


# --- That a check which is missing would be seen ---


@pytest.mark.parametrize(
    ("where", "name", "instead"),
    [
        (preflight, "_overtaken", lambda *_: iter(())),
        (preflight, "_verify_home", lambda *_: None),
        (preflight, "verify_alone", lambda *_: None),
        (preflight, "is_expired", lambda *_: False),
        (planfile, "_impossible", lambda _: iter(())),
        (Plan, "refused", ()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_check_that_is_missing_would_be_seen(monkeypatch, where, name, instead):
    monkeypatch.setattr(where, name, instead)
    assert play_many(range(len(STALE)))[1] != []


def test_a_check_that_refuses_too_much_would_be_seen(monkeypatch):
    monkeypatch.setattr(preflight, "digest_of", lambda *_: "")
    assert play_control(0).wrong is not None
