"""Many ids in few bytes: 12 an id and some for a number, instead of the hundred that a text takes in Python."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import Final, overload

#: Bytes of an id, which is written as twice as many hexadecimal digits.
ID_BYTES: Final = 12

_NUMBER: Final = Struct(">I")
_PLACE: Final = Struct(">II")
_ENTRY_BYTES: Final = ID_BYTES + _PLACE.size
_BUCKETS: Final = 256


def id_bytes(text: str) -> bytes | None:
    """The bytes of an id; ``None`` if it isn't one, or isn't in lower case."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return None
    return found if len(found) == ID_BYTES and found.hex() == text else None


class Ids(Sequence[str]):
    """Ids in ascending order, equal to any other sequence of them."""

    def __init__(self, ids: Iterable[str] | bytes | bytearray = ()) -> None:
        """Of ids, or of their bytes one behind the other."""
        data = ids if isinstance(ids, bytes | bytearray) else b"".join(map(bytes.fromhex, ids))
        self._bytes = b"".join(sorted(_split(data, ID_BYTES)))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._bytes) // ID_BYTES

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """The one at a place, or those at several."""
        if isinstance(index, slice):
            return tuple(self[place] for place in range(len(self))[index])
        place = range(len(self))[index]
        return self._bytes[place * ID_BYTES : (place + 1) * ID_BYTES].hex()

    def __eq__(self, other: object) -> bool:
        """True for the same ids in the same order, whatever holds them."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        """As that of a tuple of them."""
        return hash(tuple(self))

    def __repr__(self) -> str:
        """As that of a tuple of them."""
        return repr(tuple(self))


class NumberedIds:
    """Ids that have the numbers 0, 1, 2 … in the order in which they are added. Look-ups come after `arrange`."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ascending = True
        self._order: Sequence[int] = ()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._bytes) // ID_BYTES

    def add(self, id_: bytes) -> None:
        """Add an id."""
        self._ascending = self._ascending and self._bytes[-ID_BYTES:] < id_
        self._bytes += id_

    def arrange(self) -> Iterator[tuple[int, int]]:
        """Bring them into the order of the ids; tells the number of each that was there before, and that one's."""
        if self._ascending:
            self._order = range(len(self))
            return
        numbered = [self.at(number) + _NUMBER.pack(number) for number in range(len(self))]
        numbered.sort()
        self._order = array("I", (_NUMBER.unpack_from(entry, ID_BYTES)[0] for entry in numbered))
        first = None
        for entry in numbered:
            if first is not None and entry[:ID_BYTES] == first[:ID_BYTES]:
                yield _NUMBER.unpack_from(entry, ID_BYTES)[0], _NUMBER.unpack_from(first, ID_BYTES)[0]
            else:
                first = entry

    def at(self, number: int) -> bytes:
        """The id with a number."""
        return bytes(self._bytes[number * ID_BYTES : (number + 1) * ID_BYTES])

    def find(self, id_: bytes) -> int | None:
        """The number of an id."""
        index = bisect_left(self._order, id_, key=self.at)
        return self._order[index] if index < len(self._order) and self.at(self._order[index]) == id_ else None

    def numbers(self) -> Iterator[int]:
        """The numbers in the order of their ids."""
        return iter(self._order)


class PlacedIds:
    """Ids in no order, each with a place: a number, and another within that. Look-ups come after `arrange`."""

    def __init__(self) -> None:
        # By the last byte, which counts up where the first ones are a clock.
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def add(self, id_: bytes, number: int, inner: int) -> None:
        """Add an id; numbers rise."""
        self._buckets[id_[-1]] += id_ + _PLACE.pack(number, inner)

    def arrange(self) -> Iterator[tuple[bytes, tuple[int, int], tuple[int, int]]]:
        """Make look-ups possible; tells each that was there before, its place, and its first place."""
        for index, bucket in enumerate(self._buckets):
            entries = sorted(_split(bucket, _ENTRY_BYTES))
            self._buckets[index] = bytearray(b"".join(entries))
            first = b""
            for entry in entries:
                if first[:ID_BYTES] == entry[:ID_BYTES]:
                    yield entry[:ID_BYTES], _place(entry), _place(first)
                else:
                    first = entry

    def find(self, id_: bytes) -> int | None:
        """The number of an id."""
        bucket = self._buckets[id_[-1]]

        def at(index: int) -> bytes:
            return bytes(bucket[index * _ENTRY_BYTES : index * _ENTRY_BYTES + ID_BYTES])

        size = len(bucket) // _ENTRY_BYTES
        index = bisect_left(range(size), id_, key=at)
        return _place(bucket, index * _ENTRY_BYTES)[0] if index < size and at(index) == id_ else None

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        """All ids with their numbers, in no order that means something."""
        for bucket in self._buckets:
            for entry in _split(bucket, _ENTRY_BYTES):
                yield entry[:ID_BYTES], _place(entry)[0]


def _split(data: bytes | bytearray, size: int) -> Iterator[bytes]:
    return (bytes(data[start : start + size]) for start in range(0, len(data), size))


def _place(entry: bytes | bytearray, start: int = 0) -> tuple[int, int]:
    number, inner = _PLACE.unpack_from(entry, start + ID_BYTES)
    return number, inner
