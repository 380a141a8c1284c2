"""A thousand stories of worlds, runs, deaths and people, each from its seed, and every promise kept in all of them."""

import pytest
from support.perils import Wrong
from support.story import Story, play, play_many

from reconciler.applying import journaling

STORIES = 1000
CHUNKS = [range(start, start + 50) for start in range(0, STORIES, 50)]


@pytest.mark.parametrize("seeds", CHUNKS, ids=lambda seeds: f"{seeds.start}-{seeds.stop - 1}")
def test_every_promise_is_kept(seeds):
    counts, wrong = play_many(seeds)
    # `make simulate SEED=…` plays one of them again.
    assert wrong == []
    assert counts["calls"] > len(seeds)


def test_the_same_seed_is_the_same_story():
    first, again = Story(3), Story(3)
    first.play()
    again.play()
    assert first.told == again.told
    assert len(first.told) > 10


def test_a_broken_promise_is_told_with_its_seed(monkeypatch):
    monkeypatch.setattr(journaling, "with_doubt", lambda account, *_: account)
    with pytest.raises(Wrong, match=r"^seed \d+: ") as caught:
        for seed in range(1, 25):
            play(seed)
    assert "an export is made" in str(caught.value)
