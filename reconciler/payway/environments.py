"""Environments: which Payway a command means, and the rules for its base URL.

The two built-in hosts stand on all five vendor pages. A base URL is scheme, host and port alone, and one
text for one host, so that a plan for another host can be told by comparing (contract, sections 5 and 8).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from reconciler.errors import InvalidInput

Kind: TypeAlias = Literal["builtin", "declared", "simulator"]

BUILTIN_HOSTS: Final = MappingProxyType(
    {
        "stage": "https://payway-api.stage.adeprimo.se",
        "production": "https://backend.worldoftulo.com",
    }
)

SIMULATOR: Final = "simulator"

#: What plans record as the host of the embedded simulator. No URL can read like this.
SIMULATOR_HOST: Final = "simulator:"

#: Names that no configuration can declare anew.
RESERVED: Final = (*BUILTIN_HOSTS, SIMULATOR)

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_PORTS: Final = {"http": 80, "https": 443}
_URL_HINT: Final = "write scheme, host and port alone, as in https://payway.example.com or http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Environment:
    """One Payway to talk to: ``base_url`` is normalised, or `SIMULATOR_HOST` for the embedded one.

    ``like`` names the built-in host that a declared environment shares.
    """

    name: str
    base_url: str
    kind: Kind
    like: str | None = None

    @property
    def host(self) -> str:
        """What plans record, and what makes a plan foreign when it differs."""
        return self.base_url

    @property
    def embedded(self) -> bool:
        """True if nothing goes over a network."""
        return self.base_url == SIMULATOR_HOST


def builtin(name: str) -> Environment | None:
    """The environment that needs no declaration, if ``name`` is one."""
    if name == SIMULATOR:
        return Environment(SIMULATOR, SIMULATOR_HOST, "simulator")
    if name in BUILTIN_HOSTS:
        return Environment(name, BUILTIN_HOSTS[name], "builtin")
    return None


def declared(name: str, *, base_url: str | None, like: str | None) -> Environment:
    """The environment of an ``[environments.NAME]`` table. Raises `InvalidInput` if it says nothing usable."""
    check_name(name)
    known = builtin(name)
    if known is not None:
        if base_url is not None or like is not None:
            raise InvalidInput(
                f"environment {name!r} is built in: its host can't be redefined",
                hint=f"give it another name, as in [environments.my-{name}]",
            )
        return known
    if base_url is not None and like is not None:
        raise InvalidInput(
            f"environment {name!r} has both base_url and like", hint="keep the one that says which host it is"
        )
    if like is not None:
        if like not in BUILTIN_HOSTS:
            raise InvalidInput(
                f"environment {name!r} is like {like!r}, which isn't built in",
                hint=f"like takes {' or '.join(map(repr, BUILTIN_HOSTS))}",
            )
        return Environment(name, BUILTIN_HOSTS[like], "declared", like)
    if base_url is None:
        raise InvalidInput(
            f"environment {name!r} has neither base_url nor like",
            hint='add like = "production", or base_url = "https://…"',
        )
    return Environment(name, normalise_base_url(base_url), "declared")


def with_base_url(environment: Environment, base_url: str) -> Environment:
    """``environment`` at the host that ``--base-url`` says.

    A built-in environment takes only a loopback host, so that no flag sends its token elsewhere; the
    embedded simulator takes none. Raises `InvalidInput`.
    """
    url = normalise_base_url(base_url)
    if environment.embedded:
        raise InvalidInput(
            "the simulator environment is in process and has no base URL",
            hint="for a simulator on a port, use -e stage --base-url http://127.0.0.1:PORT",
        )
    shares_builtin_host = environment.kind == "builtin" or environment.like is not None
    if shares_builtin_host and not is_loopback(url):
        raise InvalidInput(
            f"--base-url of {environment.name!r} takes only a loopback host, not {url}",
            hint="declare an environment for another host: [environments.NAME] with base_url in reconciler.toml",
        )
    return Environment(environment.name, url, environment.kind, environment.like)


def check_name(name: str) -> None:
    """Raise `InvalidInput` unless ``name`` can name an environment (it becomes a file and a variable name)."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} can't name an environment",
            hint="take a lower-case letter, then up to 40 lower-case letters, digits and hyphens",
        )


def nearest(word: str, words: Collection[str]) -> str | None:
    """The one of ``words`` that was probably meant."""
    from difflib import get_close_matches

    found = get_close_matches(word, sorted(words), n=1, cutoff=0.6)
    return found[0] if found else None


def normalise_base_url(text: str) -> str:
    """``text`` as the one way to write that base URL: lower case, no default port, no trailing slash.

    Raises `InvalidInput` for anything but scheme, host and port, and for ``http:`` to another machine.
    """
    # urlsplit drops tabs and newlines and forgets empty queries, so those are looked for in the text.
    if not text.isascii() or not text.isprintable() or any(sign in text for sign in " \\<>\"'`{}|^"):
        raise _bad_url(text, "has characters that no base URL has")
    if "@" in text:
        # Not shown: what stands before the @ may be a password.
        raise InvalidInput("the base URL holds user information", hint=_URL_HINT)
    if "?" in text or "#" in text:
        raise _bad_url(text, "has a query or fragment")
    try:
        parts = urlsplit(text)
        port = parts.port
        host = parts.hostname
    except ValueError as error:
        raise _bad_url(text, f"can't be read ({error})") from None
    if parts.scheme not in _PORTS:
        raise _bad_url(text, "doesn't begin with https:// (or http:// to loopback)")
    if not host:
        raise _bad_url(text, "has no host")
    if parts.path not in ("", "/"):
        raise _bad_url(text, "has a path")
    if port == 0 or parts.netloc.endswith(":"):
        raise _bad_url(text, "has no usable port")
    name = _normalise_host(text, host)
    if parts.scheme == "http" and not _is_loopback_host(host):
        raise InvalidInput(f"base URL {text!r} isn't encrypted", hint="http:// is only for loopback; use https://")
    suffix = "" if port is None or port == _PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{name}{suffix}"


def check_proxy(text: str, origin: str, *, may_hold_password: bool) -> str:
    """``text`` as the URL of a proxy. Raises `InvalidInput`, which doesn't show it: it may hold a password."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isascii() or not text.isprintable() or parts.path not in ("", "/"):
        raise InvalidInput(f"{origin} is no proxy URL", hint="write http://HOST:PORT")
    if parts.query or parts.fragment:
        raise InvalidInput(f"{origin} is no proxy URL", hint="write http://HOST:PORT, without query or fragment")
    if "@" in text and not may_hold_password:
        raise InvalidInput(
            f"{origin} holds a user or password", hint='keep the URL in a variable, and write proxy = {env = "NAME"}'
        )
    return text.rstrip("/")


def is_loopback(base_url: str) -> bool:
    """True if a normalised base URL never leaves this machine."""
    host = urlsplit(base_url).hostname
    return host is not None and _is_loopback_host(host)


def _normalise_host(text: str, host: str) -> str:
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise _bad_url(text, "has no such IPv6 address") from None
        if address.scope_id is not None:
            raise _bad_url(text, "has an address with a zone")
        return f"[{address.compressed}]"
    labels = host.split(".")
    # 127.1, 0x7f.1 and 2130706433 are addresses to some programs and names to others.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise _bad_url(text, "has no such IPv4 address") from None
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _bad_url(text, "has no such host name")
    return host


def _is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.IPv4Network("127.0.0.0/8")
    return address == ipaddress.IPv6Address("::1")


def _bad_url(text: str, why: str) -> InvalidInput:
    return InvalidInput(f"base URL {text!r} {why}", hint=_URL_HINT)
