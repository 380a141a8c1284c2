"""Credentials: where a token comes from, fetched when it is needed and shown nowhere.

A token is given (variable, file or command), or fetched with client credentials from the environment's own
host and renewed a little before it ends (design page "Around the five", a fact of other vendor pages that
was never tried here). Nothing is resolved by making a `Credentials`: only by asking it for a token.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from reconciler.errors import Unreachable
from reconciler.payway.secret import EnvRef, Ref, Secret, usable

if TYPE_CHECKING:
    from reconciler.wire import Answer

TOKEN_PATH: Final = "/api/authorization/access_token"  # noqa: S105 - a path, not a password
GRANT_TYPE: Final = "none"

TOKEN_VARIABLE: Final = "PAYWAY_TOKEN"  # noqa: S105 - a variable's name
CLIENT_ID_VARIABLE: Final = "PAYWAY_CLIENT_ID"
CLIENT_SECRET_VARIABLE: Final = "PAYWAY_CLIENT_SECRET"  # noqa: S105 - a variable's name

#: A fetched token is renewed this many seconds before it ends, or after nine tenths of a short life.
RENEWAL_MARGIN: Final = 60.0

_OAUTH_ERROR: Final = re.compile(r"[a-z_]{1,40}")

#: Posts form fields to a path of the environment's own host. Raises `CallFailed`.
PostForm: TypeAlias = "Callable[[str, Mapping[str, str]], Answer]"


@dataclass(frozen=True, slots=True)
class ClientRef:
    """Client credentials: ``client_id`` is a reference, or the id itself, which is no secret."""

    client_id: Ref | str
    client_secret: Ref

    def describe(self) -> str:
        """Where both are, without them."""
        identity = "a fixed id" if isinstance(self.client_id, str) else self.client_id.describe()
        return f"{identity} and {self.client_secret.describe()}"


@dataclass(frozen=True, slots=True)
class CredentialRefs:
    """What one level of the configuration says of credentials. A token comes before client credentials."""

    token: Ref | None = None
    client: ClientRef | None = None


class Source(Protocol):
    """One way to a token."""

    def describe(self) -> str:
        """Where the token would come from, without it."""
        ...

    def references(self) -> tuple[Ref, ...]:
        """Where the secrets are that it needs."""
        ...

    def get(self, post: PostForm, scopes: Sequence[str]) -> Secret:
        """The token. Raises `Unreachable`, or `CallFailed` if the network was in the way."""
        ...

    def renew(self) -> bool:
        """Throw the token away; False if no other can be had. Raises `Unreachable`."""
        ...


class GivenToken:
    """A token that somebody else made."""

    def __init__(self, ref: Ref, environ: Mapping[str, str]) -> None:
        self._ref = ref
        self._environ = environ
        self._token: Secret | None = None

    def describe(self) -> str:
        """Where the token would come from, without it."""
        return f"token from {self._ref.describe()}"

    def references(self) -> tuple[Ref, ...]:
        """Where the token is."""
        return (self._ref,)

    def get(self, post: PostForm, scopes: Sequence[str]) -> Secret:
        """The token, looked up once."""
        if self._token is None:
            self._token = self._ref.resolve(self._environ)
        return self._token

    def renew(self) -> bool:
        """Look again: a file or command may hold a newer token by now, a variable can't."""
        if isinstance(self._ref, EnvRef):
            return False
        old, self._token = self._token, self._ref.resolve(self._environ)
        return old is None or not self._token.same(old)


