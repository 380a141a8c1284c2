"""Settings: what a file may say, what is told of one that can't be used, and what wins in the end."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diagnostics import Diagnostic
from reconciler.errors import InvalidInput, Unreachable, UsageError
from reconciler.limits import ApplySettings
from reconciler.planning.guards import DEFAULTS, check_limits
from reconciler.settings import (
    EnvironmentSettings,
    Settings,
    choose_environment,
    explain,
    load_settings,
    resolve,
    without_password,
)
from reconciler.settingsfile import key_lines

CANARY = "canary-7f3a9c"

FULL = """
manifests = ["manifests", "more"]
state = "sqlite:///state/all.db"
max_plan_age = "12h"
max_age = "7d"

[payway]
provision_service = "tulo"
token = {env = "GENERAL"}
proxy = "http://proxy.example.com:3128"
ca_file = "ca.pem"

[guards]
revoked = ["10%", 50]
blocked = "2.5%"
adopted = 3

[apply]
tries = 2
delays = [0.5, "2s"]
jitter = false
max_wait = "5m"
cool_down = 0
call_deadline = "20s"
connect_timeout = 5
max_failures = 7
max_unclear = 2

[environments.stage]
provision_service = "kayak"
token = {file = "secrets/stage"}

[environments.stage.guards]
adopted = 100

[environments.north]
like = "production"
manifests = ["north"]
state = "postgresql://reader@db.example.com/north"
client = {id = "reader", secret = {command = ["pass", "payway"]}}

[environments.lab]
base_url = "https://Lab.example.com/"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str, name: str = "reconciler.toml") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return name


def problems(folder: Path, text: str) -> list[Diagnostic]:
    write(folder, text)
    with pytest.raises(InvalidInput) as caught:
        load_settings(None, {})
    assert caught.value.diagnostics
    assert {problem.rule for problem in caught.value.diagnostics} == {"bad-config"}
    return list(caught.value.diagnostics)


def origins(resolved: EnvironmentSettings) -> dict[str, str]:
    return {row.name: row.origin for row in explain(resolved)}


# What a file may say


def test_without_a_file_the_defaults_hold(folder: Path) -> None:
    settings = load_settings(None, {})
    assert settings == Settings()
    resolved = resolve(settings, "stage", {})
    assert resolved.manifests == ("manifests",)
    assert resolved.state == "sqlite:///.reconciler/stage.db"
    assert resolved.state_is_default
    assert resolved.environment.host == "https://payway-api.stage.adeprimo.se"
    assert resolved.max_plan_age == 24 * 3600
    assert resolved.max_age is None
    assert resolved.apply == ApplySettings()
    assert dict(resolved.guards) == {}
    assert (resolved.provision_service, resolved.proxy, resolved.ca_file) == (None, None, None)
    assert set(origins(resolved).values()) == {"default", "flag --environment"}


def test_a_file_can_say_all_of_it(folder: Path) -> None:
    write(folder, FULL)
    settings = load_settings(None, {})
    assert settings.environment_names() == ("stage", "production", "simulator", "lab", "north")
    assert (settings.max_plan_age, settings.max_age) == (12 * 3600, 7 * 86400)
    assert settings.apply == ApplySettings(
        tries=2, delays=(0.5, 2.0), jitter=False, max_wait=300, cool_down=0, call_deadline=20, connect_timeout=5,
        max_failures=7, max_unclear=2,
    )  # fmt: skip


def test_the_table_of_an_environment_lies_over_the_top_of_the_file(folder: Path) -> None:
    write(folder, FULL)
    settings = load_settings(None, {})
    stage = resolve(settings, "stage", {})
    assert stage.manifests == ("manifests", "more")
    assert stage.state == "sqlite:///state/all.db"
    assert stage.provision_service == "kayak"
    assert dict(stage.guards) == {"revoked": ["10%", 50], "blocked": "2.5%", "adopted": 100}
    assert stage.credentials.describe() == "token from the file secrets/stage"
    assert (stage.proxy, stage.ca_file) == ("http://proxy.example.com:3128", "ca.pem")
    north = resolve(settings, "north", {})
    assert north.environment.host == "https://backend.worldoftulo.com"
    assert north.manifests == ("north",)
    assert north.state == "postgresql://reader@db.example.com/north"
    assert north.provision_service == "tulo"
    assert north.guards["adopted"] == 3
    assert north.credentials.describe() == "client credentials from a fixed id and the command pass"
    lab = resolve(settings, "lab", {})
    assert lab.environment.host == "https://lab.example.com"
    assert lab.credentials.describe() == "token from GENERAL"


