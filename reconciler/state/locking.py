"""What a person reads when the lock is in the way: who holds it, since when, and how to get on."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from reconciler.errors import Locked
from reconciler.instants import BadTime, parse_clock
from reconciler.state.store import Holder, Lock


def held(lock: Lock) -> Locked:
    """The refusal for somebody who wants a lock that ``lock`` holds. It never expires by itself."""
    holder = lock.holder
    message = f"the state store is locked by {holder.who} on {holder.host}, process {holder.process}{_age(holder)}"
    details = [f"lock id: {holder.lock_id}", f"command: {holder.command}"]
    if holder.ci_url is not None:
        details.append(f"CI run: {holder.ci_url}")
    unlock = f"`reconciler unlock {holder.lock_id}`"
    if is_gone(holder):
        hint = f"process {holder.process} isn't running on this host any more: take the lock away with {unlock}"
    else:
        hint = f"wait until it is done; only if you know that it is dead, take the lock away with {unlock}"
    return Locked(message, hint=hint, details=details)


def lost(ours: Lock, present: Lock | None) -> Locked:
    """The refusal for a holder whose lock was taken away: it must not send another call."""
    details = [] if present is None else [f"now held by {present.holder.who} on {present.holder.host}"]
    return Locked(
        f"our lock {ours.holder.lock_id} was taken away, so nothing more is written or sent",
        hint="somebody ran `reconciler unlock`; look at `reconciler runs list` before going on",
        details=details,
    )


def not_holding(lock_id: str, present: Lock | None) -> Locked:
    """The refusal for ``unlock`` with an id that isn't the holder's."""
    if present is None:
        return Locked(f"nobody holds the lock, so {lock_id!r} can't be taken away", hint="there is nothing to unlock")
    refusal = held(present)
    return Locked(
        f"{lock_id!r} isn't the id of the lock: {refusal.message}", hint=refusal.hint, details=refusal.details
    )


def is_gone(holder: Holder) -> bool:
    """True if the holder ran on this host and its process doesn't exist any more."""
    import socket

    if os.name != "posix" or holder.process <= 0 or holder.host != socket.gethostname():
        return False
    try:
        os.kill(holder.process, 0)  # signal 0 only asks whether the process is there
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _age(holder: Holder) -> str:
    try:
        age = datetime.now(UTC) - parse_clock(holder.started_at)
    except BadTime:
        return ""
    minutes = max(age, timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(minutes, 60)
    spoken = f"{hours} h {rest} min" if hours else f"{rest} min"
    return f", since {holder.started_at} ({spoken})"
