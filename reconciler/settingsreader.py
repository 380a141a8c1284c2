"""Reads ``reconciler.toml`` into values: checked against its schema, with every finding at once.

Nothing here asks which environment is meant; `reconciler.settings` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, Final

from reconciler.diagnostics import Diagnostic, sort_key
from reconciler.errors import InvalidInput
from reconciler.limits import ApplySettings, BadDuration, parse_duration
from reconciler.payway.auth import ClientRef, CredentialRefs
from reconciler.payway.environments import RESERVED, Environment, check_proxy, declared
from reconciler.payway.secret import CommandRef, EnvRef, FileRef, Ref
from reconciler.planning.guards import Limit
from reconciler.settingsfile import FILE_NAME, KeyPath, SettingsFile, read_settings_file

DEFAULT_PLAN_AGE: Final = 24 * 3600.0

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Layer:
    """What can be said for all environments and again for one; ``None`` and empty are unsaid."""

    manifests: tuple[str, ...] | None = None
    state: str | None = field(default=None, repr=False)
    provision_service: str | None = None
    guards: Mapping[str, Limit] = field(default_factory=lambda: _NOTHING)
    credentials: CredentialRefs = field(default_factory=CredentialRefs)


@dataclass(frozen=True, slots=True)
class Settings:
    """A ``reconciler.toml``, or the defaults if there is none (``file`` is ``None`` then).

    Ages are seconds; without ``max_age`` known state is never too old. ``environments`` holds the declared
    ones and the built-in ones that have a table. ``proxy`` is a URL or the variable that holds one.
    """

    file: SettingsFile | None = field(default=None, repr=False)
    general: Layer = field(default_factory=Layer)
    layers: Mapping[str, Layer] = field(default_factory=lambda: _NOTHING)
    environments: Mapping[str, Environment] = field(default_factory=lambda: _NOTHING)
    max_plan_age: float = DEFAULT_PLAN_AGE
    max_age: float | None = None
    apply: ApplySettings = field(default_factory=ApplySettings)
    proxy: str | EnvRef | None = None
    ca_file: str | None = None

    def environment_names(self) -> tuple[str, ...]:
        """Every name that ``--environment`` takes: the built-in ones first."""
        return (*RESERVED, *sorted(set(self.environments) - set(RESERVED)))

    def origin(self, *paths: KeyPath) -> str:
        """Where the first of ``paths`` that is said stands, else ``default``."""
        for path in paths:
            if self.file is not None and _says(self.file.data, path):
                position = self.file.position(path)
                return f"{position.file}:{position.line}"
        return "default"


def load_settings(config_path: str | None, environ: Mapping[str, str]) -> Settings:
    """The settings in ``config_path``, else in ``RECONCILER_CONFIG``, else in ``./reconciler.toml``, else the defaults.

    Raises `InvalidInput` with every finding at once. Paths in the file are taken from its folder.
    """
    name = config_path or environ.get("RECONCILER_CONFIG") or (FILE_NAME if Path(FILE_NAME).is_file() else None)
    if name is None:
        return Settings()
    file = read_settings_file(name)
    problems = _schema_problems(file)
    reader = _Reader(file, frozenset(path for path, _ in problems))
    settings = reader.settings() if not problems else None
    hosts = reader.environments()
    found = [*(problem for _, problem in problems), *reader.problems]
    if found or settings is None:
        raise InvalidInput(f"{name}: the settings can't be used", diagnostics=sorted(found, key=sort_key))
    return replace(settings, environments=hosts)


class _Reader:
    """Turns a file into values and collects what the schema can't tell: hosts, and durations without end."""

    def __init__(self, file: SettingsFile, refused: frozenset[KeyPath]) -> None:
        self.problems: list[Diagnostic] = []
        self._file = file
        self._refused = refused
        self._folder = str(PurePath(file.name).parent)

    def settings(self) -> Settings:
        """All but the environments' hosts, of a file that the schema accepts."""
        data = self._file.data
        payway = data.get("payway", _NOTHING)
        ca_file = payway.get("ca_file")
        return Settings(
            file=self._file,
            general=self._layer(data, payway),
            layers={name: self._layer(table, table) for name, table in data.get("environments", _NOTHING).items()},
            max_plan_age=self._seconds(data, ("max_plan_age",), DEFAULT_PLAN_AGE),
            max_age=self._seconds(data, ("max_age",), 0.0) if "max_age" in data else None,
            apply=self._apply(data.get("apply", _NOTHING)),
            proxy=self._proxy(payway.get("proxy")),
            ca_file=None if ca_file is None else self._path(ca_file),
        )

    def environments(self) -> dict[str, Environment]:
        """The hosts of the declared environments, as far as the schema accepts what is said of them."""
        found: dict[str, Environment] = {}
        tables = self._file.data.get("environments")
        for name, table in tables.items() if isinstance(tables, dict) else ():
            path: KeyPath = ("environments", name)
            said = {key: table.get(key) for key in ("base_url", "like")} if isinstance(table, dict) else {}
            if path in self._refused or any((*path, key) in self._refused for key in said):
                continue
            try:
                found[name] = declared(name, base_url=said.get("base_url"), like=said.get("like"))
            except InvalidInput as error:
                key = next((key for key in said if said[key] is not None), None)
                self.problems.append(self._file.problem((*path, key) if key else path, error.message, error.hint))
        return found

    def _layer(self, table: Mapping[str, Any], secrets: Mapping[str, Any]) -> Layer:
        manifests, state = table.get("manifests"), table.get("state")
        token, client = secrets.get("token"), secrets.get("client")
        return Layer(
            manifests=None if manifests is None else tuple(map(self._path, manifests)),
            state=None if state is None else self._store(state),
            provision_service=secrets.get("provision_service"),
            guards={name: _limit(value) for name, value in table.get("guards", _NOTHING).items()},
            credentials=CredentialRefs(
                token=None if token is None else self._reference(token),
                client=None if client is None else self._client(client),
            ),
        )

    def _apply(self, table: Mapping[str, Any]) -> ApplySettings:
        defaults = ApplySettings()
        times = ("max_wait", "cool_down", "call_deadline", "connect_timeout")
        delays = table.get("delays", defaults.delays)
        # TOML's 4.0 is a whole number to the schema.
        said: dict[str, Any] = {
            key: value if isinstance(value, bool) else int(value)
            for key, value in table.items()
            if key not in (*times, "delays")
        }
        said |= {key: self._seconds(table, ("apply", key), getattr(defaults, key)) for key in times}
        said["delays"] = tuple(self._seconds(delays, ("apply", "delays", index), 0.0) for index in range(len(delays)))
        return replace(defaults, **said)

    def _seconds(self, table: Any, path: KeyPath, default: float) -> float:
        from reconciler.validation import path_text

        key = path[-1]
        if isinstance(table, Mapping) and key not in table:
            return default
        try:
            return parse_duration(table[key])
        except BadDuration as error:
            self.problems.append(self._file.problem(path, f"{path_text(path)}: {error}"))
            return default

    def _proxy(self, value: str | Mapping[str, str] | None) -> str | EnvRef | None:
        if value is None or isinstance(value, Mapping):
            return None if value is None else EnvRef(value["env"])
        try:
            return check_proxy(value, "payway.proxy", may_hold_password=False)
        except InvalidInput as error:
            self.problems.append(self._file.problem(("payway", "proxy"), error.message, error.hint))
            return None

    def _client(self, table: Mapping[str, Any]) -> ClientRef:
        identity = table["id"]
        named = identity if isinstance(identity, str) else self._reference(identity)
        return ClientRef(named, self._reference(table["secret"]))

    def _reference(self, table: Mapping[str, Any]) -> Ref:
        if "env" in table:
            return EnvRef(table["env"])
        return FileRef(self._path(table["file"])) if "file" in table else CommandRef(tuple(table["command"]))

    def _path(self, text: str) -> str:
        """``text`` from the working folder rather than from the file's."""
        path = Path(text).expanduser() if text.startswith("~") else PurePath(text)
        if self._folder == "." or path.is_absolute() or text == "-":
            return text if not text.startswith("~") else str(path)
        return str(PurePath(self._folder) / path)

    def _store(self, url: str) -> str:
        for scheme in ("sqlite:///", "file:"):
            if url.startswith(scheme) and len(url) > len(scheme):
                return scheme + self._path(url.removeprefix(scheme))
        return url


def _schema_problems(file: SettingsFile) -> list[tuple[KeyPath, Diagnostic]]:
    """What the schema refuses, each with the path of its value."""
    from reconciler.predicates import accepts

    if accepts("config")(file.data):
        return []
    from reconciler.validation import findings, path_text

    problems = []
    for finding in findings("config", file.data):
        near_secret = any(part in ("token", "client", "proxy") for part in finding.path)
        # A secret written where its reference belongs isn't repeated.
        hidden = near_secret and finding.rule == "bad-pattern"
        text = "hasn't the form that is needed here" if hidden else finding.text
        # Hints about types speak of YAML.
        hint = None if finding.rule == "wrong-type" else finding.hint
        problems.append((finding.path, file.problem(finding.path, f"{path_text(finding.path)}: {text}", hint)))
    return problems


def _limit(value: Any) -> Limit:
    """A limit as the guards take it: TOML's ``10.0`` is a whole number to the schema, but not to them."""
    if isinstance(value, list):
        return [one if isinstance(one, str) else int(one) for one in value]
    return value if isinstance(value, str) else int(value)


def _says(data: Mapping[str, Any], path: KeyPath) -> bool:
    value: Any = data
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True
