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

    ``lost`` and ``gained`` say when, such as ``from now until 2040-05-01``; "" for nothing, and where the access
    before or after isn't known.
    """

    product_id: str | None
    user_product_id: str | None
    before: str
    after: str
    windows: tuple[Windows, Windows]
    lost: str
    gained: str

    @property
    def changes(self) -> bool:
        """True if it isn't the same access as before."""
        return self.before != self.after

    @property
    def taken(self) -> str:
        """What a step that takes access takes in the end, in words; never "", for that is what a reviewer asks."""
        if self.lost:
            return f"lost {self.lost}"
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
            lost=_beyond(product.before, product.after, now),
            gained=_beyond(product.after, product.before, now),
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
