"""The table of every setting: the source of flags, twins, help and documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from planner.references import PATTERN as REFERENCE
from planner.words import nearest

PREFIX = "PLANNER_"
STORE_TO = "PLANNER_STORE_TO"
"""The twin of `planner store copy --to`: no setting, but its value is as secret as that of the store."""
MAX_RETRIES = 100
MAX_PARALLELISM = 1024
MIN_STATUS, MAX_STATUS = 400, 599
MAX_DURATION_MS = 3650 * 86_400_000  # ten years; beyond it, sums with clocks overflow somewhere

EXECUTORS = ("auto", "threads", "processes", "dask")

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(ms|s|m|h|d)")


def parse_duration(text: str) -> float:
    """Return the seconds of ``500ms``, ``5s``, ``2m``, ``1.5h``, ``7d``; a bare ``0`` is allowed.

    Raises:
        ValueError: with one sentence.
    """
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("must be a duration such as `500ms`, `5s`, `2m`, `1h` or `7d`")
    milliseconds = Decimal(match[1]) * _UNITS_MS[match[2]]
    if milliseconds != int(milliseconds):
        raise ValueError("must be whole milliseconds")
    if milliseconds > MAX_DURATION_MS:
        raise ValueError(f"must not be longer than {format_duration(MAX_DURATION_MS / 1000)}")
    return int(milliseconds) / 1000


def format_duration(seconds: float) -> str:
    """Return the shortest text of a duration, exact to the millisecond: 120.0 is ``2m``, 0.2 is ``200ms``."""
    milliseconds = round(seconds * 1000)
    for unit in ("d", "h", "m", "s"):
        if milliseconds % _UNITS_MS[unit] == 0 and (milliseconds or unit == "s"):
            return f"{milliseconds // _UNITS_MS[unit]}{unit}"
    return f"{milliseconds}ms"


def _positive(text: str) -> float:
    seconds = parse_duration(text)
    if seconds == 0:
        raise ValueError("must be more than 0")
    return seconds


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            *first, last = (f"`{choice}`" for choice in choices)
            raise ValueError(f"must be {', '.join(first)} or {last}{did_you_mean(text, choices)}")
        return text

    return parse


def did_you_mean(word: str, choices: Iterable[str], *, prefix: str = "") -> str:
    """Return `` (did you mean `choice`?)`` or nothing; `prefix` goes before the choice."""
    near = nearest(word, choices)
    return f" (did you mean `{prefix}{near}`?)" if near else ""


def _statuses(text: str) -> tuple[int, ...]:
    if text == "none":
        return ()
    found = set()
    for part in text.split(","):
        if not re.fullmatch("[0-9]{3}", part.strip()) or not MIN_STATUS <= int(part) <= MAX_STATUS:
            raise ValueError(
                f"must be statuses from {MIN_STATUS} to {MAX_STATUS} with commas between, or `none`"
            )
        found.add(int(part))
    return tuple(sorted(found))


def check_store(text: str) -> str:
    """Check the form of a store's URL only. No message repeats it: it may hold a password.

    Raises:
        ValueError: with one sentence.
    """
    if re.fullmatch(r"postgres(ql)?://.*", text, re.DOTALL):
        raise ValueError("names a driver that is not shipped: write `postgresql+psycopg://…`")
    if re.fullmatch(r"sqlite://(/?|/:memory:)", text):
        raise ValueError("must name a file: a store in memory would forget what it has to reverse")
    if not re.fullmatch(r"(sqlite:///|postgresql\+psycopg://)[^\x00-\x20\x7f]+", text):
        raise ValueError("must be `sqlite:///path/planner.db` or `postgresql+psycopg://…`")
    return text


def _web(text: str) -> str:
    """Check the form only. No message repeats the URL: it may hold a token."""
    if not re.fullmatch(r"https?://[^\x00-\x20\x7f/?#]+[^\x00-\x20\x7f]*", text):
        raise ValueError("must be a URL, `http://…` or `https://…`")
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"(tcp|tls|ws|wss|ucx|inproc)://[^\x00-\x20\x7f@]+", text):
        raise ValueError("must be the address of a Dask scheduler, such as `tcp://127.0.0.1:8786`")
    return text


def _references(text: str) -> tuple[str, ...]:
    """References to secrets. No message repeats one that is none: it may be the secret itself."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(re.fullmatch(REFERENCE, part) for part in found):
        raise ValueError(
            "must be where the key is, `env:NAME` or `file:/absolute/path`, several with commas between: "
            "never the key itself"
        )
    return found


