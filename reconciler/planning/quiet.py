"""Whether nothing is due for an account, told from the texts of what is wanted and of what is known.

The short way past the planner: it says *quiet* only where the planner would find nothing, now and at any other time,
and otherwise that the planner has to be asked. A property test holds it to the planner.
"""

from __future__ import annotations

import json
from typing import Any, Final

#: Reads text that begins with a value, without looking for spaces around it.
_decode: Final = json.JSONDecoder().raw_decode
#: What known products begin after, and what stands between two.
_LIST: Final = '"user_products":['
_SEAM: Final = "},{"
_NOT_FOUND: Final = -1


def left_over(wanted: str, known: str) -> tuple[list[Any], int] | None:
    """The known products that nobody declares and how many are known, if nothing is due; ``None``: ask the planner.

    ``wanted`` is what has to be known (`reconciler.manifests.facts.facts_of`), ``known`` the document of a
    `reconciler.model.KnownRecord`.
    """
    sync, *lines = wanted.split("\n")
    if _stands_there(sync, lines, known):
        return [], len(lines)
    data, _ = _decode(known)
    synced = data.get("synced", {})
    if any(synced.get(kind) != word for kind, word in _decode(sync)[0].items()):
        return None
    return _matched([_decode(line)[0] for line in lines], data["user_products"])


def _stands_there(sync: str, lines: list[str], known: str) -> bool:
    """True if all that is wanted stands in ``known`` to the letter, each product in its place, and no other product.

    Both are canonical JSON, in which no quote of a key or value is part of another one. So the list begins where its
    key is found, and a product where it is expected is one; what else looks like the seam between two is never taken
    for less than a product.
    """
    place = known.find(_LIST)
    if place == _NOT_FOUND or not (sync == "{}" or sync[1:-1] in known):
        return False
    place += len(_LIST)
    if not lines:
        return known.startswith("]", place)
    for line in lines:
        # Where the seam before wasn't found, no product begins.
        if not known.startswith(line[:-1], place):
            return False
        place = known.find(_SEAM, place + len(line) - 1) + 2
    return place == _NOT_FOUND + 2


def _matched(products: list[dict[str, str]], held: list[dict[str, Any]]) -> tuple[list[Any], int] | None:
    by_id = {have["user_product_id"]: place for place, have in enumerate(held) if "user_product_id" in have}
    taken: set[int] = set()
    for want in products:
        if "user_product_id" in want:
            place = by_id.get(want["user_product_id"])
            if place is None or not _same(want, held[place]):
                return None
            taken.add(place)
    free = [place for place in range(len(held)) if place not in taken]
    for want in products:
        if "user_product_id" not in want:
            # A product whose product_id isn't known could be any.
            product_id = want["product_id"]
            candidates = [p for p in free if held[p].get("product_id", product_id) == product_id]
            if len(candidates) != 1 or not _same(want, held[candidates[0]]) or candidates[0] in taken:
                return None
            taken.add(candidates[0])
    return [held[place] for place in free if place not in taken], len(held)


def _same(want: dict[str, str], have: dict[str, Any]) -> bool:
    for name, value in want.items():
        found = have.get(name)
        if found != value and not (name == "state" and value == "activated" and found == "pending"):
            return False
    return True
