"""Makes stand-ins from a secret key, and finds in free text what has to be replaced.

A stand-in looks like what it replaces, so that everything that shows or copies it goes on working, and yet can be told:
an id's begins with six zeros (a real one begins with the second it was made, and none was made in 1970), a number's
with ``pseudo-``. It is a keyed digest (HMAC-SHA256), so without the key nobody can try numbers until one fits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from reconciler.canonical import DIGEST_PREFIX

ID_PREFIX: Final = "000000"
NUMBER_PREFIX: Final = "pseudo-"

#: Every stand-in that this module makes. Some id of somebody else's may look like one.
STAND_IN: Final = re.compile(rf"{ID_PREFIX}[0-9a-f]{{18}}|{NUMBER_PREFIX}[0-9a-f]{{16}}|{DIGEST_PREFIX}[0-9a-f]{{64}}")

_ID: Final = re.compile(r"[0-9a-fA-F]{24}")
_RUN: Final = re.compile(r"[A-Za-z0-9_-]+")
_ALONE: Final = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{24}(?![0-9a-fA-F])")
_WORD: Final = rf"{DIGEST_PREFIX}[0-9a-f]{{64}}(?![0-9a-f])|{_RUN.pattern}"

#: A shorter number is replaced only where it stands alone: anywhere else it would take dates and counts apart.
_SHORTEST_INSIDE: Final = 5


class Pseudonyms:
    """Stand-ins under one ``key`` (32 bytes), and what has been replaced by them so far.

    Values must be learned before a text is looked through for them; ids of 24 digits are found by themselves.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._made: dict[str, str] = {}
        self._kept: set[str] = set()
        self._names: set[str] = set()
        # Learned numbers as they are looked for, by the length of what is searched; and those with other characters.
        self._inside: dict[int, dict[str, str]] = {}
        self._short: dict[str, str] = {}
        self._odd: set[str] = set()
        self._word = re.compile(_WORD)
        self._seen: dict[str, str] = {}

    @property
    def made(self) -> Mapping[str, str]:
        """Each stand-in with its original, in the order in which they were made."""
        return MappingProxyType(self._made)

    def learn(self, values: Iterable[str | None]) -> None:
        """Take ``values`` as naming readers, wherever they turn up from now on."""
        odd = len(self._odd)
        for value in values:
            if not value or value in self._names:
                continue
            self._seen.clear()
            self._names.add(value)
            if _ID.fullmatch(value):
                self._names.add(value.lower())
            if _RUN.fullmatch(value) is None:
                self._odd.add(value)
            elif len(value) >= _SHORTEST_INSIDE:
                self._inside.setdefault(len(value), {})[value.lower()] = value
            else:
                self._short[value.lower()] = value
        if len(self._odd) > odd:
            longest_first = sorted(self._odd, key=lambda value: (-len(value), value))
            self._word = re.compile("|".join([*map(re.escape, longest_first), _WORD]))

    def keep(self, product_ids: Iterable[str | None]) -> None:
        """Take ``product_ids`` as the catalogue's, which stay, unless one is learned as a reader's."""
        self._seen.clear()
        self._kept.update(value.lower() for value in product_ids if value)

    def value(self, value: str) -> str:
        """The stand-in of a whole value: an id, or a number."""
        if _ID.fullmatch(value):
            value = value.lower()
            return self._note(ID_PREFIX + self._digest("id", value)[:18], value)
        return self._note(NUMBER_PREFIX + self._digest("number", value)[:16], value)

    def maybe(self, value: str | None) -> str | None:
        """The stand-in of a value that may be missing."""
        return None if value is None else self.value(value)

    def product_id(self, value: str | None) -> str | None:
        """A product id as it is, or its stand-in if it is known as a user product's own id, too."""
        return self.value(value) if value is not None and value.lower() in self._names else value

    def digest(self, value: str) -> str:
        """The stand-in of a digest: one over few numbers would give them away to whoever tries all there are."""
        return self._note(DIGEST_PREFIX + self._digest("digest", value), value) if value else value

    def text(self, text: str) -> str:
        """``text`` with a stand-in for every value that was learned, every digest, and every id but the catalogue's.

        Stand-ins that are in it already stay.
        """
        if text not in self._seen:
            self._seen[text] = self._word.sub(lambda match: self._replaced(match[0]), text)
        return self._seen[text]

    def _replaced(self, word: str) -> str:
        if word in self._odd:
            return self.value(word)
        if word.startswith(DIGEST_PREFIX):
            return word if word in self._made else self.digest(word)
        if word.lower() in self._short:
            return self.value(word if word in self._names else self._short[word.lower()])
        pieces, at, done = [], 0, 0
        while at < len(word):
            made = STAND_IN.match(word, at)
            found = made[0] if made is not None and made[0] in self._made else self._longest(word, at)
            if found is None:
                at += 1
                continue
            pieces.append(_ALONE.sub(self._alone, word[done:at]))
            pieces.append(found if found in self._made else self.value(found))
            at = done = at + len(found)
        return "".join([*pieces, _ALONE.sub(self._alone, word[done:])])

    def _longest(self, word: str, at: int) -> str | None:
        """The longest learned value that begins at a place of a word."""
        for length in sorted(self._inside, reverse=True):
            piece = word[at : at + length]
            found = self._inside[length].get(piece.lower())
            if found is not None:
                return piece if piece in self._names else found
        return None

    def _alone(self, match: re.Match[str]) -> str:
        value = match[0].lower()
        return match[0] if value in self._kept and value not in self._names else self.value(value)

    def _digest(self, kind: str, value: str) -> str:
        # Surrogates may come from a file's name.
        data = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, data, hashlib.sha256).hexdigest()

    def _note(self, stand_in: str, value: str) -> str:
        self._made.setdefault(stand_in, value)
        return stand_in
