"""What differs between a declared product and the known one, by field.

Equality is asked first and is almost always the answer; only what differs is handed to DeepDiff.
"""

from __future__ import annotations

from reconciler.instants import Minute, Moment
from reconciler.model import PRODUCT_FIELDS, UNKNOWN, DeclaredProduct, KnownProduct


def differing_fields(declared: DeclaredProduct, known: KnownProduct | None) -> tuple[str, ...]:
    """The declared fields whose known value is another one, empty or unknown, in the order of `PRODUCT_FIELDS`.

    Times differ when their minutes do. ``state`` is listed when its words differ; whether that asks for
    a call is the state table's to say.
    """
    wanted = _wanted(declared)
    found = _found(known, wanted)
    equal = [name for name, value in found.items() if value == wanted[name]]
    if len(equal) == len(wanted):
        return ()
    # Slow to import, and not needed by a plan without changes.
    from deepdiff import DeepDiff

    for name in equal:
        del wanted[name], found[name]
    # The threshold is about unlike mappings: at its default, one without common keys is reported as a whole.
    tree = DeepDiff(found, wanted, view="tree", threshold_to_diff_deeper=0)
    names = {level.path(output_format="list")[0] for levels in tree.values() for level in levels}
    return tuple(name for name in PRODUCT_FIELDS if name in names)


def _wanted(declared: DeclaredProduct) -> dict[str, str | Minute]:
    wanted: dict[str, str | Minute] = {}
    for name in PRODUCT_FIELDS:
        value = getattr(declared, name)
        if value is not None:
            wanted[name] = value.minute if isinstance(value, Moment) else value
    return wanted


def _found(known: KnownProduct | None, wanted: dict[str, str | Minute]) -> dict[str, str | Minute | None]:
    if known is None:
        return {}
    values = {name: getattr(known, name) for name in wanted}
    return {name: value for name, value in values.items() if value is not UNKNOWN}
