"""All that a plan depends on besides manifests and known state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from reconciler.planning import guards


@dataclass(frozen=True, slots=True)
class PlanContext:
    """All that a plan depends on besides manifests and known state.

    ``as_of`` is the one reading of the clock (aware). ``max_known_age`` switches the guard ``stale_known``
    on. ``accepted`` are the guards that somebody accepted. With ``select``, only declared accounts are
    in scope.
    """

    environment: str
    host: str
    as_of: datetime
    what_if: bool = False
    max_plan_age: timedelta = timedelta(hours=24)
    max_known_age: timedelta | None = None
    provision_service: str | None = None
    limits: Mapping[str, guards.Limit] = field(default_factory=lambda: MappingProxyType({}))
    accepted: frozenset[str] = frozenset()
    revision: str | None = None
    select: tuple[str, ...] = ()

    def alone(self) -> PlanContext:
        """What single accounts need of it, for another process."""
        return PlanContext(self.environment, self.host, self.as_of, provision_service=self.provision_service, limits={})
