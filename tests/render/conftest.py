"""Plans to render: one rich and tame, one with hostile text in every place that takes text."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.sampleplans import HOSTILE, poison, sample

from reconciler.plan import Plan


@pytest.fixture
def plan() -> Plan:
    """Three accounts: one comes back and goes on, one loses access, one is adopted; and all that isn't a step."""
    return sample()


@pytest.fixture
def accepted(plan: Plan) -> Plan:
    """The same, with every refusal accepted."""
    return replace(plan, refusals=tuple(replace(refusal, accepted=True) for refusal in plan.refusals))


@pytest.fixture
def poisoned(plan: Plan) -> Callable[[str], Plan]:
    """The same, with a text of your own wherever a stranger's text can get in."""
    return lambda text: poison(plan, text)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare a text with ``tests/golden/NAME``; ``UPDATE_GOLDEN=1`` writes it instead."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parents[1] / "golden" / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture(params=range(len(HOSTILE)), ids=lambda index: f"hostile-{index}")
def hostile(request) -> str:
    """One hostile text after the other."""
    return HOSTILE[request.param]
