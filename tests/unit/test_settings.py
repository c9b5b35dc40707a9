"""Flags, environment and .env -> Settings."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import WrongUsage
from planner.model import Policy
from planner.settings import (
    SETTINGS,
    Settings,
    default_store,
    env_example,
    format_duration,
    load_settings,
    parse_duration,
    read_dotenv,
)
from planner.settings.table import MAX_DURATION_MS
from tests.strangers import needs_root, sticky, strangers

ROOT = Path(__file__).parents[2]
STORE = {"store": "sqlite:////s.db"}
STATUSES = "must be statuses from 400 to 599 with commas between, or `none`"
SCHEDULER = "must be the address of a Dask scheduler, such as `tcp://127.0.0.1:8786`"
LEVELS = "must be `debug`, `info`, `warning` or `error` (did you mean `warning`?), not `warn`"
URL = "must be `sqlite:///path/planner.db` or `postgresql+psycopg://…`"
DRIVER = "names a driver that is not shipped: write `postgresql+psycopg://…`"
MEMORY = "must name a file: a store in memory would forget what it has to reverse"
BACKOFF = "--backoff must not be longer than --backoff-max, and they are 1m and 10s"


def load(
    env: dict[str, str] | None = None, dotenv: dict[str, str] | None = None, **flags: str | None
) -> Settings:
    return load_settings({**STORE, **flags}, env or {}, dotenv or {})


def wrong(env: dict[str, str] | None = None, dotenv: dict[str, str] | None = None, **flags: str) -> list[str]:
    with pytest.raises(WrongUsage) as caught:
        load_settings(flags, env or {}, dotenv or {})
    return list(caught.value.details)


# Durations.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5), ("5s", 5.0), ("2m", 120.0), ("1h", 3600.0), ("7d", 604_800.0), ("1.5s", 1.5),
        ("0.001s", 0.001), ("0", 0.0), ("0s", 0.0), ("0ms", 0.0),
        ("007s", 7.0), ("3650d", 315_360_000.0), ("1.50m", 90.0), ("0.067m", 4.02),
    ],
)  # fmt: skip
def test_a_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "s", "5 s", " 5s", "5s\n", "-5s", "+5s", "5S", "5sec", "1m30s", ".5s", "5.s", "1e3s", "1,5s",
        "\u0665s",
        "nan", "inf", "infs", "0.5ms", "1.0001s", "3651d", "9" * 15 + "d", "9" * 5000 + "s", "0x5s", "5_0s",
    ],
)  # fmt: skip
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "200ms"),
        (10.0, "10s"),
        (90.0, "90s"),
        (120, "2m"),
        (3600, "1h"),
        (86_400, "1d"),
        (0, "0s"),
        (1.5, "1500ms"),
    ],
)
def test_a_duration_as_text(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, MAX_DURATION_MS))
@settings(deadline=None)
def test_a_duration_survives_being_written(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text(alphabet="0123456789.mshd ", max_size=12) | st.text())
@settings(deadline=None)
def test_any_text_is_a_duration_or_a_sentence(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        assert str(error).startswith("must")  # noqa: PT017
    else:
        assert parse_duration(format_duration(seconds)) == seconds


# The table.


def test_the_table_the_class_and_the_defaults_agree() -> None:
    fields = {f.name: f.default for f in dataclasses.fields(Settings)}
    assert [s.name for s in SETTINGS] == [name for name in fields if name != "warnings"]
    for setting in SETTINGS:
        if setting.default is not None:
            assert setting.parse(setting.default) == fields[setting.name], setting.name
        assert setting.default_text
    assert load_settings(STORE, {}, {}) == Settings(store=STORE["store"])


def test_flags_and_twins() -> None:
    by_name = {s.name: s for s in SETTINGS}
    assert by_name["connect_timeout"].flag == "--connect-timeout"
    assert by_name["connect_timeout"].env == "PLANNER_CONNECT_TIMEOUT"
    assert by_name["nodes"].flag == ""
    assert by_name["nodes"].env == "PLANNER_NODES"
    assert by_name["log_format"].choices == ("text", "json")


def test_the_policy() -> None:
    assert load().policy() == Policy()
    made = load(
        parallelism="3",
        retries="0",
        read_timeout="4s",
        recheck_after="1m",
        reverse_timeout="1h",
        backoff="1ms",
        backoff_max="2ms",
    )
    assert made.policy() == Policy(
        parallelism=3,
        tries=1,
        settle=8,
        recheck_after=60,
        reverse_timeout=3600,
        backoff=0.001,
        backoff_max=0.002,
    )


def test_settle_is_twice_the_read_timeout_until_it_is_set() -> None:
    assert load(read_timeout="3s").settle_time == 6
    assert load(read_timeout="3s").settle is None
    assert load(read_timeout="3s", settle="1s").settle_time == 1


# Where a value comes from.


@pytest.mark.parametrize(
    ("flag", "env", "dotenv", "expected"),
    [
        ("1", "2", "3", 1),
        (None, "2", "3", 2),
        (None, None, "3", 3),
        (None, None, None, 4),
        (None, "", "3", 3),
        (None, " ", " ", 4),
        (None, " 2 ", None, 2),
    ],
)
def test_precedence(flag: str | None, env: str | None, dotenv: str | None, expected: int) -> None:
    as_env = {} if env is None else {"PLANNER_RETRIES": env}
    as_dotenv = {} if dotenv is None else {"PLANNER_RETRIES": dotenv}
    assert load(as_env, as_dotenv, retries=flag).retries == expected


@pytest.mark.parametrize("name", [s.name for s in SETTINGS])
def test_every_setting_has_its_twin(name: str) -> None:
    other: dict[str, tuple[str, Any]] = {
        "file": ("other.yaml", "other.yaml"), "nodes": ("a=http://a", "a=http://a"), "retries": ("7", 7),
        "retry_status": ("503, 429,503", (429, 503)), "parallelism": ("2", 2),
        "executor": ("threads", "threads"), "scheduler": ("tcp://h:8786", "tcp://h:8786"),
        "log_level": ("debug", "debug"),
        "store": ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        "log_format": ("json", "json"), "color": ("never", "never"),
        "summary": ("-", "-"), "metrics_file": ("a.prom", "a.prom"),
        "references": ("env:A_*, file:/run/*", ("env:A_*", "file:/run/*")),
        "plan_key": ("env:NEW, file:/run/old.key", ("env:NEW", "file:/run/old.key")),
        "pushgateway": ("http://p:9091", "http://p:9091"), "notify": ("https://h/x?y=z", "https://h/x?y=z"),
    }  # fmt: skip
    text, value = other.get(name, ("9s", 9.0))
    for env, dotenv in (({f"PLANNER_{name.upper()}": text}, {}), ({}, {f"PLANNER_{name.upper()}": text})):
        if dotenv and name == "scheduler":
            continue
        assert getattr(load_settings({}, env, dotenv), name) == value
    if name != "nodes":
        assert getattr(load_settings({name: text}, {}, {}), name) == value


def test_a_flag_that_is_no_setting_is_a_bug() -> None:
    with pytest.raises(KeyError):
        load_settings({"retrys": "1"}, {}, {})


# What is wrong.


def test_no_checkout_chooses_who_runs_code_here() -> None:
    """A scheduler of Dask sends pickles; a .env may have come with a branch."""
    with pytest.raises(WrongUsage) as caught:
        load_settings({}, {"PLANNER_EXECUTOR": "threads"}, {"PLANNER_SCHEDULER": "tcp://evil:1"})
    assert "whoever chooses it runs code here" in caught.value.details[0]
    assert load_settings({}, {}, {"PLANNER_SCHEDULER": " "}).scheduler == ""


@pytest.mark.parametrize("name", ["plan_key", "references"])
def test_a_guard_that_is_set_and_blank_is_an_error(name: str) -> None:
    """A variable of a CI that was not there must not disarm it, and no .env fill the gap."""
    env = f"PLANNER_{name.upper()}"
    for blank in ("", " ", "\n"):
        for environ, dotenv in (({env: blank}, {}), ({}, {env: blank}), ({env: blank}, {env: "env:A"})):
            with pytest.raises(WrongUsage) as caught:
                load_settings({}, environ, dotenv)
            assert "is set and blank" in caught.value.details[0]
    assert getattr(load_settings({}, {env: "env:A"}, {env: ""}), name) == ("env:A",)
    assert getattr(load_settings({name: "env:A"}, {env: ""}, {}), name) == ("env:A",)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("connect_timeout", "0", "must be more than 0, not `0`"),
        ("read_timeout", "0s", "must be more than 0, not `0s`"),
        ("read_timeout", "10", "must be a duration such as `500ms`, `5s`, `2m`, `1h` or `7d`, not `10`"),
        ("retries", "-1", "must be a whole number from 0 to 100, not `-1`"),
        ("retries", "101", "must be a whole number from 0 to 100, not `101`"),
        ("retries", "1.0", "must be a whole number from 0 to 100, not `1.0`"),
        ("retries", "", "must be a whole number from 0 to 100, not ``"),
        ("retries", "9" * 5000, None),
        ("parallelism", "0", "must be a whole number from 1 to 1024, not `0`"),
        ("parallelism", "1025", "must be a whole number from 1 to 1024, not `1025`"),
        ("retry_status", "399", STATUSES + ", not `399`"),
        ("retry_status", "600", STATUSES + ", not `600`"),
        ("retry_status", "", STATUSES + ", not ``"),
        ("retry_status", "500;503", STATUSES + ", not `500;503`"),
        ("backoff", "0", "must be more than 0, not `0`"),
        ("backoff_max", "0", "must be more than 0, not `0`"),
        ("reverse_timeout", "0", "must be more than 0, not `0`"),
        ("settle", "0", "must be more than 0: a late effect would be taken for none"),
        ("log_level", "warn", LEVELS),
        ("color", "\x1b[2J", "must be `auto`, `always` or `never`, not `\\x1b[2J`"),
        ("file", "", "must not be empty, not ``"),
        ("store", "mysql://u:secret@h/d", URL),
        ("store", "planner.db", URL),
        ("store", "postgresql://u:secret@h", DRIVER),
        ("scheduler", "tcp://u:secret@h:1", SCHEDULER),
        ("store", "sqlite://", MEMORY),
        ("store", "sqlite:///:memory:", MEMORY),
    ],
)  # fmt: skip
def test_a_bad_value(name: str, text: str, why: str | None) -> None:
    (found,) = wrong(None, None, **{name: text})
    flag = f"--{name.replace('_', '-')} (flag): "
    assert found.startswith(flag)
    if why is not None:
        assert found == flag + why


@pytest.mark.parametrize("name", ["recheck_after", "watch", "lock_timeout"])
def test_these_may_be_zero(name: str) -> None:
    assert getattr(load(None, None, **{name: "0"}), name) == 0


def test_no_status_at_all_is_said_by_a_word() -> None:
    assert load(retry_status="none").retry_status == ()


def test_settle_may_be_zero_in_the_demo() -> None:
    assert load_settings({"settle": "0"}, {}, {}, allow_zero_settle=True).settle_time == 0


def test_all_problems_at_once_and_where_each_came_from() -> None:
    with pytest.raises(WrongUsage) as caught:
        load_settings(
            {"retries": "x", "settle": "0"},
            {"PLANNER_BACKOFF": "1m", "PLANNER_STORE": "mysql://u:secret@h"},
            {"PLANNER_COLOR": "nevr"},
        )
    error = caught.value
    assert error.details == (
        "--retries (flag): must be a whole number from 0 to 100, not `x`",
        f"PLANNER_STORE (environment): {URL}",
        "PLANNER_COLOR (.env): must be `auto`, `always` or `never` (did you mean `never`?), not `nevr`",
        "--settle (flag): must be more than 0: a late effect would be taken for none",
        f"PLANNER_BACKOFF (environment): {BACKOFF}",
    )
    assert error.exit_code == 64
    assert error.where.startswith("--retries (flag), PLANNER_STORE (environment), PLANNER_COLOR (.env), ")


def test_a_short_backoff_max_is_blamed_where_it_was_set() -> None:
    (found,) = wrong({"PLANNER_BACKOFF_MAX": "100ms"})
    assert found.startswith("PLANNER_BACKOFF_MAX (environment): --backoff must not be longer")


def test_secrets_are_not_shown() -> None:
    made = load({"PLANNER_NODES": "a=http://secret"}, store="postgresql+psycopg://u:secret@h/d")
    assert "secret" not in repr(made)
    assert "secret" not in "".join(wrong(store="oracle://secret"))


# Warnings.


def test_unknown_variables_are_warned_of() -> None:
    made = load(
        {
            "PLANNER_RETRYS": "1",
            "PLANNER_YES": "1",
            "PLANNER_ALLOW_DELETES": "9",
            "HOME": "/",
            "PLANNER": "x",
        },
        {"PLANNER_ZZZ": "1", "PLANNER_BACKOF": "1s"},
    )
    assert made.warnings == (
        "PLANNER_ALLOW_DELETES (environment) has no effect: a guard is lifted on the command line only",
        "PLANNER_RETRYS (environment) is no setting of planner (did you mean `PLANNER_RETRIES`?)",
        "PLANNER_YES (environment) has no effect: a guard is lifted on the command line only",
        "PLANNER_BACKOF (.env) is no setting of planner (did you mean `PLANNER_BACKOFF`?)",
        "PLANNER_ZZZ (.env) is no setting of planner",
    )


def test_what_kubernetes_sets_for_a_service_named_planner_is_no_typo() -> None:
    injected = (
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_HTTP",
        "PORT",
        "PORT_80_TCP",
        "PORT_80_TCP_ADDR",
    )
    assert load({f"PLANNER_{name}": "x" for name in injected}).warnings == ()


def test_no_color_turns_off_what_nobody_asked_for() -> None:
    assert load({"NO_COLOR": "1"}).color == "never"
    assert load({"NO_COLOR": ""}).color == "auto"
    assert load({"NO_COLOR": "1"}, color="auto").color == "auto"
    assert load({"NO_COLOR": "1", "PLANNER_COLOR": "always"}).color == "always"


# The store.


def test_the_default_store_is_in_the_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_store().startswith("sqlite:////")
    assert default_store().endswith("/planner/planner.db")
    assert load_settings({}, {}, {}).store == default_store()


def test_a_user_without_a_home_is_told_to_name_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_state_dir", lambda *_args, **_kwargs: "~/.local/state/planner")
    made = load_settings({}, {}, {})
    assert made.store == ""
    assert made.warnings == ("this user has no state directory: set PLANNER_STORE or --store",)
    assert load_settings(STORE, {}, {}).warnings == ()


# .env


def test_a_dotenv_file_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# comment\n\nexport PLANNER_RETRIES=2\nPLANNER_FILE='a b.yaml'  # why\n"
        'X="${HOME}$Y"\nEMPTY=\nBARE\n',
        "utf-8",
    )
    assert read_dotenv(path) == {
        "PLANNER_RETRIES": "2",
        "PLANNER_FILE": "a b.yaml",
        "X": "${HOME}$Y",
        "EMPTY": "",
    }


def test_no_dotenv_file_is_no_setting(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}


def test_a_broken_line_is_named_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nTOKEN='secret\nB C=2\n", "utf-8")
    with pytest.raises(WrongUsage) as caught:
        read_dotenv(path)
    assert caught.value.details == (f"{path}:2: this is not NAME=value", f"{path}:3: this is not NAME=value")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_dotenv_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / ".env"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(WrongUsage, match="cannot be read") as caught:
        read_dotenv(path)
    assert caught.value.why


# The documentation.


def test_env_example_is_written_from_the_table() -> None:
    assert (ROOT / ".env_example").read_text("utf-8") == env_example()


def test_env_example_with_every_comment_taken_away_is_valid(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(re.sub(r"(?m)^#(PLANNER_)", r"\1", env_example()), "utf-8")
    dotenv = read_dotenv(path)
    assert set(dotenv) == {s.env for s in SETTINGS if s.in_dotenv}
    made = load_settings({}, {}, dotenv)
    assert made.warnings == ()
    assert made.policy() == Policy()


def test_the_table_of_settings_in_the_documentation_names_every_flag_with_its_default() -> None:
    rows = [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if line.startswith("|")]
    for setting in SETTINGS:
        mine = [row for row in rows if f"`{setting.env}`" in row]
        assert len(mine) == 1, f"{setting.env} is not in the table"
        assert setting.flag in mine[0]
        assert setting.default_text in mine[0]


@needs_root
def test_a_dotenv_that_a_stranger_made_where_everybody_can_does_not_count(tmp_path: Path) -> None:
    path = sticky(tmp_path / "shared") / ".env"
    path.write_text("PLANNER_RETRIES=1\n")
    assert read_dotenv(path) == {"PLANNER_RETRIES": "1"}
    strangers(path)
    with pytest.raises(WrongUsage) as caught:
        read_dotenv(path)
    assert "was made by another user" in caught.value.why
