"""Settings: what ``reconciler.toml`` says, and what holds in the end for one environment.

A flag goes before its ``RECONCILER_`` variable, that before ``reconciler.toml``, that before the default
(contract, section 5). Each value keeps where it came from, for ``config show --origin``. Credentials are
only located here, never looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from reconciler.errors import InvalidInput, UsageError
from reconciler.limits import ApplySettings, duration_text
from reconciler.payway.auth import Credentials, find_credentials
from reconciler.payway.environments import (
    Environment,
    builtin,
    check_proxy,
    is_loopback,
    nearest,
    with_base_url,
)
from reconciler.planning.guards import DEFAULTS as GUARD_DEFAULTS
from reconciler.planning.guards import Limit
from reconciler.settingsfile import KeyPath
from reconciler.settingsreader import Layer, Settings, load_settings

DEFAULT_MANIFESTS: Final = ("manifests",)
__all__ = [
    "DEFAULT_MANIFESTS",
    "EnvironmentSettings",
    "Explained",
    "Layer",
    "Settings",
    "choose_environment",
    "explain",
    "load_settings",
    "resolve",
    "without_password",
]


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    """What holds for one environment. ``guards`` are as written; unsaid ones have the planner's defaults.

    ``origins`` says for each name of `explain` where its value came from. ``proxy`` may hold a password.
    """

    environment: Environment
    manifests: tuple[str, ...]
    state: str = field(repr=False)
    provision_service: str | None
    guards: Mapping[str, Limit]
    max_plan_age: float
    max_age: float | None
    apply: ApplySettings
    credentials: Credentials
    proxy: str | None = field(repr=False)
    ca_file: str | None
    origins: Mapping[str, str] = field(repr=False)

    @property
    def state_is_default(self) -> bool:
        """True if nobody named a store: under ``CI=true`` that file would vanish with the runner."""
        return self.origins["state"] == "default"


class Explained(NamedTuple):
    """One setting for people: its value as text, without any secret, and what decided it."""

    name: str
    value: str
    origin: str


def choose_environment(said: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """The environment's name and what named it: the flag or ``RECONCILER_ENVIRONMENT``.

    Raises `UsageError` if neither does: there is no default.
    """
    if said:
        return said, "flag --environment"
    name = environ.get("RECONCILER_ENVIRONMENT")
    if not name:
        raise UsageError("no environment is named", hint="add -e stage, or set RECONCILER_ENVIRONMENT")
    return name, "variable RECONCILER_ENVIRONMENT"


def resolve(
    settings: Settings,
    name: str,
    environ: Mapping[str, str],
    *,
    named_by: str = "flag --environment",
    manifests: tuple[str, ...] = (),
    state: str | None = None,
    base_url: str | None = None,
    max_failures: int | None = None,
) -> EnvironmentSettings:
    """What holds for the environment ``name``, its table merged over the top of the file.

    The keywords are what the command line said; ``named_by`` is the origin that `choose_environment` gave.
    Raises `UsageError` for a name that nobody declared or a flag that can't be, `InvalidInput` for a
    variable of the configuration that can't be.
    """
    environment = _environment(settings, name, base_url)
    own, general = settings.layers.get(name, Layer()), settings.general
    credentials = find_credentials(name, environ, own=own.credentials, general=general.credentials)
    chosen_state, state_origin = _first(
        (state, "flag --state"),
        (environ.get("RECONCILER_STATE"), "variable RECONCILER_STATE"),
        (own.state or general.state, settings.origin(("environments", name, "state"), ("state",))),
    )
    failures, failures_origin = _first(
        (max_failures, "flag --max-failures"),
        (_whole_number(environ, "RECONCILER_MAX_FAILURES"), "variable RECONCILER_MAX_FAILURES"),
        (settings.apply.max_failures, settings.origin(("apply", "max_failures"))),
    )
    origins = _origins(settings, name)
    origins |= {"environment": named_by, "state": state_origin, "apply.max_failures": failures_origin}
    origins["credentials"] = _credentials_origin(settings, name, credentials)
    if manifests:
        origins["manifests"] = "arguments"
    if base_url is not None:
        origins["host"] = "flag --base-url"
    return EnvironmentSettings(
        environment=environment,
        manifests=manifests or own.manifests or general.manifests or DEFAULT_MANIFESTS,
        state=chosen_state or f"sqlite:///.reconciler/{name}.db",
        provision_service=own.provision_service or general.provision_service,
        guards=MappingProxyType({**general.guards, **own.guards}),
        max_plan_age=settings.max_plan_age,
        max_age=settings.max_age,
        apply=replace(settings.apply, max_failures=failures),
        credentials=credentials,
        proxy=_proxy(settings, environment, environ),
        ca_file=settings.ca_file,
        origins=MappingProxyType(origins),
    )


def explain(resolved: EnvironmentSettings) -> list[Explained]:
    """Every setting with its value and what decided it, for ``config show``; no secret is looked up or shown."""
    values: dict[str, str] = {
        "environment": resolved.environment.name,
        "host": resolved.environment.host,
        "manifests": " ".join(resolved.manifests),
        "state": without_password(resolved.state),
        "provision_service": resolved.provision_service or "not set",
        "credentials": resolved.credentials.describe(),
        "proxy": without_password(resolved.proxy) if resolved.proxy else "none",
        "ca_file": resolved.ca_file or "none",
        "max_plan_age": duration_text(resolved.max_plan_age),
        "max_age": duration_text(resolved.max_age) if resolved.max_age is not None else "off",
    }
    for guard, default in GUARD_DEFAULTS.items():
        values[f"guards.{guard}"] = _limit_text(resolved.guards.get(guard, default))
    for setting in fields(ApplySettings):
        values[f"apply.{setting.name}"] = _apply_text(getattr(resolved.apply, setting.name))
    return [Explained(name, value, resolved.origins[name]) for name, value in values.items()]


def without_password(url: str) -> str:
    """``url`` with ``…`` where a password stands, in its authority or its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    if parts.netloc and "@" in parts.path + parts.query + parts.fragment:
        # Some character before it should have been escaped, so what looks like the host may be the password.
        return f"{parts.scheme}://…"
    user, at, place = parts.netloc.rpartition("@")
    authority = f"{user.partition(':')[0]}:…@{place}" if at and ":" in user else parts.netloc
    shown = url.replace(parts.netloc, authority, 1) if parts.netloc else url
    return shown.partition("?")[0] + "?…" if "password" in parts.query.lower() else shown


