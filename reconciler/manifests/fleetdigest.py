"""One digest for all that is declared, put together from those of the accounts.

Accounts fall into `BUCKETS` by a number that only depends on their id. Whoever knows the digest of each bucket knows
that of the whole: so the shards of a plan, which hold whole buckets, can be put together again.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

from reconciler.canonical import DIGEST_PREFIX

BUCKETS: Final = 256


def bucket_of(account_id: str) -> int:
    """The bucket of an account, from 0 to 255."""
    return zlib.crc32(account_id.encode("ascii")) % BUCKETS


class FleetDigest:
    """Takes in accounts in the order of their ids."""

    def __init__(self) -> None:
        self._buckets = [hashlib.sha256() for _ in range(BUCKETS)]

    def add(self, account_id: str, digest: bytes) -> None:
        """Take in one account with the digest (32 bytes) of all that is declared of it."""
        self._buckets[zlib.crc32(account_id.encode("ascii")) % BUCKETS].update(digest)

    def add_all(self, accounts: Iterable[tuple[str, bytes]]) -> None:
        """Take in many accounts, each with its digest."""
        buckets, number = self._buckets, zlib.crc32
        for account_id, digest in accounts:
            buckets[number(account_id.encode("ascii")) % BUCKETS].update(digest)

    def buckets(self) -> dict[int, bytes]:
        """The digest of each bucket."""
        return {number: bucket.digest() for number, bucket in enumerate(self._buckets)}

    def value(self) -> str:
        """The digest of the whole."""
        return digest_of_buckets(self.buckets())


def digest_of_buckets(buckets: Mapping[int, bytes]) -> str:
    """The digest of the whole, from that of every bucket."""
    whole = b"".join(buckets[number] for number in range(BUCKETS))
    return DIGEST_PREFIX + hashlib.sha256(whole).hexdigest()