def test_the_guards_take_whatever_the_schema_takes(folder: Path) -> None:
    write(folder, '[guards]\nrevoked = ["100%", 5.0, "0.5%"]\nchanged = 4.0\n')
    guards = resolve(load_settings(None, {}), "stage", {}).guards
    assert dict(guards) == {"revoked": ["100%", 5, "0.5%"], "changed": 4}
    check_limits(guards)


def test_every_guard_can_be_set(folder: Path) -> None:
    write(folder, "[guards]\n" + "".join(f"{guard} = 1\n" for guard in DEFAULTS))
    assert set(resolve(load_settings(None, {}), "stage", {}).guards) == set(DEFAULTS)


def test_the_flag_names_the_file_before_the_variable_does(folder: Path) -> None:
    write(folder, "max_age = 1")
    first, second = write(folder, "max_age = 2", "first.toml"), write(folder, "max_age = 3", "second.toml")
    assert load_settings(None, {}).max_age == 1
    assert load_settings(None, {"RECONCILER_CONFIG": second}).max_age == 3
    assert load_settings(first, {"RECONCILER_CONFIG": second}).max_age == 2


def test_paths_are_taken_from_the_folder_of_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder / "home"))
    text = FULL.replace('"more"', '"/srv/more"').replace('"ca.pem"', '"~/ca.pem"')
    settings = load_settings(write(folder, text, "conf/my.toml"), {})
    stage = resolve(settings, "stage", {})
    assert stage.manifests == ("conf/manifests", "/srv/more")
    assert stage.state == "sqlite:///conf/state/all.db"
    assert stage.ca_file == str(folder / "home" / "ca.pem")
    assert stage.credentials.describe() == "token from the file conf/secrets/stage"
    assert resolve(settings, "north", {}).state == "postgresql://reader@db.example.com/north"


@pytest.mark.parametrize(
    ("said", "meant"),
    [("file:snapshot.json", "file:conf/snapshot.json"), ("sqlite:////abs/s.db", "sqlite:////abs/s.db"),
     ("file:/abs/s.json", "file:/abs/s.json")],
)  # fmt: skip
def test_a_stores_path_too(folder: Path, said: str, meant: str) -> None:
    settings = load_settings(write(folder, f'state = "{said}"', "conf/my.toml"), {})
    assert resolve(settings, "stage", {}).state == meant


# A file that can't be used


