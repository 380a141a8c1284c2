"""Which call is due, in what order, and what is blocked: the thinking, all of it pure.

The street, each room using only those before it::

    transitions   the state table
    access        windows of access, and what a change of one means
    differences   which declared fields differ from the known ones
    matching      which known product a declared one means
    facts         all that decides about one product, computed once
    blocks        what stands in the way, what should be said
    drafting      one product to its calls
    syncs         one account to its syncs
    guards        the limits that a plan must keep
    context       what a plan depends on besides manifests and known state
    outcomes      what came of one account, as plain values
    accounts      one account, its products and syncs together
    tally         accounts added up
    planner       all accounts to one plan
    quiet         the short way past the planner for an account with nothing due
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.planning.context import PlanContext

if TYPE_CHECKING:
    from reconciler.planning.planner import make_plan

__all__ = ["PlanContext", "make_plan"]


def __getattr__(name: str) -> Any:
    """The planner, loaded when it is first asked for."""
    if name != "make_plan":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reconciler.planning.planner import make_plan

    return make_plan
