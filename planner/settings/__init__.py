"""Flags, environment and .env -> `Settings`. The table of them all is in `planner.settings.table`.

`load_settings` is pure but for one question: where is this user's state directory? `read_dotenv` reads one
file.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.disk import stranger_on
from planner.errors import WrongUsage
from planner.inputs import MIB, read_file
from planner.model import Policy
from planner.ports import PROOF_LIFE
from planner.settings.table import (
    PREFIX,
    SETTINGS,
    STORE_TO,
    Setting,
    check_store,
    did_you_mean,
    env_example,
    format_duration,
    parse_duration,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "SETTINGS",
    "STORE_TO",
    "Setting",
    "Settings",
    "check_store",
    "default_store",
    "env_example",
    "format_duration",
    "load_settings",
    "parse_duration",
    "read_dotenv",
]

_BY_KUBERNETES = re.compile(r"(SERVICE_(HOST|PORT)(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.*)?)?)")
_GUARDS = re.compile(r"(YES|SKIP|ACCEPT|ALLOW_.*)")
MAX_DOTENV = MIB // 4
"""Bytes of a .env file."""
_BLANKS = re.compile(r"[^\S\r\n]{200}")
"""What nobody writes, and what would take dotenv's search for comments a quadratic time."""
_BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run behaves. Durations are seconds; the fields are those of `SETTINGS`.

    Attributes:
        nodes: the text of PLANNER_NODES; None where it is not set.
        settle: None means twice the read time-out; `settle_time` is what counts.
        grace: None means no limit.
        references: patterns of the references that a file may hold; empty: any.
        plan_key: references to the keys for plan files.
        store: a SQLAlchemy URL; empty only where this user has no state directory (a warning says so).
        warnings: sentences for the user.
    """

    file: str = "groups.yaml"
    nodes: str | None = field(default=None, repr=False)
    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    retries: int = 4
    retry_status: tuple[int, ...] = (429, 500, 502, 503, 504)
    backoff: float = 0.2
    backoff_max: float = 10.0
    parallelism: int = 16
    executor: str = "auto"
    scheduler: str = ""
    settle: float | None = None
    recheck_after: float = 30.0
    watch: float = 604_800.0
    reverse_timeout: float = 300.0
    grace: float | None = None
    backoff_after_failure: float = 600.0
    references: tuple[str, ...] = ()
    plan_key: tuple[str, ...] = ()
    summary: str = ""
    metrics_file: str = ""
    pushgateway: str = field(default="", repr=False)
    notify: str = field(default="", repr=False)
    store: str = field(default="", repr=False)
    lock_timeout: float = 0.0
    log_level: str = "info"
    log_format: str = "text"
    color: str = "auto"
    warnings: tuple[str, ...] = ()

    @property
    def settle_time(self) -> float:
        """How long after an unanswered request its late effect is still looked for, in seconds."""
        return 2 * self.read_timeout if self.settle is None else self.settle

    def policy(self) -> Policy:
        """What the engine has to know of it."""
        return Policy(
            parallelism=self.parallelism,
            tries=self.retries + 1,
            settle=self.settle_time,
            recheck_after=self.recheck_after,
            reverse_timeout=self.reverse_timeout,
            backoff=self.backoff,
            backoff_max=self.backoff_max,
            watch=self.watch,
            linger=PROOF_LIFE if self.executor in ("processes", "dask") else 0.0,
        )


def load_settings(
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    dotenv: Mapping[str, str],
    *,
    allow_zero_settle: bool = False,
) -> Settings:
    """Put the settings together; precedence: flag, environment, .env, default.

    Args:
        flags: texts by name of the setting (``connect_timeout``); None where a flag was not given.
        environ: the environment. An empty variable counts as not set.
        dotenv: what `read_dotenv` returned.
        allow_zero_settle: for the simulator's demo only.

    Raises:
        WrongUsage: `details` holds every problem, and where each value came from.
        KeyError: a flag that is no setting; a bug of the caller.
    """
    values: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    given = {_BY_NAME[name].name: text for name, text in flags.items() if text is not None}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        wrong += _blank_guards(setting, given, environ, dotenv)
        if not setting.in_dotenv and dotenv.get(setting.env, "").strip():
            why = "counts in the environment or as a flag only: whoever chooses it runs code here"
            wrong.append((f"{setting.env} (.env)", why))
        text, source = _look_up(setting, given, environ, dotenv)
        sources[setting.name] = source
        if text is None:
            continue
        try:
            values[setting.name] = setting.parse(text)
        except ValueError as error:
            shown = "" if setting.secret else f", not `{_printable(text)}`"
            wrong.append((source, f"{error}{shown}"))
    wrong += _contradictions(values, sources, allow_zero_settle=allow_zero_settle)
    if wrong:
        raise WrongUsage(
            f"the settings cannot be used: {len(wrong)} problem{'s' if len(wrong) > 1 else ''}",
            where=", ".join(dict.fromkeys(source for source, _ in wrong)),
            next="correct the values; `planner reconcile --help` lists every setting",
            details=[f"{source}: {sentence}" for source, sentence in wrong],
        )
    warnings = [*_unknown(environ, "environment"), *_unknown(dotenv, ".env")]
    if "store" not in values:
        values["store"] = default_store()
        if not values["store"]:
            warnings.append("this user has no state directory: set PLANNER_STORE or --store")
    if sources["color"] == "default" and environ.get("NO_COLOR"):
        values["color"] = "never"
    return Settings(**values, warnings=tuple(warnings))


def default_store() -> str:
    """URL of the SQLite file in this user's state directory; empty where the user has no home."""
    import platformdirs

    folder = Path(platformdirs.user_state_dir("planner", appauthor=False))
    return f"sqlite:///{(folder / 'planner.db').as_posix()}" if folder.is_absolute() else ""