BROKEN = [
    ("manifest = []", 1, "did you mean manifests?"),
    ("\n[guard]\n", 2, "did you mean guards?"),
    ("[guards]\n\nrevokd = 1", 3, "did you mean revoked?"),
    ("[guards]\nrevoked = -1", 2, "guards.revoked: must be at least 0"),
    ('[guards]\nrevoked = "101%"', 2, "guards.revoked"),
    ('[guards]\nrevoked = "10"', 2, "guards.revoked"),
    ("[guards]\nrevoked = [\n  1,\n  true,\n]", 2, "guards.revoked[1]"),
    ("[guards]\nrevoked = []", 2, "guards.revoked"),
    ("[guards]\nrevoked = 1979-05-27", 2, "guards.revoked"),
    ("manifests = 'manifests'", 1, "manifests: must be a list"),
    ("max_plan_age = '1w'", 1, "max_plan_age"),
    ("max_plan_age = '99999d'", 1, "longer than ten years"),
    ("max_age = nan", 1, "isn't a duration"),
    ("max_age = inf", 1, "max_age"),
    ("[apply]\ntries = 0", 2, "apply.tries: must be at least 1"),
    ("[apply]\njitter = 1", 2, "apply.jitter: must be true or false"),
    ("[apply]\ndelays = []", 2, "apply.delays"),
    ("[apply]\ndelays = [1, nan]", 2, "apply.delays[1]"),
    ("[apply]\ncall_deadline = 0", 2, "apply.call_deadline"),
    ("[apply]\ncall_deadline = '0s'", 2, "apply.call_deadline"),
    ("[payway]\nproxy = 'https://proxy'", 2, "payway.proxy is no proxy URL"),
    ("[payway]\nproxy = {env = 'a b'}", 2, "payway.proxy.env"),
    ("[payway]\nclient = {id = 'x'}", 2, "payway.client.secret: is missing"),
    ("[payway]\ntoken = {}", 2, "payway.token"),
    ("[payway]\ntoken = {env = 'A', file = 'b'}", 2, "payway.token"),
    ("[payway]\ntoken = {command = 'pass show x'}", 2, "payway.token.command: must be a list"),
    ("[environments.lab]\n", 1, "neither base_url nor like"),
    ("[environments.lab]\nbase_url='https://x.example'\nlike='stage'\n", 2, "both base_url and like"),
    ("[environments.lab]\nbase_url='http://x.example'\n", 2, "isn't encrypted"),
    ("[environments.lab]\nlike='prod'\n", 2, "environments.lab.like"),
    ("[environments.Lab]\nlike='stage'\n", 1, "environments.Lab"),
    ("[environments.stage]\nbase_url='http://127.0.0.1:1'\n", 2, "can't be redefined"),
    ("[environments.simulator]\nlike='stage'\n", 2, "can't be redefined"),
    ("environments = 1", 1, "environments"),
    ("environments.lab = 1", 1, "environments.lab"),
    ("a = ", 1, "this isn't TOML"),
    ("a = 1\na = 2", 2, "this isn't TOML"),
    ("\n\na = [", 1, "this isn't TOML"),
    ("a = " + "[" * 5000, 1, ""),
]


@pytest.mark.parametrize(("text", "line", "said"), BROKEN)
def test_a_setting_that_cannot_be_is_told_with_its_line(folder: Path, text: str, line: int, said: str) -> None:
    [problem] = problems(folder, text)
    assert problem.position.file == "reconciler.toml"
    assert said in f"{problem.message} {problem.hint}"
    if "TOML" not in said and said:
        assert problem.position.line == line


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    text = """manifest = []
[guards]
revoked = -1
[environments.lab]
base_url = "ftp://x"
[environments.stage]
like = "stage"
[environments.Bad]
colour = 1
"""
    assert [problem.position.line for problem in problems(folder, text)] == [1, 3, 5, 7, 8, 9]


@pytest.mark.parametrize(
    "text",
    [
        f"[payway]\ntoken = '{CANARY}'",
        f"[payway]\ntoken = {{env = '{CANARY}.x'}}",
        f"[payway]\nclient = {{id = 'x', secret = '{CANARY}'}}",
        f"[environments.stage]\ntoken = '{CANARY}'",
        f"[payway]\nproxy = 'http://user:{CANARY}@proxy.example.com'",
        f"[environments.lab]\nbase_url = 'https://user:{CANARY}@lab.example.com'",
    ],
)
def test_a_secret_that_stands_where_none_belongs_is_not_repeated(folder: Path, text: str) -> None:
    for problem in problems(folder, text):
        assert CANARY not in f"{problem.message}{problem.hint}"