def _places(text: str) -> tuple[str, ...]:
    """Patterns of references."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(re.fullmatch(r"env:[A-Za-z0-9_*?]+|file:/[^\x00-\x1f\x7f]*", part) for part in found):
        raise ValueError(
            "must be patterns such as `env:NODE_*` and `file:/run/secrets/*`, with commas between"
        )
    return found


def _text(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("must not be empty")
    return text


class Setting(NamedTuple):
    """One setting.

    Attributes:
        name: the field of `Settings`.
        default: as text; None where it is worked out.
        parse: text -> value; raises ValueError with a sentence that goes on after the name.
        help: one sentence.
        shown: the default for people, where `default` is None.
        choices: all values, where they are few (for completion).
        secret: whether a message must never repeat the value.
        has_flag: whether the command line has it too.
        guards: whether it guards something: set and blank is then an error, and not the default.
        in_dotenv: whether it counts in .env, which may have come with a checkout.
    """

    name: str
    default: str | None
    parse: Callable[[str], Any]
    help: str
    shown: str = ""
    choices: tuple[str, ...] = ()
    secret: bool = False
    has_flag: bool = True
    guards: bool = False
    in_dotenv: bool = True

    @property
    def flag(self) -> str:
        """``--connect-timeout``; empty where there is none."""
        return f"--{self.name.replace('_', '-')}" if self.has_flag else ""

    @property
    def env(self) -> str:
        """``PLANNER_CONNECT_TIMEOUT``."""
        return PREFIX + self.name.upper()

    @property
    def default_text(self) -> str:
        """The default as it is written in help and documentation."""
        return self.shown if self.default is None else self.default


def _chosen(name: str, default: str, help_: str, *choices: str) -> Setting:
    return Setting(name, default, _choice(*choices), help_, choices=choices)


SETTINGS: tuple[Setting, ...] = (
    Setting("file", "groups.yaml", _text, "The YAML file; `-` is standard input."),
    Setting(
        "nodes",
        None,
        _text,
        "The nodes, `name=url,name=url`, where the file has none.",
        shown="those of the file",
        secret=True,
        has_flag=False,
    ),
    Setting("connect_timeout", "3s", _positive, "How long one request waits for a connection."),
    Setting("read_timeout", "10s", _positive, "How long one request waits for an answer."),
    Setting("retries", "4", _whole(0, MAX_RETRIES), "Further tries of one request."),
    Setting("retry_status", "429,500,502,503,504", _statuses, "Statuses that are tried again, or `none`."),
    Setting("backoff", "200ms", _positive, "The first pause between tries; it doubles, with jitter."),
    Setting("backoff_max", "10s", _positive, "The longest pause between tries, also for Retry-After."),
    Setting(
        "parallelism",
        "16",
        _whole(1, MAX_PARALLELISM),
        "Requests in flight, at most; each node gets as many as it answers fast.",
    ),
    _chosen(
        "executor",
        "auto",
        "Who sends them: threads, processes or a Dask cluster; `auto` reads much by processes, too.",
        *EXECUTORS,
    ),
    Setting(
        "scheduler",
        None,
        _address,
        "The Dask scheduler: `tcp://host:8786`. Not from .env: whoever it is runs code here.",
        shown="none",
        secret=True,
        in_dotenv=False,
    ),
    Setting(
        "settle",
        None,
        parse_duration,
        "How long after an unanswered request its late effect is still looked for.",
        shown="twice the read time-out",
    ),
    Setting(
        "recheck_after",
        "30s",
        parse_duration,
        "Age of a read beyond which a cell is read again just before its write.",
    ),
    Setting("watch", "7d", parse_duration, "How long a cell with an unanswered write is watched."),
    Setting(
        "reverse_timeout",
        "5m",
        _positive,
        "How long a reverse keeps trying a cell, settling not counted, before it is called incomplete.",
    ),
    Setting(
        "grace",
        None,
        _positive,
        "How long a run may still reverse after an interrupt; the rest is left to `planner recover`.",
        shown="no limit",
    ),
    Setting(
        "backoff_after_failure",
        "10m",
        parse_duration,
        "How soon `reconcile` tries changes again that were reversed; it doubles, and 0 is at once.",
    ),
    Setting(
        "references",
        None,
        _places,
        "Where the file may have secrets taken from: patterns. One that names another place is refused.",
        shown="anywhere",
        guards=True,
    ),
    Setting(
        "plan_key",
        None,
        _references,
        "Where the keys for plan files are: the first signs, any verifies; then none other is accepted.",
        shown="none: plan files are not signed",
        secret=True,
        guards=True,
    ),
    Setting("summary", None, _text, "Write one line of JSON about the run to this file.", shown="none"),
    Setting("metrics_file", None, _text, "Write Prometheus metrics of the run to this file.", shown="none"),
    Setting("pushgateway", None, _web, "Push them to this Pushgateway: its URL.", shown="none", secret=True),
    Setting(
        "notify",
        None,
        _web,
        "Post JSON to this URL when there was drift, a repair or a failure.",
        shown="nobody",
        secret=True,
    ),
    Setting(
        "store",
        None,
        check_store,
        "Where history and locks are: `sqlite:///…` or `postgresql+psycopg://…`.",
        shown="sqlite:///<user state dir>/planner/planner.db",
        secret=True,
    ),
    Setting("lock_timeout", "0s", parse_duration, "How long to wait for the lock."),
    _chosen("log_level", "info", "What is logged, to stderr.", "debug", "info", "warning", "error"),
    _chosen("log_format", "text", "How it is logged; `json` is for machines.", "text", "json"),
    _chosen(
        "color",
        "auto",
        "Colors; `auto` respects NO_COLOR, FORCE_COLOR and a pipe.",
        "auto",
        "always",
        "never",
    ),
)


def env_example() -> str:
    """The text of `.env_example`: every setting, commented out, at its default; for `planner init`."""
    parts = [_ENV_HEAD]
    for setting in SETTINGS:
        origin = f" Flag: {setting.flag}" if setting.flag else ""
        default = setting.default if setting.default is not None else _EXAMPLES[setting.name]
        note = "" if setting.default is not None else f"\n# Default: {setting.shown}."
        if not setting.in_dotenv:
            parts.append(f"# {setting.help}{origin}\n# Or {setting.env} in the environment.\n")
            continue
        parts.append(f"# {setting.help}{origin}{note}\n#{setting.env}={default}\n")
    return "\n".join(parts)


_ENV_HEAD = """\
# Settings of planner. Copy this file to .env, and take the `#` away from what you want to change.
# A flag goes before the environment, the environment before this file. An empty value counts as not set,
# but for PLANNER_REFERENCES and PLANNER_PLAN_KEY: a guard that is set to nothing is an error.
# Durations are written 500ms, 5s, 2m, 1h, 7d.
"""
_EXAMPLES = {
    "nodes": "node01=http://127.0.0.1:8001,node02=http://127.0.0.1:8002,node03=http://127.0.0.1:8003",
    "scheduler": "tcp://dask-scheduler:8786",
    "settle": "20s",
    "grace": "25s",
    "references": "env:NODE_*,file:/run/secrets/*",
    "plan_key": "env:PLAN_KEY",
    "summary": "/dev/termination-log",
    "metrics_file": "/var/lib/node_exporter/textfile/planner.prom",
    "pushgateway": "http://pushgateway:9091",
    "notify": "https://hooks.example.com/planner",
    "store": "sqlite:////var/lib/planner/planner.db",
}
