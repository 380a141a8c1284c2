"""Whether nothing is due for an account, told from its facts and the text of what is known of it.

The short way past the planner: it says *quiet* only where the planner would find nothing, now and at any other time,
and otherwise that the planner has to be asked. A property test holds it to the planner.
"""

from __future__ import annotations

import json
from typing import Any, Final

from reconciler.model import KnownRecord

#: The fields that are compared, by their place in a product's list of facts (`reconciler.manifests.rows.facts_text`).
_FIELDS: Final = ((3, "subscription_type"), (4, "valid_from"), (5, "valid_to"), (6, "subscription_number"))


def left_over(facts: str, known: KnownRecord) -> tuple[list[Any], int] | None:
    """The known products that nobody declares and how many are known, if nothing is due; ``None``: ask the planner."""
    data = json.loads(known.document)
    wanted = json.loads(facts)
    sync, products = wanted[0], wanted[1]
    if sync:
        synced = data.get("synced", {})
        for kind, word in sync.items():
            if synced.get(kind) != word:
                return None
    held = data["user_products"]
    if len(products) == len(held):
        # As a rule they stand in the same order, each with its own id.
        for want, have in zip(products, held, strict=True):
            if want[1] is None or want[1] != have.get("user_product_id") or not _same(want, have):
                break
        else:
            return [], len(held)
    return _matched(products, held)


def _matched(products: list[list[Any]], held: list[dict[str, Any]]) -> tuple[list[Any], int] | None:
    by_id = {have["user_product_id"]: place for place, have in enumerate(held) if "user_product_id" in have}
    taken: set[int] = set()
    for want in products:
        if want[1] is not None:
            place = by_id.get(want[1])
            if place is None or not _same(want, held[place]):
                return None
            taken.add(place)
    free = [place for place in range(len(held)) if place not in taken]
    for want in products:
        if want[1] is None:
            # A product whose product_id isn't known could be any.
            candidates = [p for p in free if held[p].get("product_id", want[0]) == want[0]]
            if len(candidates) != 1 or not _same(want, held[candidates[0]]) or candidates[0] in taken:
                return None
            taken.add(candidates[0])
    return [held[place] for place in free if place not in taken], len(held)


def _same(want: list[Any], have: dict[str, Any]) -> bool:
    get = have.get
    if want[0] is not None and get("product_id") != want[0]:
        return False
    state = want[2]
    if state is not None and get("state") != state and not (state == "activated" and get("state") == "pending"):
        return False
    return all(want[place] is None or get(name) == want[place] for place, name in _FIELDS)
