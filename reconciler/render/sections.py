"""A text of sections that keeps to a budget of characters, for comments: GitHub and GitLab cut or refuse longer ones.

What doesn't fit is left out by whole items, the least important kinds first, and the text says how many of which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from reconciler.render.words import counted

#: Characters of a whole text. A comment on GitHub may hold 65,536.
BUDGET: Final = 60_000

#: Room that is kept for the sentence about what was left out.
_NOTE: Final = 600


@dataclass(frozen=True, slots=True)
class Section:
    """Items of one kind under a heading, with ``ending`` below the last.

    ``rank`` says which kinds get their room first, ``share`` how many characters a kind gets at most.
    """

    name: str
    rank: int
    heading: str
    items: Iterable[Any]
    render: Callable[[Any], str]
    share: int = BUDGET
    ending: str = ""


def assemble(head: str, sections: Iterable[Section], foot: str, *, budget: int, whole: str) -> str:
    """``head``, the sections in their order as far as there is room, and ``foot``; at most ``budget`` characters.

    ``whole`` says where the rest can be read.
    """
    found = list(sections)
    room = budget - len(head) - len(foot) - _NOTE
    texts: dict[int, str] = {}
    left_out: list[str] = []
    for index in sorted(range(len(found)), key=lambda index: found[index].rank):
        text, missing, total = _fill(found[index], min(room, found[index].share))
        texts[index] = text
        room -= len(text)
        if missing:
            left_out.append(f"{missing:,} of {counted(total, found[index].name)}")
    note = f"**Left out for length:** {', '.join(left_out)}. {whole}\n\n" if left_out else ""
    return head + "".join(texts[index] for index in range(len(found))) + note + foot


def _fill(section: Section, room: int) -> tuple[str, int, int]:
    """The section's text as far as there is room, how many items are missing, and how many there are."""
    parts = [f"{section.heading}\n\n"] if section.heading else []
    used = sum(map(len, parts)) + len(section.ending) + 1
    taken = total = 0
    full = False
    for item in section.items:
        total += 1
        if full:
            continue
        text = section.render(item)
        if used + len(text) > room:
            full = True
            continue
        parts.append(text)
        used += len(text)
        taken += 1
    return ("".join(parts) + section.ending + "\n" if taken else ""), total - taken, total