def _environment(settings: Settings, name: str, base_url: str | None) -> Environment:
    environment = settings.environments.get(name) or builtin(name)
    if environment is None:
        near = nearest(name, settings.environment_names())
        raise UsageError(
            f"there is no environment {name!r}" + (f"; did you mean {near!r}?" if near else ""),
            hint=f"environments are {', '.join(settings.environment_names())};"
            " others are declared in reconciler.toml as [environments.NAME]",
        )
    if base_url is None:
        return environment
    try:
        return with_base_url(environment, base_url)
    except InvalidInput as error:
        raise UsageError(error.message, hint=error.hint) from None


def _proxy(settings: Settings, environment: Environment, environ: Mapping[str, str]) -> str | None:
    if settings.proxy is None or environment.embedded or is_loopback(environment.base_url):
        return None
    if isinstance(settings.proxy, str):
        return settings.proxy
    text = environ.get(settings.proxy.name, "").strip()
    return check_proxy(text, f"the variable {settings.proxy.name}", may_hold_password=True) if text else None


def _first(*said: tuple[Any, str]) -> tuple[Any, str]:
    """The first value that somebody gave, with its origin."""
    return next(((value, origin) for value, origin in said if value not in (None, "")), (None, "default"))


def _whole_number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    if re.fullmatch(r"[1-9][0-9]{0,8}", text) is None:
        raise UsageError(f"the variable {name} must be a whole number over zero, not {text!r}")
    return int(text)


def _origins(settings: Settings, name: str) -> dict[str, str]:
    """Where the file decides, for every setting; what flags and variables decide comes on top."""
    table: KeyPath = ("environments", name)
    places: dict[str, tuple[KeyPath, ...]] = {
        "host": ((*table, "base_url"), (*table, "like")),
        "manifests": ((*table, "manifests"), ("manifests",)),
        "provision_service": ((*table, "provision_service"), ("payway", "provision_service")),
        "proxy": (("payway", "proxy"),),
        "ca_file": (("payway", "ca_file"),),
        "max_plan_age": (("max_plan_age",),),
        "max_age": (("max_age",),),
        **{f"guards.{guard}": ((*table, "guards", guard), ("guards", guard)) for guard in GUARD_DEFAULTS},
        **{f"apply.{setting.name}": (("apply", setting.name),) for setting in fields(ApplySettings)},
    }
    return {setting: settings.origin(*paths) for setting, paths in places.items()}


def _credentials_origin(settings: Settings, name: str, credentials: Credentials) -> str:
    tables: dict[str, KeyPath] = {"own": ("environments", name), "general": ("payway",)}
    table = tables.get(credentials.found)
    if table is None:
        return "variable" if credentials.found == "variable" else "default"
    return settings.origin((*table, "token"), (*table, "client"))


def _limit_text(limit: Limit) -> str:
    return ", ".join(map(str, limit)) if isinstance(limit, list) else str(limit)


def _apply_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(map(duration_text, value))
    return duration_text(value) if isinstance(value, float) else str(value)
