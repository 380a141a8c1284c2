"""Stand-ins for what names a reader, in output that is shared: the same value, the same key, the same stand-in.

`stand_ins` makes them and finds values in free text, `replacing` puts them into plans, reports and findings before any
of it is rendered, `scanning` finds values in manifests that may be broken, and `keeping` holds the key and the table
that leads back.
"""

from reconciler.pseudonyms.keeping import DEFAULT_KEY, Keeper, Revealed, open_keeper, reveal
from reconciler.pseudonyms.replacing import of_diagnostics, of_invocation, of_plan, of_report
from reconciler.pseudonyms.scanning import learn_from_manifests
from reconciler.pseudonyms.stand_ins import Pseudonyms

__all__ = [
    "DEFAULT_KEY",
    "Keeper",
    "Pseudonyms",
    "Revealed",
    "learn_from_manifests",
    "of_diagnostics",
    "of_invocation",
    "of_plan",
    "of_report",
    "open_keeper",
    "reveal",
]
