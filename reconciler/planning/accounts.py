"""One account: its products put together, what is withheld, what comes first, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.instants import Minute, minute_of
from reconciler.model import DeclaredAccount, KnownAccount, KnownView, Source, product_order
from reconciler.plan import TAKING, AccountPlan, Finding, ProductAccess, Unmanaged
from reconciler.planning.context import PlanContext
from reconciler.planning.drafting import TAKING_GROUP, Draft, ProductDrafts, draft_product
from reconciler.planning.matching import match_products, unmatched
from reconciler.planning.outcomes import Outcome
from reconciler.planning.syncs import draft_syncs


@dataclass(frozen=True, slots=True)
class PlannedAccount:
    """One declared account with all that was found for it."""

    declared: DeclaredAccount
    known: KnownAccount | None
    products: tuple[ProductDrafts, ...]
    drafts: tuple[Draft, ...]
    deferred: tuple[Finding, ...]
    blocked: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def quiet(self) -> bool:
        """True if there is nothing to do and nothing to say."""
        return not (self.drafts or self.deferred or self.blocked or self.warnings)

    @property
    def deadline(self) -> Minute | None:
        """The earliest minute from which one of its calls can't work any more."""
        return min((draft.step.not_after for draft in self.drafts if draft.step.not_after is not None), default=None)


def plan_account(
    account: DeclaredAccount, known: KnownAccount | None, view: KnownView, context: PlanContext
) -> PlannedAccount:
    """All that is due for one declared account, given what is known of it."""
    now = minute_of(context.as_of)
    matches = sorted(match_products(account, known, view.account_of), key=lambda match: product_order(match.declared))
    products = tuple(
        draft_product(match, account, known, now=now, provision_service=context.provision_service) for match in matches
    )
    if any(product.misses_gain for product in products):
        products = tuple(_withhold(product) for product in products)
    syncs, sync_blocked, sync_warnings = draft_syncs(account, known)
    drafts = [draft for product in products for draft in product.drafts]
    drafts.sort(key=lambda draft: (draft.group, product_order(draft.step)))
    return PlannedAccount(
        declared=account,
        known=known,
        products=products,
        drafts=(*drafts, *syncs),
        deferred=tuple(finding for product in products for finding in product.deferred),
        blocked=tuple(finding for product in products for finding in product.blocked) + sync_blocked,
        warnings=tuple(finding for product in products for finding in product.warnings) + sync_warnings,
    )


def _withhold(product: ProductDrafts) -> ProductDrafts:
    """``product`` without the `update` that takes access away: half an exchange is worse than none."""
    taking = [draft for draft in product.drafts if draft.group == TAKING_GROUP]
    if not taking:
        return product
    update = taking[0].step
    source = Source(update.source.file, update.source.line)

    def block(rule: str, message: str) -> Finding:
        return Finding(rule, message, update.account_id, update.product_id, update.user_product_id, source)

    blocked = [block("withheld-revoke", "access stays until the product that replaces it can be given")]
    if product.deferred:
        blocked.append(
            block("needs-user-product-id", "its id would come from the answer to an update that is withheld")
        )
    drafts = tuple(draft for draft in product.drafts if draft.group != TAKING_GROUP)
    kept = tuple(finding for finding in product.warnings if finding.rule not in ("owner-unchecked", "unknown-state"))
    return replace(
        product, drafts=drafts, deferred=(), blocked=tuple(blocked), warnings=kept, after=product.reactivated
    )


def outcome_of(planned: PlannedAccount) -> Outcome:
    """What came of an account."""
    declared, known = planned.declared, planned.known
    digest = (known or KnownAccount(declared.account_id)).digest() if planned.drafts else ""
    held = known.user_products if known is not None else ()
    left = unmatched(known, [product.match for product in planned.products]) if known is not None else ()
    return Outcome(
        account=AccountPlan(
            declared.account_id, declared.customer_number, declared.owner, declared.labels, tuple(_access(planned))
        ),
        steps=tuple(replace(draft.step, known=digest) for draft in planned.drafts),
        deferred=planned.deferred,
        blocked=planned.blocked,
        warnings=planned.warnings,
        unmanaged=tuple(Unmanaged(declared.account_id, p.product_id, p.user_product_id) for p in left),
        products=len(planned.products),
        unchanged=sum(1 for p in planned.products if not (p.drafts or p.deferred or p.blocked)),
        held=len(held),
        is_known=known is not None,
        observed_at=known.observed_at if known is not None else None,
        counts=_counts(planned),
    )


def _access(planned: PlannedAccount) -> list[ProductAccess]:
    """The access to each product with a step, before and after."""
    return [
        ProductAccess(
            product.drafts[0].step.product_id,
            product.drafts[0].step.user_product_id,
            product.before.windows(),
            product.after.windows(),
        )
        for product in planned.products
        if product.drafts
    ]


def _counts(planned: PlannedAccount) -> tuple[int, ...]:
    revoked = protected = changed = adopted = reactivated = blocked = 0
    for product in planned.products:
        takes = any(draft.step.impact in TAKING for draft in product.drafts)
        revoked += takes
        protected += takes and product.match.declared.protect
        changed += bool(product.drafts)
        adopted += product.adopted
        reactivated += any(draft.step.action == "reactivate" for draft in product.drafts)
        blocked += bool(product.blocked)
    changed += any(draft.group > TAKING_GROUP for draft in planned.drafts)
    blocked += sum(1 for found in planned.blocked if found.product_id is None and found.user_product_id is None)
    return (revoked, protected, changed, adopted, reactivated, blocked)
