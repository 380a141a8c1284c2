"""Whether nothing is due for an account, told from the texts of what is wanted and of what is known.

The short way past the planner: it says *quiet* only where the planner would find nothing, now and at any other time,
and otherwise that the planner has to be asked. A property test holds it to the planner.
"""

from __future__ import annotations

import json
from typing import Any, Final

#: Reads text that begins with a value, without looking for spaces around it.
_decode: Final = json.JSONDecoder().raw_decode


def left_over(wanted: str, known: str) -> tuple[list[Any], int] | None:
    """The known products that nobody declares and how many are known, if nothing is due; ``None``: ask the planner.

    ``wanted`` is what has to be known (`reconciler.manifests.facts.facts_of`), ``known`` the document of a
    `reconciler.model.KnownRecord`.
    """
    data, _ = _decode(known)
    (sync, products), _ = _decode(wanted)
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
    product_id, _, state, kind, start, end, number = want
    get = have.get
    return (
        (product_id is None or get("product_id") == product_id)
        and (state is None or get("state") == state or (state == "activated" and get("state") == "pending"))
        and (kind is None or get("subscription_type") == kind)
        and (start is None or get("valid_from") == start)
        and (end is None or get("valid_to") == end)
        and (number is None or get("subscription_number") == number)
    )
