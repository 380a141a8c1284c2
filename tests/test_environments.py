"""Environments: the rules for base URLs, and what may be declared and overridden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InvalidInput
from reconciler.payway.environments import (
    BUILTIN_HOSTS,
    SIMULATOR_HOST,
    builtin,
    check_name,
    check_proxy,
    declared,
    is_loopback,
    nearest,
    normalise_base_url,
    with_base_url,
)

NORMAL = {
    "https://payway.example.com": "https://payway.example.com",
    "HTTPS://Payway.Example.COM": "https://payway.example.com",
    "https://payway.example.com/": "https://payway.example.com",
    "https://payway.example.com:443": "https://payway.example.com",
    "https://payway.example.com:8443/": "https://payway.example.com:8443",
    "https://payway": "https://payway",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
    "https://192.0.2.7": "https://192.0.2.7",
    "https://[2001:DB8:0::1]:443": "https://[2001:db8::1]",
    "http://localhost": "http://localhost",
    "http://LOCALHOST:80": "http://localhost",
    "http://127.0.0.1:8080": "http://127.0.0.1:8080",
    "http://127.255.0.3": "http://127.255.0.3",
    "http://[::1]:9": "http://[::1]:9",
    "http://[0:0:0:0:0:0:0:1]": "http://[::1]",
}

REFUSED = [
    "",
    "payway.example.com",
    "//payway.example.com",
    "ftp://payway.example.com",
    "file:///etc/passwd",
    "https://",
    "https:///path",
    "https://:443",
    "https://payway.example.com/api",
    "https://payway.example.com//",
    "https://payway.example.com?x=1",
    "https://payway.example.com?",
    "https://payway.example.com#f",
    "https://payway.example.com#",
    "https://user@payway.example.com",
    "https://user:password@payway.example.com",
    "https://@payway.example.com",
    "https://payway.example.com:",
    "https://payway.example.com:0",
    "https://payway.example.com:65536",
    "https://payway.example.com:-1",
    "https://payway.example.com:http",
    "https://payway.example.com.",
    "https://payway..example.com",
    "https://-payway.example.com",
    "https://" + "a" * 64 + ".example.com",
    "https://" + ".".join(["a" * 60] * 5),
    "https://payway.exämple.com",
    "https://payway.example.com\n",
    " https://payway.example.com",
    "https://pay\tway.example.com",
    "https://payway.example.com\\@elsewhere.example",
    "https://payway.example.com\x00",
    "https://127.1",
    "https://2130706433",
    "https://0x7f.0.0.1",
    "https://0x7f000001",
    "https://192.0.2.256",
    "https://[::1",
    "https://[::g]",
    "https://[fe80::1%25eth0]",
    "http://payway.example.com",
    "http://192.0.2.7",
    "http://128.0.0.1",
    "http://0.0.0.0",
    "http://[::]",
    "http://[::ffff:127.0.0.1]",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
]


@pytest.mark.parametrize(("text", "normal"), NORMAL.items())
def test_one_host_has_one_text(text: str, normal: str) -> None:
    assert normalise_base_url(text) == normal
    assert normalise_base_url(normal) == normal


@pytest.mark.parametrize("text", REFUSED)
def test_anything_but_scheme_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        normalise_base_url(text)
    assert caught.value.hint


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        normalise_base_url("https://user:canary@payway.example.com")
    assert "canary" not in f"{caught.value} {caught.value.hint} {caught.value.details}"


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z0-9.:/@?#\[\]-]{0,30}", fullmatch=True))
def test_what_is_accepted_is_normal_and_encrypted_or_loopback(text: str) -> None:
    try:
        url = normalise_base_url(text)
    except InvalidInput:
        return
    assert normalise_base_url(url) == url
    assert url.startswith("https://") or is_loopback(url)
    assert not url.endswith("/")
    assert "@" not in url


def test_the_builtin_hosts_are_those_of_the_vendor_pages_and_normal() -> None:
    assert dict(BUILTIN_HOSTS) == {
        "stage": "https://payway-api.stage.adeprimo.se",
        "production": "https://backend.worldoftulo.com",
    }
    for name, url in BUILTIN_HOSTS.items():
        assert normalise_base_url(url) == url
        environment = builtin(name)
        assert environment is not None
        assert (environment.host, environment.embedded) == (url, False)


def test_the_simulator_is_embedded_and_has_a_host_that_no_url_can_be() -> None:
    environment = builtin("simulator")
    assert environment is not None
    assert environment.embedded
    assert environment.host == SIMULATOR_HOST == "simulator:"
    with pytest.raises(InvalidInput):
        normalise_base_url(SIMULATOR_HOST)


def test_an_undeclared_name_is_no_environment() -> None:
    assert builtin("north") is None


def test_a_declared_environment_shares_a_builtin_host_or_has_its_own() -> None:
    assert declared("north", base_url=None, like="production").host == BUILTIN_HOSTS["production"]
    assert declared("lab", base_url="https://Lab.example.com/", like=None).host == "https://lab.example.com"


@pytest.mark.parametrize("name", ["stage", "production", "simulator"])
def test_a_builtin_environment_keeps_its_host(name: str) -> None:
    assert declared(name, base_url=None, like=None) == builtin(name)
    for said in ({"base_url": "http://127.0.0.1:1", "like": None}, {"base_url": None, "like": "stage"}):
        with pytest.raises(InvalidInput, match="can't be redefined"):
            declared(name, **said)


@pytest.mark.parametrize(
    ("base_url", "like"),
    [(None, None), ("https://lab.example.com", "stage"), (None, "simulator"), (None, "nowhere"), ("ftp://x", None)],
)
def test_a_declared_environment_says_its_host_once(base_url: str | None, like: str | None) -> None:
    with pytest.raises(InvalidInput):
        declared("lab", base_url=base_url, like=like)


@pytest.mark.parametrize("name", ["a", "north-west-2", "a" * 41])
def test_names_that_can_be(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "North", "2nd", "-a", "a_b", "a b", "a/b", "..", "é", "a" * 42, "a\n"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)


@pytest.mark.parametrize("like", ["stage", "production"])
def test_the_token_of_a_builtin_host_goes_nowhere_else_but_loopback(like: str) -> None:
    for environment in (builtin(like), declared("north", base_url=None, like=like)):
        assert environment is not None
        moved = with_base_url(environment, "http://127.0.0.1:8080/")
        assert (moved.name, moved.host) == (environment.name, "http://127.0.0.1:8080")
        with pytest.raises(InvalidInput, match="only a loopback host"):
            with_base_url(environment, "https://elsewhere.example.com")


def test_a_declared_host_can_be_overridden_and_the_embedded_one_cannot() -> None:
    lab = declared("lab", base_url="https://lab.example.com", like=None)
    assert with_base_url(lab, "https://lab2.example.com").host == "https://lab2.example.com"
    simulator = builtin("simulator")
    assert simulator is not None
    with pytest.raises(InvalidInput, match="in process"):
        with_base_url(simulator, "http://127.0.0.1:8080")


def test_the_nearest_name_is_found() -> None:
    assert nearest("prodution", BUILTIN_HOSTS) == "production"
    assert nearest("zzz", BUILTIN_HOSTS) is None


@pytest.mark.parametrize("text", ["http://proxy.example.com:3128", "http://proxy.example.com/"])
def test_a_proxy_is_a_plain_url(text: str) -> None:
    assert check_proxy(text, "the proxy", may_hold_password=False) == text.rstrip("/")


@pytest.mark.parametrize(
    "text", ["", "proxy:3128", "https://proxy", "socks5://proxy", "http://", "http://p:0", "http://p:x", "http://p/a",
             "http://p?q", "http://u:canary@p", "http://p\n"],
)  # fmt: skip
def test_a_proxy_that_cannot_be_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_proxy(text, "the proxy", may_hold_password=False)
    assert "canary" not in str(caught.value)


def test_only_a_variable_may_hold_a_proxys_password() -> None:
    url = "http://user:canary@proxy.example.com:3128"
    assert check_proxy(url, "the variable P", may_hold_password=True) == url
