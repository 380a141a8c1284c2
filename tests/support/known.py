"""Known accounts, journal entries, runs and holders in a few words, and strategies that make known state."""

from hypothesis import strategies as st

from reconciler.model import SYNC_KINDS, UNKNOWN, Doubt, KnownAccount, KnownProduct
from reconciler.state.accounts import in_order
from reconciler.state.store import Holder, JournalEntry, Run


def object_id(text):
    """24 hexadecimal digits that end with ``text``."""
    return text.rjust(24, "0")


def known_account(name, *products, **values):
    return KnownAccount(object_id(name), user_products=products, **values)


def known_product(product_id=None, user_product_id=None, **values):
    return KnownProduct(product_id and object_id(product_id), user_product_id and object_id(user_product_id), **values)


def journal_entry(account="a1", step=1, status="applied", run="run-1", **values):
    return JournalEntry(
        run_id=run,
        plan_id="sha256:plan",
        step=step,
        attempt=1,
        action="update",
        account_id=object_id(account),
        product_id=object_id("b1"),
        user_product_id=None,
        customer_number=None,
        body_sha256="sha256:body",
        status=status,
        at="2026-11-24T10:00:00Z",
        **values,
    )


def some_run(run_id="run-1", status="running", **values):
    return Run(
        run_id=run_id,
        plan_id="sha256:plan",
        steps_digest="sha256:steps",
        environment="stage",
        status=status,
        started_at="2026-11-24T10:00:00Z",
        who="anna",
        host="desk",
        command="reconciler apply plan.json",
        steps=3,
        plan="{}",
        **values,
    )


def some_holder(lock_id="lock-1", host="elsewhere", process=4242, **values):
    return Holder(
        lock_id=lock_id,
        who="anna",
        host=host,
        process=process,
        command="reconciler apply plan.json",
        started_at="2026-11-24T10:00:00Z",
        **values,
    )


#: Words as they come, and words that a CSV file or a spreadsheet could trip over.
WORDS = ("tulo", "=1+1", "-5", "@x", "?", "'?", "''=x", "a,b", 'a"b', "x;y^z", "räksmörgås", "0012345670", "null")

IDS = [object_id(f"a{number}") for number in range(6)]
CLOCKS = ("2026-11-24T10:00:00Z", "2026-11-24T11:30:15Z", "2026-11-25T00:00:00Z")

words = st.sampled_from(WORDS)
maybe_word = st.just(UNKNOWN) | st.none() | words
maybe_minute = st.just(UNKNOWN) | st.none() | st.integers(-2_000_000, 70_000_000)
request_words = words | st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\r\t"), min_size=1, max_size=200
)


@st.composite
def known_products(draw, user_product_ids):
    """Products of one account; each of ``user_product_ids`` is on at most one of them."""
    made = []
    for user_product_id in user_product_ids:
        made.append(draw(one_product(st.none() | st.sampled_from(IDS), st.just(user_product_id))))
    made += draw(st.lists(one_product(st.sampled_from(IDS), st.none()), max_size=2))
    return in_order(made)


def one_product(product_ids, user_product_ids):
    return st.builds(
        KnownProduct,
        product_id=product_ids,
        user_product_id=user_product_ids,
        state=maybe_word,
        subscription_type=maybe_word,
        valid_from=maybe_minute,
        valid_to=maybe_minute,
        subscription_number=maybe_word,
        provision_service=maybe_word,
    )


@st.composite
def known_accounts(draw, account_id=None, user_product_ids=None, clocks=CLOCKS):
    ids = user_product_ids if user_product_ids is not None else draw(st.lists(st.sampled_from(IDS), unique=True))
    return KnownAccount(
        account_id or draw(st.sampled_from(IDS)),
        customer_number=draw(maybe_word),
        synced=draw(st.dictionaries(st.sampled_from(SYNC_KINDS), request_words)),
        user_products=draw(known_products(ids)),
        observed_at=draw(st.sampled_from(clocks)),
        unverified=draw(st.booleans()),
        doubts=draw(st.just(()) | st.just((Doubt("update", IDS[0], None, "run-1", 3),))),
    )


@st.composite
def known_fleets(draw):
    """Accounts with different ids; no user product is on two of them."""
    account_ids = draw(st.lists(st.sampled_from(IDS), unique=True))
    owners = draw(st.dictionaries(st.sampled_from(IDS), st.sampled_from(account_ids))) if account_ids else {}
    return tuple(
        draw(known_accounts(each, sorted(key for key, owner in owners.items() if owner == each)))
        for each in sorted(account_ids)
    )
