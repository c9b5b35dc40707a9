"""The settings as options: one table, on every command alike, each with its environment twin."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from planner.cli.codes import write_codes
from planner.cli.completion import complete_applied, complete_clusters, complete_groups, complete_nodes
from planner.errors import WrongUsage
from planner.scope import Scope, pattern_problem
from planner.settings import SETTINGS, Setting
from planner.views.render import ENDINGS

_F = TypeVar("_F", bound=Callable[..., Any])

STORE_ONLY = frozenset({"file", "store", "lock_timeout", "log_level", "log_format", "color"})
"""Settings of commands that ask no node."""

NODES_ONLY = frozenset(
    {
        "file",
        "connect_timeout",
        "read_timeout",
        "retries",
        "retry_status",
        "backoff",
        "backoff_max",
        "parallelism",
        "log_level",
        "log_format",
        "color",
    }
)
"""Settings of commands that read nodes, and need no store."""

OUTLETS = frozenset({"summary", "metrics_file", "pushgateway", "notify"})
"""Settings of the commands that tell machines how they ended."""

WORKERS = frozenset({"executor", "scheduler"})
"""Settings of the commands that may have much to send."""

PLAN_KEY = frozenset({"plan_key"})
"""The setting of the commands that write or read plan files."""

UNATTENDED = OUTLETS | {"backoff_after_failure"}
"""Settings of the command that a scheduler runs; most others have no such flag."""

MOST_TRANSACTIONS = 2**31 - 1
"""The largest number that every store can be asked for."""


class SettingOption(click.Option):
    """An option that stands for one row of the table; its value is judged with all the others at once."""


class WholeNumber(click.IntRange):
    """A whole number within bounds, by a name that fits its error: "'x' is not a valid whole number"."""

    name = "whole number"


class Command(click.Command):
    """A command whose help lists the settings apart from its own options, and the exit codes."""

    def __init__(self, *arguments: Any, codes: tuple[int, ...] = (), **keywords: Any) -> None:
        """`codes`: those that this command may end with, for its help."""
        super().__init__(*arguments, **keywords)
        self._codes = codes

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options first."""
        own: list[tuple[str, str]] = []
        settings: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                (settings if isinstance(parameter, SettingOption) else own).append(row)
        if own:
            with formatter.section("Options"):
                formatter.write_dl(own)
        if settings:
            with formatter.section("Settings (in the environment and in .env as PLANNER_…, too)"):
                formatter.write_dl(settings)
        write_codes(formatter, self._codes)


def settings_options(
    only: frozenset[str] | None = None, *, also: frozenset[str] = frozenset()
) -> Callable[[_F], _F]:
    """Add options for the settings; they arrive as keyword arguments, text or None.

    Args:
        only: which; every one that most commands have, where it is None.
        also: further ones, that few commands have.
    """
    usual = {setting.name for setting in SETTINGS} - UNATTENDED - WORKERS - PLAN_KEY
    wanted = (usual if only is None else only) | also

    def decorate(function: _F) -> _F:
        for setting in reversed(SETTINGS):
            if not setting.has_flag or setting.name not in wanted:
                continue
            names = [setting.flag, setting.name]
            if setting.name == "file":
                names.insert(0, "-f")
            function = click.option(
                *names,
                cls=SettingOption,
                default=None,
                type=_type_of(setting),
                help=f"{setting.help}  [default: {setting.default_text}]",
            )(function)
        return function

    return decorate


def _type_of(setting: Setting) -> click.Choice[str] | click.Path | None:
    """What completion needs to know; the value itself is judged with all the others."""
    if setting.choices:
        return click.Choice(setting.choices)
    return click.Path() if setting.name == "file" else None


def format_option(function: _F) -> _F:
    """Add `--format text|json`."""
    return click.option(
        "--format",
        "output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="What is written to stdout.",
    )(function)


def report_options(function: _F) -> _F:
    """Add `--format` with every format that a plan has, and `--report FILE`."""
    for option in (
        click.option(
            "--report",
            "reports",
            type=ReportFile(dir_okay=False, path_type=Path),
            multiple=True,
            metavar="FILE",
            help="Write the plan to this file, too, as its ending says: .json, .md or .html. Repeatable.",
        ),
        click.option(
            "--format",
            "output",
            type=click.Choice(["text", "json", "markdown", "html"]),
            default="text",
            show_default=True,
            help="What is written to stdout.",
        ),
    ):
        function = option(function)
    return function


class ReportFile(click.Path):
    """The name of a file whose ending names a format; another is wrong usage before anything is read."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Judge the ending."""
        if Path(value).suffix not in ENDINGS:
            self.fail(f"{str(value)!r} must end in {', '.join(ENDINGS)}", param, ctx)
        return super().convert(value, param, ctx)


def quiet_option(function: _F) -> _F:
    """Add `--quiet`."""
    return click.option(
        "-q", "--quiet", is_flag=True, help="No progress; only results, warnings and errors."
    )(function)


cluster_option = click.option(
    "--cluster",
    metavar="NAME",
    shell_complete=complete_clusters,
    help="The cluster's name; needed only when there is no readable file and the store knows several.",
)


transaction_argument = click.argument(
    "number", metavar="TX", type=WholeNumber(1, MOST_TRANSACTIONS), shell_complete=complete_applied
)


def guard_options(function: _F) -> _F:
    """Add the options that set a guard aside for one plan, knowingly. They have no environment twin."""
    for option in (
        click.option(
            "--allow-lossy-delete", is_flag=True, help="Delete records that show more than the id, too."
        ),
        click.option(
            "--allow-deletes",
            type=WholeNumber(0),
            metavar="N",
            help="Allow this plan to delete up to N groups, whatever the limits say; recorded with it.",
        ),
    ):
        function = option(function)
    return function


def allowance_options(function: _F) -> _F:
    """Add every option that allows one plan something knowingly. They have no environment twin."""
    return guard_options(
        click.option(
            "--allow-delete-adopted", is_flag=True, help="Delete adopted groups that are no longer declared."
        )(function)
    )


def scope_options(function: _F) -> _F:
    """Add the options that make a plan partial; they arrive as one `scope`.

    They have no environment twin: a forgotten line must not make every plan partial.
    """

    @functools.wraps(function)
    def collected(
        *,
        group: tuple[str, ...],
        exclude_group: tuple[str, ...],
        node: tuple[str, ...],
        exclude_node: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        for pattern in (*group, *exclude_group, *node, *exclude_node):
            if problem := pattern_problem(pattern):
                raise WrongUsage(
                    f"The pattern {pattern[:60]!r} {problem}", next="write a shorter one, in UTF-8"
                )
        return function(scope=Scope(group, exclude_group, node, exclude_node), **rest)

    for name, complete, text in (
        (
            "--exclude-node",
            complete_nodes,
            "Without nodes whose name matches: one that is down, say. It is not asked.",
        ),
        ("--node", complete_nodes, "Only nodes whose name matches. Repeatable, as the other three."),
        ("--exclude-group", complete_groups, "Without groups whose id matches; exclusions win."),
        (
            "--group",
            complete_groups,
            "Only groups whose id matches: `*`, `?` and `[abc]` as in a shell, and with case.",
        ),
    ):
        collected = click.option(name, multiple=True, metavar="PATTERN", shell_complete=complete, help=text)(
            collected
        )
    return collected  # type: ignore[return-value]  # what click calls has other parameters than `function`
