"""Who may accept a guard, when that counts, and what takes it back."""

import pytest
from forge.conftest import PULL
from forge.standin import Fault
from pipeline import labels

HEAD = PULL["head"]["sha"]
LABELED = {"action": "labeled", "pull_request": PULL}


@pytest.fixture
def decide(step, forge):
    """Run the step for an event; gives the accepted guards."""

    def run(event=LABELED):
        here = step(event)
        labels.labels(here.runner())
        return here.outputs()["accepted"].split()

    return run


@pytest.fixture
def seen(forge):
    """A plan of the head was made before anything else."""
    return forge.run(HEAD, "pull_request", "change")


def test_a_maintainers_label_accepts(forge, seen, decide):
    forge.label("accept:revoked", "maintainer")
    forge.label("bug", "stranger")
    assert decide() == ["revoked"]
    assert forge.labels == ["accept:revoked", "bug"]


@pytest.mark.parametrize("who", ["helper", "stranger", "nobody", "github-actions[bot]", ""])
def test_others_labels_do_not(forge, seen, decide, who, capsys):
    forge.label("accept:revoked", who)
    assert decide() == []
    assert "may not write" in capsys.readouterr().out


def test_whoever_set_it_last_counts(forge, seen, decide):
    forge.label("accept:revoked", "maintainer")
    forge.unlabel("accept:revoked", "maintainer")
    forge.label("accept:revoked", "helper")
    assert decide() == []


def test_no_such_guard(forge, seen, decide, capsys):
    forge.label("accept:everything", "maintainer")
    assert decide() == []
    assert "no guard 'everything'" in capsys.readouterr().out


def test_set_before_there_was_a_plan(forge, decide):
    forge.label("accept:revoked", "maintainer")
    forge.run(HEAD, "pull_request", "change")
    assert decide() == []


def test_no_run_of_this_head_is_no_acceptance(forge, decide):
    forge.run("b" * 40, "pull_request", "change")
    forge.run(HEAD, "push", "change")
    forge.label("accept:revoked", "maintainer")
    assert decide() == []


def test_a_forced_push_back_to_an_older_head(forge, seen, decide):
    forge.run("b" * 40, "pull_request", "change")
    forge.label("accept:revoked", "maintainer")
    forge.force_push("stranger")
    assert decide() == []


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened", "edited", "ready_for_review", None])
def test_anything_but_labels_takes_it_off(forge, seen, decide, action, capsys):
    forge.label("accept:revoked", "maintainer")
    forge.label("accept: odd/name?", "helper")
    forge.label("bug", "stranger")
    assert decide({"action": action, "pull_request": PULL}) == []
    assert forge.labels == ["bug"]
    assert "accept:revoked is taken off" in capsys.readouterr().out


def test_a_label_that_cannot_be_taken_off_does_not_count(forge, seen, decide):
    forge.label("accept:revoked", "maintainer")
    forge.read_only = True
    assert decide({"action": "synchronize", "pull_request": PULL}) == []


def test_taken_off_by_somebody_else_meanwhile(forge, seen, decide):
    forge.label("accept:revoked", "maintainer")
    forge.faults = [Fault("DELETE", "/labels/", 404)]
    assert decide({"action": "synchronize", "pull_request": PULL}) == []


def test_without_labels_nothing_more_is_asked(forge, decide):
    assert decide() == []
    assert len(forge.requests) == 1