def test_a_file_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "latin.toml").write_bytes(b"a = '\xe9'")
    (folder / "big.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    (folder / "folder.toml").mkdir()
    for name in ("missing.toml", "latin.toml", "big.toml", "folder.toml", "nul\0.toml"):
        with pytest.raises(InvalidInput) as caught:
            load_settings(name, {})
        assert caught.value.exit_code == 3


def test_a_byte_order_of_lines_does_not_matter(folder: Path) -> None:
    (folder / "reconciler.toml").write_bytes(b"# first\r\nmax_age = 5\r\n[guards]\r\nadopted = 4\r\n")
    resolved = resolve(load_settings(None, {}), "stage", {})
    assert origins(resolved)["max_age"] == "reconciler.toml:2"
    assert origins(resolved)["guards.adopted"] == "reconciler.toml:4"


# Lines


LINED = """# a comment with [brackets] and = signs
manifests = ["a", # ]
  "b = [",
]
text = \"\"\"
[not.a.table]
x = 1 \\\"\"\"
\"\"\"
raw = '''
y = 2
''''
"quoted.key" = 'a'
dotted . key = {inner = 1, other = [1, 2]}
[environments."north"]
like = "stage"
  [environments.north.guards]
  revoked = 1.5
[[list]]
z = 1979-05-27T07:32:00Z
[[list]]
z = 2
"""


def test_each_key_is_found_on_its_line() -> None:
    tomllib.loads(LINED)
    assert key_lines(LINED) == {
        ("manifests",): 2,
        ("text",): 5,
        ("raw",): 9,
        ("quoted.key",): 12,
        ("dotted", "key"): 13,
        ("environments", "north"): 14,
        ("environments", "north", "like"): 15,
        ("environments", "north", "guards"): 16,
        ("environments", "north", "guards", "revoked"): 17,
        ("list",): 18,
        ("list", "z"): 19,
    }


@given(st.text(alphabet="ab=.[]{}\"'#\\\n ,1", max_size=60))
def test_lines_never_fail_on_a_valid_file(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    assert set(data) <= {path[0] for path in lines}
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


# What wins


def test_a_flag_goes_before_a_variable_before_the_file_before_the_default(folder: Path) -> None:
    variables = {"RECONCILER_STATE": "sqlite:///variable.db", "RECONCILER_MAX_FAILURES": "4"}
    write(folder, 'state = "sqlite:///file.db"\n[apply]\nmax_failures = 5')
    configured = load_settings(None, {})
    flagged = resolve(configured, "stage", variables, state="sqlite:///flag.db", max_failures=3)
    varied = resolve(configured, "stage", variables)
    filed = resolve(configured, "stage", {"RECONCILER_STATE": "", "RECONCILER_MAX_FAILURES": ""})
    plain = resolve(Settings(), "stage", {})
    found = [
        (resolved.state, origins(resolved)["state"], resolved.apply.max_failures,
         origins(resolved)["apply.max_failures"], resolved.state_is_default)
        for resolved in (flagged, varied, filed, plain)
    ]  # fmt: skip
    assert found == [
        ("sqlite:///flag.db", "flag --state", 3, "flag --max-failures", False),
        ("sqlite:///variable.db", "variable RECONCILER_STATE", 4, "variable RECONCILER_MAX_FAILURES", False),
        ("sqlite:///file.db", "reconciler.toml:1", 5, "reconciler.toml:3", False),
        ("sqlite:///.reconciler/stage.db", "default", 10, "default", True),
    ]


def test_arguments_name_the_manifests_before_the_file_does(folder: Path) -> None:
    write(folder, FULL)
    resolved = resolve(load_settings(None, {}), "north", {}, manifests=("-",))
    assert (resolved.manifests, origins(resolved)["manifests"]) == (("-",), "arguments")


def test_the_environment_is_always_named() -> None:
    assert choose_environment("lab", {"RECONCILER_ENVIRONMENT": "stage"}) == ("lab", "flag --environment")
    named = ("stage", "variable RECONCILER_ENVIRONMENT")
    assert choose_environment(None, {"RECONCILER_ENVIRONMENT": "stage"}) == named
    with pytest.raises(UsageError) as caught:
        choose_environment(None, {"RECONCILER_ENVIRONMENT": ""})
    assert caught.value.exit_code == 64
    resolved = resolve(Settings(), "stage", {}, named_by=named[1])
    assert origins(resolved)["environment"] == "variable RECONCILER_ENVIRONMENT"


def test_an_environment_that_nobody_declared_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'production'") as caught:
        resolve(Settings(), "prodution", {})
    assert "stage, production, simulator" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "١", "9" * 30])
def test_a_variable_that_is_no_number_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="RECONCILER_MAX_FAILURES"):
        resolve(Settings(), "stage", {"RECONCILER_MAX_FAILURES": text})


def test_a_base_url_is_said_aloud_and_changes_the_host() -> None:
    resolved = resolve(Settings(), "stage", {"RECONCILER_BASE_URL": "http://127.0.0.1:1"}, base_url="http://[::1]:7/")
    assert resolved.environment.host == "http://[::1]:7"
    assert origins(resolved)["host"] == "flag --base-url"
    unsaid = resolve(Settings(), "stage", {"RECONCILER_BASE_URL": "http://127.0.0.1:1"})
    assert unsaid.environment.host == "https://payway-api.stage.adeprimo.se"
    with pytest.raises(UsageError):
        resolve(Settings(), "stage", {}, base_url="https://elsewhere.example.com")


