"""A reader's access as a window of minutes, and what a change of it means.

Access is given while a product is activated, pending, cancelled or frozen, within its window; an end that
isn't known is open. What we don't know of might be access, so it counts as such before a change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.instants import Minute
from reconciler.model import UNKNOWN, DeclaredProduct, KnownMinute, KnownProduct, KnownText
from reconciler.plan import Window
from reconciler.planning.transitions import lapsed


@dataclass(frozen=True, slots=True)
class Access:
    """What decides about access: the state, both ends, and whether a cancelled term is already over.

    ``renews`` is set by a reactivation: the end of the term is no end of access any more.
    """

    state: KnownText
    valid_from: KnownMinute
    valid_to: KnownMinute
    lapsed: bool = False
    renews: bool = False

    @classmethod
    def of(cls, known: KnownProduct | None, now: Minute) -> Access:
        """The access of a known product; of an unknown one, anything is possible."""
        if known is None:
            return cls(UNKNOWN, UNKNOWN, UNKNOWN)
        return cls(known.state, known.valid_from, known.valid_to, lapsed(known, now))

    def reactivated(self, *, limited: bool) -> Access:
        """After `reactivate`."""
        return replace(self, state="activated", lapsed=False, renews=not limited)

    def updated(self, declared: DeclaredProduct, *, state: str | None) -> Access:
        """After an `update` that sends ``state`` (or none) and every declared end."""
        changed = self if state is None else replace(self, state=state, lapsed=False)
        if declared.valid_from is not None:
            changed = replace(changed, valid_from=declared.valid_from.minute)
        if declared.valid_to is not None:
            changed = replace(changed, valid_to=declared.valid_to.minute, renews=False)
        return changed

    def windows(self) -> tuple[Window, ...] | None:
        """The windows of access, as plans show them: none or one; ``None`` if the state isn't known."""
        if not isinstance(self.state, str):
            return None
        window = self.window()
        return () if window is None else (window,)

    def window(self) -> Window | None:
        """The window of access, the past included; ``None`` for no access."""
        if self.state == "deactivated" or self.lapsed:
            return None
        start = self.valid_from if isinstance(self.valid_from, int) else None
        end = self.valid_to if isinstance(self.valid_to, int) and not self.renews else None
        return None if _empty(start, end) else (start, end)

    def remaining(self, now: Minute) -> Window | None:
        """What is left of it from ``now`` on. The end of a term counts here even if it will renew itself."""
        window = replace(self, renews=False).window()
        if window is None:
            return None
        start = now if window[0] is None else max(window[0], now)
        return None if _empty(start, window[1]) else (start, window[1])


def impact(before: Access, after: Access, now: Minute) -> str:
    """What happens to access from ``now`` on: one of `reconciler.plan.IMPACTS`."""
    old, new = before.remaining(now), after.remaining(now)
    if old == new:
        return "neutral"
    if old is None:
        return "grant"
    if new is None:
        return "revoke"
    return "shorten" if _reaches_beyond(old, new) else "extend"


def adopted_impact(declared: DeclaredProduct, now: Minute) -> str:
    """The impact of the first `update` of a product that nothing is known of."""
    if declared.state == "activated":
        after = Access("activated", UNKNOWN, UNKNOWN).updated(declared, state="activated")
        return "grant" if after.remaining(now) is not None else "revoke"
    if declared.state is None and declared.valid_from is None and declared.valid_to is None:
        return "neutral"
    return "revoke"


def _reaches_beyond(one: Window, other: Window) -> bool:
    """True if ``one`` holds a minute that ``other`` doesn't; both start at a known minute."""
    if (one[0] or 0) < (other[0] or 0):
        return True
    return other[1] is not None and (one[1] is None or one[1] > other[1])


def _empty(start: Minute | None, end: Minute | None) -> bool:
    return start is not None and end is not None and start >= end
