"""The facts about one declared product that decide what is due: computed once, then only read."""

from __future__ import annotations

from typing import Final

from reconciler.instants import Minute, Moment
from reconciler.model import DeclaredAccount, KnownAccount, Source
from reconciler.plan import Finding
from reconciler.planning.access import Access, adopted_impact, impact
from reconciler.planning.differences import differing_fields
from reconciler.planning.matching import Match
from reconciler.planning.transitions import KEEPS_ACCESS, Move, Standing, Transition, standing, transition

_WINDOW: Final = ("subscription_type", "valid_from", "valid_to")


class Facts:
    """What is declared, what is known, and what that makes due.

    ``waits`` is true if a call needs a ``user_product_id`` that nobody knows. ``before``, ``reactivated``
    and ``after`` are the access now, after the `reactivate` of this plan, and after its `update` too.
    """

    def __init__(
        self,
        match: Match,
        account: DeclaredAccount,
        known_account: KnownAccount | None,
        now: Minute,
        own_service: str | None,
    ) -> None:
        self.match, self.account, self.known_account = match, account, known_account
        self.now, self.own_service = now, own_service
        self.declared, self.known = match.declared, match.known
        self.product_id = self.declared.product_id or (self.known.product_id if self.known else None)
        self.user_product_id = self.declared.user_product_id or (self.known.user_product_id if self.known else None)
        self.standing: Standing = standing(self.declared, self.known, now)
        self.transition: Transition = transition(self.declared, self.standing)
        differing = differing_fields(self.declared, self.known)
        self.window_fields = tuple(name for name in _WINDOW if name in differing)
        self.state_due = self.transition.move is Move.UPDATE
        self.reactivate_due = self.transition.move is Move.REACTIVATE
        self.update_due = self.state_due or bool(self.window_fields)
        self.number_due = "subscription_number" in differing
        self.waits = self.user_product_id is None and (self.reactivate_due or self.number_due)
        self.before = Access.of(self.known, now)
        self.reactivated = self._reactivated()
        self.after = self._after()

    @property
    def due(self) -> bool:
        """True if any call is due."""
        return self.update_due or self.reactivate_due or self.number_due

    @property
    def sent_state(self) -> str | None:
        """The ``state`` that an `update` holds."""
        return self.declared.state if self.transition.sends_state else None

    @property
    def keeps_access(self) -> bool:
        """True unless it is declared activated and not known to keep access without this plan."""
        if self.declared.state != "activated":
            return True
        return self.match.rule is None and self.standing in KEEPS_ACCESS

    def update_impact(self) -> str:
        """What the `update` does to access, in its place in the plan."""
        if self.known is None:
            return adopted_impact(self.declared, self.now)
        return impact(self.reactivated, self.after, self.now)

    def known_text(self, name: str) -> str | None:
        """The known text of a field; ``None`` if it is empty or unknown."""
        value = getattr(self.known, name) if self.known is not None else None
        return value if isinstance(value, str) else None

    def resulting(self, name: str) -> Minute | None:
        """An end of the window as it will be: the declared one, else the known one."""
        declared: Moment | None = getattr(self.declared, name)
        if declared is not None:
            return declared.minute
        known = getattr(self.known, name) if self.known is not None else None
        return known if isinstance(known, int) else None

    def finding(self, rule: str, message: str, *, action: str | None = None) -> Finding:
        """A finding about this product, at its place in the manifest."""
        source = Source(self.declared.source.file, self.declared.source.line)
        ids = (self.account.account_id, self.product_id, self.user_product_id)
        return Finding(rule, message, *ids, source, action)

    def _reactivated(self) -> Access:
        if not self.reactivate_due or self.waits:
            return self.before
        declared = self.declared.subscription_type
        return self.before.reactivated(limited=(declared or self.known_text("subscription_type")) == "limited")

    def _after(self) -> Access:
        return self.reactivated.updated(self.declared, state=self.sent_state) if self.update_due else self.reactivated