def test_nothing_goes_through_a_proxy_on_this_machine(folder: Path) -> None:
    write(folder, FULL)
    settings = load_settings(None, {})
    assert resolve(settings, "stage", {}, base_url="http://127.0.0.1:1").proxy is None
    assert resolve(settings, "simulator", {}).proxy is None


def test_a_proxy_with_a_password_comes_from_a_variable_and_is_not_shown(folder: Path) -> None:
    write(folder, '[payway]\nproxy = {env = "HTTPS_PROXY"}')
    settings = load_settings(None, {})
    url = f"http://user:{CANARY}@proxy.example.com:3128"
    resolved = resolve(settings, "stage", {"HTTPS_PROXY": url})
    assert resolved.proxy == url
    assert CANARY not in f"{resolved!r}{explain(resolved)}"
    assert resolve(settings, "stage", {}).proxy is None
    with pytest.raises(InvalidInput, match="the variable HTTPS_PROXY") as caught:
        resolve(settings, "stage", {"HTTPS_PROXY": url.replace("http", "socks5")})
    assert CANARY not in str(caught.value)


# What is explained


def test_every_setting_is_explained_and_nothing_secret_is_looked_up(folder: Path) -> None:
    write(folder, FULL.replace("reader@db", f"reader:{CANARY}@db"))
    settings = load_settings(None, {})
    environ = {"GENERAL": CANARY}
    for name in settings.environment_names():
        resolved = resolve(settings, name, environ)
        rows = explain(resolved)
        assert CANARY not in f"{rows}{resolved!r}{settings!r}"
        names = [row.name for row in rows]
        assert len(names) == len(set(names))
        assert {f"guards.{guard}" for guard in DEFAULTS} <= set(names)
        assert {f"apply.{setting}" for setting in ApplySettings.__slots__} <= set(names)
    [state] = [row for row in explain(resolve(settings, "north", environ)) if row.name == "state"]
    assert state == ("state", "postgresql://reader:…@db.example.com/north", "reconciler.toml:39")
    with pytest.raises(Unreachable):
        resolve(settings, "stage", environ).credentials.renew()


def test_values_are_explained_as_people_write_them(folder: Path) -> None:
    write(folder, FULL)
    stage = resolve(load_settings(None, {}), "stage", {"PAYWAY_TOKEN_STAGE": CANARY})
    shown = {row.name: (row.value, row.origin) for row in explain(stage)}
    assert shown["max_plan_age"] == ("12h", "reconciler.toml:4")
    assert shown["guards.revoked"] == ("10%, 50", "reconciler.toml:14")
    assert shown["guards.changed"] == ("50%, 5000", "default")
    assert shown["guards.adopted"] == ("100", "reconciler.toml:34")
    assert shown["apply.delays"] == ("0.5s, 2s", "reconciler.toml:20")
    assert shown["apply.jitter"] == ("false", "reconciler.toml:21")
    assert shown["credentials"] == ("token from PAYWAY_TOKEN_STAGE", "variable")
    assert shown["provision_service"] == ("kayak", "reconciler.toml:30")
    general = {row.name: row for row in explain(resolve(load_settings(None, {}), "lab", {}))}
    assert general["credentials"].origin == "reconciler.toml:9"
    assert general["host"].origin == "reconciler.toml:43"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h/d", "postgresql://u:…@h/d"),
        ("postgresql://u@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require"),
        ("postgresql:///d?host=/s&Password=p", "postgresql:///d?…"),
        ("postgresql://u:p@[h/d", "…"),
        ("postgresql://u:p/w@h/d", "postgresql://…"),
        ("postgresql://u:p?w@h/d", "postgresql://…"),
        ("postgresql://u:p#w@h/d", "postgresql://…"),
        ("sqlite:///a b.db", "sqlite:///a b.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_the_working_folder_is_left_alone(folder: Path) -> None:
    load_settings(write(folder, FULL, "conf/x.toml"), {})
    assert Path.cwd() == folder.resolve()
    assert [path.name for path in folder.iterdir()] == ["conf"]
