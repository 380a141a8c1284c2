"""How things are said: the words for actions, impacts, times and windows, the same in every format."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from reconciler.instants import BadTime, Minute, day_text, offset_of, parse_clock, parse_known, payway_text, short_text
from reconciler.model import Source
from reconciler.plan import Plan, Window

UNKNOWN_TEXT: Final = "(none known)"
NONE_TEXT: Final = "(none)"

#: Each impact's sign and its words.
IMPACT_SIGNS: Final = MappingProxyType({"grant": "+", "extend": "+", "neutral": "~", "shorten": "-", "revoke": "-"})
IMPACT_WORDS: Final = MappingProxyType(
    {
        "grant": "grants access",
        "extend": "extends access",
        "neutral": "access stays",
        "shorten": "shortens access",
        "revoke": "takes access away",
    }
)

#: Why a call can't be undone.
_UNDO: Final = {
    "reactivate": "no call cancels a user product again",
    "subscription_number": "no call brings back an empty number",
    "sync_address": "what it overwrites isn't known here",
    "sync_subscriptions": "what it overwrites isn't known here",
    "update": "what it was before isn't known, or is nothing that a call can set",
}

#: What is asked of the reviewer when a guard refuses.
GUARD_ADVICE: Final = MappingProxyType(
    {
        "revoked": "look at the steps that take access away; if they are meant",
        "changed": "look whether the manifests are the right ones for this environment; if they are",
        "adopted": "import a newer export that holds these products; if there is none",
        "reactivated": "make sure that these readers want to come back; if they do",
        "blocked": "look into what stands under Blocked; if it can wait",
        "protected": "take protect: true off these products, or leave their access; if it shall end now",
        "stale_known": "import a newer export; if the known state is good enough",
    }
)

#: Short labels, where a field's own name is long.
_LABELS: Final = MappingProxyType(
    {
        "subscription_type": "type",
        "subscription_number": "number",
        "sync.address": "sync word",
        "sync.subscriptions": "sync word",
    }
)
_TIME_FIELDS: Final = frozenset({"valid_from", "valid_to"})


def verb(action: str) -> str:
    """An action in words."""
    words = action.replace("_", " ")
    return f"set {words}" if action == "subscription_number" else words


def field_label(field: str) -> str:
    """A field in words."""
    return _LABELS.get(field, field.replace("_", " "))


def place(source: Source) -> str:
    """``file:line``, as editors take it."""
    return f"{source.file}:{source.line}"


def minute_words(minute: Minute) -> str:
    """An instant as ``2026-12-01 00:00 UTC``."""
    text = short_text(minute)
    return f"{text[:10]} {text[11:16]} UTC"


def clock_words(text: str) -> str:
    """A clock text as ``2026-11-24 10:00 UTC``, with its seconds if there are any; anything else as it is."""
    try:
        moment = parse_clock(text)
    except BadTime:
        return text
    seconds = f":{moment.second:02d}" if moment.second else ""
    return f"{moment.year:04d}-{moment:%m-%d %H:%M}{seconds} UTC"


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 step``, ``2,000 steps``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def access_words(windows: tuple[Window, ...] | None, now: Minute) -> str:
    """Windows of access in words, as seen from ``now``: the past is over."""
    if windows is None:
        return UNKNOWN_TEXT
    left = [_window_words(window, now) for window in windows if window[1] is None or window[1] > now]
    return " and ".join(left) or "none"


def _window_words(window: Window, now: Minute) -> str:
    start, end = window
    begins = f"from {day_text(start)} " if start is not None and start > now else ""
    return begins + ("without end" if end is None else f"until {day_text(end)}")


def undo_words(action: str, *, irreversible: bool) -> str:
    """Whether a call can be undone, and if it can't, why."""
    if irreversible:
        return f"can't be undone: {_UNDO.get(action, 'no call takes it back')}"
    return "a rollback sends what was before"


def value_words(field: str, value: str, body: Mapping[str, str]) -> str:
    """A field's value; times in the offset that the manifest uses, so that old and new can be compared by eye."""
    if field not in _TIME_FIELDS:
        return value
    try:
        minute = parse_known(value)
        return payway_text(minute, offset_of(body[field])) if field in body else minute_words(minute)
    except (BadTime, ValueError, IndexError):
        return value


def known_words(plan: Plan) -> str:
    """Which known state the plan was made from."""
    known = plan.known_state
    parts = [f"serial {known.serial}"] if known.serial is not None else []
    parts += [f"lineage {known.lineage}"] if known.lineage is not None else []
    parts += [f"oldest observation {clock_words(known.oldest_observation)}"] if known.oldest_observation else []
    return ", ".join(parts) or "a snapshot that doesn't say where it comes from"


def plan_minute(plan: Plan) -> Minute:
    """The minute that the plan was made for."""
    try:
        return parse_known(plan.as_of)
    except BadTime:
        return 0
