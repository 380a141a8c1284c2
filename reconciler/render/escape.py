"""Make hostile text harmless, once for each place it is shown in.

Owners, labels, request words, file names and what Payway answers come from strangers. Whatever they hold,
a value stays on its line, moves no cursor, reverses no text, pings nobody and gives no order to a CI runner.
`visible` and `terminal` leave their own results as they are, so text that was escaped before stays readable.
"""

from __future__ import annotations

import html
import re
from typing import Final
from urllib.parse import quote

# Printable for Unicode, yet nothing is seen of them: fillers, joiners and variation selectors.
_INVISIBLE: Final = r"\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
_HIDDEN: Final = re.compile(f"[{_INVISIBLE}]")

# A CI runner takes orders from the output: `::name` at the start of a line, `##[name` and `##vso[name` anywhere.
_ORDER: Final = re.compile(r":(?=:[A-Za-z])|#(?=#[A-Za-z]*\[)")

#: Characters of a value in Markdown: a comment has room for few of them.
_LONGEST: Final = 500

_BACKTICKS: Final = re.compile(r"`+")
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(value: str) -> str:
    r"""``value`` with every character that acts, hides or breaks a line written out, such as ``\u202e``.

    That is all that Unicode calls a control, format, private or unassigned character, a separator other
    than the plain space, a lone surrogate, or an ignorable one.
    """
    if value.isprintable() and (value.isascii() or not _HIDDEN.search(value)):
        return value
    return "".join(c if c.isprintable() and not _HIDDEN.match(c) else _written(c) for c in value)


def terminal(value: str) -> str:
    """``value`` for a terminal or a CI log: `copyable`, but runs of spaces become one.

    So no value can lay out columns of its own.
    """
    if value.isascii() and value.isprintable() and "::" not in value and "##" not in value and "  " not in value:
        return value  # as most are: nothing of what is done below would change it
    text = copyable(value)
    return re.sub(r" {2,}", " ", text) if "  " in text else text


def copyable(value: str) -> str:
    """``value``, such as a command, for a terminal or a CI log: `visible`, and no order to a runner."""
    text = visible(value)
    if "::" not in text and "##" not in text:
        return text
    return _ORDER.sub(lambda match: rf"\x{ord(match[0]):02x}", text)


def code(value: str) -> str:
    """``value`` as a Markdown code span, whose fence is longer than any run of backticks in it.

    Nothing inside is markup, a mention, a reference or HTML. A value that is very long is cut.
    """
    text = terminal(_cut(value)).strip(" ")
    if not text:
        return "(empty)"
    fence = _fence(text, 1)
    pad = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(value: str) -> str:
    """``value`` as a code span inside a Markdown table, where a pipe would end the cell."""
    return code(value).replace("|", r"\|")


def fenced(value: str) -> str:
    """``value``, one line to be copied, as a Markdown block of code."""
    text = copyable(value)
    fence = _fence(text, 3)
    return f"{fence}\n{text}\n{fence}"


def html_code(value: str) -> str:
    """``value`` as a ``<code>`` element, for Markdown's HTML blocks. Nobody is mentioned from inside one."""
    return f"<code>{html.escape(terminal(_cut(value)))}</code>"


def comment(value: str) -> str:
    """``value`` for a place inside an HTML comment, which two hyphens would end."""
    return quote(value, safe="", errors="replace").replace("--", "%2D%2D")


def command_message(value: str) -> str:
    """``value`` as the message of a GitHub workflow command."""
    return visible(value).replace("%", "%25")


def command_property(value: str) -> str:
    """``value`` as a property (``file``, ``title``) of a GitHub workflow command."""
    return command_message(value).replace(":", "%3A").replace(",", "%2C")


def _cut(value: str) -> str:
    return value if len(value) <= _LONGEST else value[:_LONGEST] + "…"


def _fence(text: str, at_least: int) -> str:
    return "`" * max(at_least, max((len(run) for run in _BACKTICKS.findall(text)), default=0) + 1)


def _written(character: str) -> str:
    short = _SHORT.get(character)
    if short is not None:
        return short
    point = ord(character)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