def read_dotenv(path: Path) -> dict[str, str]:
    """Read a .env file, values as they stand (no interpolation); empty where there is no such file.

    Raises:
        WrongUsage: it cannot be read; another user has put it where everybody can make files; or `details`
            names the lines that are no assignment, never their text.
    """
    values: dict[str, str] = {}
    wrong: list[str] = []
    if why := stranger_on(path):
        raise WrongUsage(
            f"{path} cannot be used", where=str(path), why=why, next="run in a folder of your own"
        )
    try:
        text = read_file(path, MAX_DOTENV).decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror or "" if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongUsage(f"{path} cannot be read", where=str(path), why=why) from error
    blanks = _BLANKS.search(text)
    if blanks is not None:
        place = f"{path}:{text.count(chr(10), 0, blanks.start()) + 1}"
        why = "a line has 200 blanks in a row"
        raise WrongUsage(f"{path} cannot be used", where=place, why=why, next="take them out")
    # Only where there is a file. (`dotenv_values` would only log a line that it cannot read.)
    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text, newline=None)):
        if binding.error:
            wrong.append(f"{path}:{binding.original.line}: this is not NAME=value")
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    if wrong:
        raise WrongUsage(f"{path} cannot be used", where=str(path), next="correct these lines", details=wrong)
    return values


def _look_up(
    setting: Setting, given: Mapping[str, str], environ: Mapping[str, str], dotenv: Mapping[str, str]
) -> tuple[str | None, str]:
    """The text of a setting, and where it came from. Only an empty variable counts as not set."""
    if setting.name in given:
        return given[setting.name], f"{setting.flag} (flag)"
    for variables, place in ((environ, "environment"), (dotenv, ".env")):
        text = variables.get(setting.env, "").strip()
        if text:
            return text, f"{setting.env} ({place})"
    return setting.default, "default"


def _blank_guards(
    setting: Setting, given: Mapping[str, str], environ: Mapping[str, str], dotenv: Mapping[str, str]
) -> Iterable[tuple[str, str]]:
    """A guard that is set to nothing: somebody meant it to hold, and a variable of theirs was not there."""
    if not setting.guards or setting.name in given:
        return
    for variables, place in ((environ, "environment"), (dotenv, ".env")):
        text = variables.get(setting.env)
        if text is not None and not text.strip():
            yield f"{setting.env} ({place})", "is set and blank: give it a value, or take it away"
        if text is not None:
            return


def _contradictions(
    values: Mapping[str, Any], sources: Mapping[str, str], *, allow_zero_settle: bool
) -> Iterable[tuple[str, str]]:
    """Values that are good alone, and wrong here: where from, and a sentence."""
    if values.get("executor") == "dask" and not values.get("scheduler"):
        yield sources["executor"], "needs the address of a Dask scheduler: --scheduler, PLANNER_SCHEDULER"
    if values.get("settle") == 0 and not allow_zero_settle:
        yield sources["settle"], "must be more than 0: a late effect would be taken for none"
    first, longest = values.get("backoff"), values.get("backoff_max")
    if first is not None and longest is not None and first > longest:
        place = sources["backoff_max" if sources["backoff"] == "default" else "backoff"]
        pair = f"{format_duration(first)} and {format_duration(longest)}"
        yield place, f"--backoff must not be longer than --backoff-max, and they are {pair}"


def _unknown(variables: Mapping[str, str], place: str) -> Iterable[str]:
    """Warnings for variables that look like settings and are none."""
    known = [setting.env.removeprefix(PREFIX) for setting in SETTINGS]
    for name in sorted(variables):
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in known or name == STORE_TO or _BY_KUBERNETES.fullmatch(rest):
            continue
        if _GUARDS.fullmatch(rest):
            yield f"{_printable(name)} ({place}) has no effect: a guard is lifted on the command line only"
        else:
            hint = did_you_mean(rest, known, prefix=PREFIX)
            yield f"{_printable(name)} ({place}) is no setting of planner{hint}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
