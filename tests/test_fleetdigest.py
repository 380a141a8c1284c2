"""One digest for all that is declared, whole or put together from buckets."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.fleetdigest import BUCKETS, FleetDigest, bucket_of, digest_of_buckets

ACCOUNTS = st.dictionaries(
    st.text("0123456789abcdef", min_size=24, max_size=24), st.binary(min_size=32, max_size=32), max_size=20
)


def of(accounts):
    found = FleetDigest()
    for account_id in sorted(accounts):
        found.add(account_id, accounts[account_id])
    return found


@given(ACCOUNTS, st.integers(1, 9))
def test_shards_that_hold_whole_buckets_come_to_the_digest_of_the_whole(accounts, shards):
    parts = [
        of({key: value for key, value in accounts.items() if bucket_of(key) % shards == shard})
        for shard in range(shards)
    ]
    buckets = {number: parts[number % shards].buckets()[number] for number in range(BUCKETS)}
    assert digest_of_buckets(buckets) == of(accounts).value()


@given(ACCOUNTS, ACCOUNTS)
def test_other_accounts_have_another_digest(one, other):
    assert (of(one).value() == of(other).value()) == (one == other)


def test_the_digest_is_what_it_was():
    # Plans carry it: another way to make it would be another format.
    accounts = {f"{number:024x}": hashlib.sha256(b"%d" % number).digest() for number in range(1000)}
    assert of({}).value() == "sha256:" + hashlib.sha256(hashlib.sha256().digest() * BUCKETS).hexdigest()
    assert of(accounts).value() == "sha256:0564c0bda3716b65da83917035a37fc39ca031a476d8e6b6ffbafccc3af62425"


def test_every_account_is_in_one_of_the_buckets():
    found = {bucket_of(f"{number:024x}") for number in range(5000)}
    assert found == set(range(BUCKETS))


def test_a_bucket_that_is_missing_is_told():
    buckets = of({}).buckets()
    del buckets[7]
    with pytest.raises(KeyError):
        digest_of_buckets(buckets)