class FetchedToken:
    """A token fetched with client credentials; ``clock`` counts seconds and never goes back."""

    def __init__(self, ref: ClientRef, environ: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._ref = ref
        self._environ = environ
        self._clock = clock
        self._token: Secret | None = None
        self._scopes: tuple[str, ...] = ()
        self._renew_at = 0.0

    def describe(self) -> str:
        """Where the token would come from, without it."""
        return f"client credentials from {self._ref.describe()}"

    def references(self) -> tuple[Ref, ...]:
        """Where the id (unless it is written out) and the secret are."""
        named = () if isinstance(self._ref.client_id, str) else (self._ref.client_id,)
        return (*named, self._ref.client_secret)

    def get(self, post: PostForm, scopes: Sequence[str]) -> Secret:
        """The token in hand, or a fresh one when it is about to end or was asked for other scopes."""
        token = self._token
        if token is None or self._clock() >= self._renew_at or self._scopes != tuple(scopes):
            asked_at = self._clock()
            token, lifetime = self._fetch(post, scopes)
            self._token, self._scopes = token, tuple(scopes)
            self._renew_at = asked_at + lifetime - min(RENEWAL_MARGIN, lifetime / 10)
        return token

    def renew(self) -> bool:
        """Throw the token away; the next `get` fetches another."""
        self._token = None
        return True

    def _fetch(self, post: PostForm, scopes: Sequence[str]) -> tuple[Secret, float]:
        from reconciler.wire import CallFailed, Phase

        identity = self._ref.client_id
        client_id = usable(identity, "the client id") if isinstance(identity, str) else identity.resolve(self._environ)
        client_secret = self._ref.client_secret.resolve(self._environ)
        form = {
            "client_id": client_id.reveal(),
            "client_secret": client_secret.reveal(),
            "grant_type": GRANT_TYPE,
            "scope": " ".join(scopes),
        }
        try:
            answer = post(TOKEN_PATH, form)
        except CallFailed as failure:
            # Whatever happened to the request for a token, the call that needs it was surely not sent.
            raise CallFailed(failure.kind, Phase.NOT_SENT, "while a token was fetched") from None
        return read_token_answer(answer, scopes)


#: Where credentials can be named.
Found: TypeAlias = Literal["variable", "own", "general", "nowhere"]


class Credentials:
    """The credentials of one environment, resolved when a token is first asked for.

    ``source`` is ``None`` when there are none; ``problem`` and ``hint`` then say what to set. ``found``
    tells where they are named: in a ``variable``, in the environment's ``own`` table, in the ``general``
    one, or ``nowhere``.
    """

    def __init__(self, source: Source | None, found: Found, *, problem: str = "", hint: str = "") -> None:
        self._source = source
        self.found = found
        self._problem = problem
        self._hint = hint

    def __repr__(self) -> str:
        return f"Credentials({self.describe()})"

    def describe(self) -> str:
        """Where the token would come from, without looking and without showing it."""
        return self._source.describe() if self._source else f"none: {self._problem}"

    def references(self) -> tuple[Ref, ...]:
        """Where the secrets are, none of them looked up. Raises `Unreachable` as `require` does."""
        if self._source is None:
            raise Unreachable(self._problem, hint=self._hint)
        return self._source.references()

    @property
    def present(self) -> bool:
        """True if there is a place to take a token from (which may turn out empty)."""
        return self._source is not None

    def require(self) -> None:
        """Raise `Unreachable` unless there is a place to take a token from; nothing is looked up."""
        if self._source is None:
            raise Unreachable(self._problem, hint=self._hint)

    def token(self, post: PostForm, scopes: Sequence[str]) -> Secret:
        """A token that is good now. Raises `Unreachable`, or `CallFailed` with nothing sent."""
        if self._source is None:
            raise Unreachable(self._problem, hint=self._hint)
        return self._source.get(post, scopes)

    def renew(self) -> bool:
        """Throw the token away; False if no other can be had. Raises `Unreachable`."""
        return self._source is not None and self._source.renew()


def find_credentials(
    environment: str,
    environ: Mapping[str, str],
    *,
    own: CredentialRefs | None = None,
    general: CredentialRefs | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Credentials:
    """Where the credentials of ``environment`` are.

    ``own`` is what its table in the configuration says, ``general`` what ``[payway]`` says. What is meant
    for this environment comes before what is meant for all; there, a variable before the configuration;
    there, a token before client credentials. An empty variable counts as unset. Half a pair of client
    credentials is a problem rather than a reason to take others.
    """
    levels: tuple[tuple[str, CredentialRefs | None, Found], ...] = (
        (variable_suffix(environment), own, "own"),
        ("", general, "general"),
    )
    for suffix, configured, level in levels:
        token = TOKEN_VARIABLE + suffix
        if _is_set(environ, token):
            return Credentials(GivenToken(EnvRef(token), environ), "variable")
        names = (CLIENT_ID_VARIABLE + suffix, CLIENT_SECRET_VARIABLE + suffix)
        missing = [name for name in names if not _is_set(environ, name)]
        if not missing:
            pair = ClientRef(EnvRef(names[0]), EnvRef(names[1]))
            return Credentials(FetchedToken(pair, environ, clock), "variable")
        if len(missing) == 1:
            there = names[0] if missing[0] == names[1] else names[1]
            problem = f"{there} is set, but {missing[0]} isn't"
            return Credentials(None, "variable", problem=problem, hint="set both, or neither")
        if configured is not None and configured.token is not None:
            return Credentials(GivenToken(configured.token, environ), level)
        if configured is not None and configured.client is not None:
            return Credentials(FetchedToken(configured.client, environ, clock), level)
    suffix = variable_suffix(environment)
    return Credentials(
        None,
        "nowhere",
        problem=f"there are no credentials for {environment!r}",
        hint=f"set {TOKEN_VARIABLE}{suffix} or {TOKEN_VARIABLE}, or {CLIENT_ID_VARIABLE} and {CLIENT_SECRET_VARIABLE}"
        f" (also with {suffix}), or name a token or client in reconciler.toml",
    )


def variable_suffix(environment: str) -> str:
    """What the variables of one environment end with: ``_STAGE``, ``_NORTH_WEST``."""
    return "_" + environment.upper().replace("-", "_")


def scopes_of(actions: Iterable[str] | None = None) -> tuple[str, ...]:
    """The scopes that the calls named by ``actions`` need (all calls by default), each once, sorted."""
    from reconciler.operations import BY_ACTION, OPERATIONS

    operations = OPERATIONS if actions is None else [BY_ACTION[action] for action in actions]
    return tuple(sorted({operation.scope for operation in operations}))


def read_token_answer(answer: Answer, scopes: Sequence[str]) -> tuple[Secret, float]:
    """The token in an answer and how many seconds it lives.

    Raises `CallFailed` if it is worth another try, else `Unreachable`. Of a failure only the OAuth error
    word is shown: a description might repeat what was sent.
    """
    from reconciler.wire import CallFailed, Phase

    if answer.status in (408, 425, 429) or answer.status >= 500:
        raise CallFailed("token", Phase.NOT_SENT, f"the host answered {answer.status}")
    data = _json_object(answer.body)
    if answer.status != 200:
        raise _token_refused(answer.status, data.get("error"), scopes)
    text = data.get("access_token")
    if not isinstance(text, str):
        raise Unreachable("the host answered without an access token", hint="is base_url a Payway host?")
    return usable(text, "the token that was fetched"), _lifetime(data.get("expires_in"))


def _token_refused(status: int, error: object, scopes: Sequence[str]) -> Unreachable:
    if not (isinstance(error, str) and _OAUTH_ERROR.fullmatch(error)):
        hint = "redirects are never followed" if 300 <= status < 400 else "is base_url a Payway host?"
        return Unreachable(f"no token could be fetched: the host answered {status}", hint=hint)
    if error == "invalid_scope":
        hint = f"the API user needs all of: {' '.join(scopes)}"
    else:
        hint = "check the client id, its secret, and that they are of this environment"
    return Unreachable(f"Payway refused the client credentials: {error} ({status})", hint=hint)


def _json_object(body: bytes) -> Mapping[str, object]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _lifetime(value: object) -> float:
    """``expires_in`` in seconds; an answer that doesn't say is taken to last until a 401 says otherwise."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**9:
        return float(value)
    return 10.0**9


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name, "").strip())
