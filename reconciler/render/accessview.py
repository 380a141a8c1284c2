"""The access to a product before and after a plan, in words and as windows."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.instants import Minute, day_text
from reconciler.plan import AccountPlan, Window
from reconciler.render.timeline import Windows, ahead, difference
from reconciler.render.words import access_words


@dataclass(frozen=True, slots=True)
class AccessView:
    """The access to one product before and after the account's steps.

    ``windows`` are that before and after, as seen from ``now``.
    """

    product_id: str | None
    user_product_id: str | None
    before: str
    after: str
    windows: tuple[Windows, Windows]
    now: Minute

    @property
    def lost(self) -> str:
        """When access is lost, such as ``from now until 2040-05-01``; "" if it never is, or if that isn't known."""
        before, after = self.windows
        return _beyond(before, after, self.now)

    @property
    def gained(self) -> str:
        """When access is gained; "" if it never is, or if that isn't known."""
        before, after = self.windows
        return _beyond(after, before, self.now)

    @property
    def changes(self) -> bool:
        """True if it isn't the same access as before."""
        return self.before != self.after

    @property
    def taken(self) -> str:
        """What a step that takes access takes in the end, in words; never "", for that is what a reviewer asks."""
        lost = self.lost
        if lost:
            return f"lost {lost}"
        return "nothing is lost in the end" if None not in self.windows else "from when isn't known here"


def access_of(account: AccountPlan, now: Minute) -> tuple[AccessView, ...]:
    """The access to each product of ``account`` that has steps, as seen from ``now``."""
    return tuple(
        AccessView(
            product_id=product.product_id,
            user_product_id=product.user_product_id,
            before=access_words(product.before, now),
            after=access_words(product.after, now),
            windows=(product.before, product.after),
            now=now,
        )
        for product in account.user_products
    )


def _beyond(one: Windows, other: Windows, now: Minute) -> str:
    """When there is access in ``one`` and not in ``other``, in words; "" if never, or if one of them isn't known."""
    if one is None or other is None:
        return ""
    return " and ".join(_span(window, now) for window in difference(ahead(one, now), other))


def _span(window: Window, now: Minute) -> str:
    start, end = window
    begins = "from now" if start is None or start <= now else f"from {day_text(start)}"
    return f"{begins} on, without end" if end is None else f"{begins} until {day_text(end)}"
