"""The syncs of an account: asked for by a word, due while that word isn't the one recorded as done."""

from __future__ import annotations

from reconciler.model import SYNC_KINDS, DeclaredAccount, KnownAccount, Source
from reconciler.operations import SYNCS
from reconciler.plan import FieldChange, Finding, Step
from reconciler.planning.blocks import doubt_message
from reconciler.planning.drafting import Draft


def draft_syncs(
    account: DeclaredAccount, known: KnownAccount | None
) -> tuple[tuple[Draft, ...], tuple[Finding, ...], tuple[Finding, ...]]:
    """The syncs of an account that are due, as drafts, blocks and warnings."""
    done = known.synced if known is not None else {}
    due = [kind for kind in SYNC_KINDS if kind in account.sync and account.sync[kind] != done.get(kind)]
    if not due:
        return (), (), ()
    doubtful = {doubt.action: doubt for doubt in known.doubts} if known is not None else {}
    drafts, blocked, warnings = [], [], []
    mismatch = _number_mismatch(account, known)
    if mismatch is not None:
        line = account.source.fields.get("customer_number", account.source.line)
        return (), (_account_finding(account, "customer-number-mismatch", mismatch, line),), ()
    for kind in due:
        operation = SYNCS[kind]
        line = account.source.fields.get(f"sync.{kind}", account.source.line)
        if operation.action in doubtful:
            message = doubt_message(doubtful[operation.action])
            blocked.append(_account_finding(account, "in-doubt", message, line))
            continue
        drafts.append(_sync(account, kind, done.get(kind), line))
        if any(product.manages for product in account.user_products):
            message = f"{operation.action} may overwrite fields that this manifest declares"
            warnings.append(_account_finding(account, "sync-may-overwrite", message, line))
    return tuple(drafts), tuple(blocked), tuple(warnings)


def _number_mismatch(account: DeclaredAccount, known: KnownAccount | None) -> str | None:
    if known is None or not (known.customer_number is None or isinstance(known.customer_number, str)):
        return None
    if known.customer_number == account.customer_number:
        return None
    found = known.customer_number if known.customer_number is not None else "none"
    return (
        f"customer_number is declared as {account.customer_number}, known as {found}; "
        "no call here changes it, so no sync is made"
    )


def _sync(account: DeclaredAccount, kind: str, done: str | None, line: int) -> Draft:
    operation = SYNCS[kind]
    word = account.sync[kind]
    places = {"customer_number": account.source.fields.get("customer_number", account.source.line)}
    reason = f"sync asked for with {word!r}, " + (
        f"last done for {done!r}" if done is not None else "never done before"
    )
    step = Step(
        number=0,
        action=operation.action,
        account_id=account.account_id,
        product_id=None,
        user_product_id=None,
        customer_number=account.customer_number,
        request=operation.request({"customer_number": account.customer_number}),
        changes=(FieldChange(f"sync.{kind}", done, word),),
        impact="neutral",
        reversible=False,
        not_after=None,
        reason=reason,
        source=Source(account.source.file, line, places),
        known="",
    )
    return Draft(5 + SYNC_KINDS.index(kind), step)


def _account_finding(account: DeclaredAccount, rule: str, message: str, line: int) -> Finding:
    return Finding(rule, message, account.account_id, None, None, Source(account.source.file, line))
