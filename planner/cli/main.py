"""The group of commands, and the one place where an error becomes an exit code."""

from __future__ import annotations

import contextlib
import importlib
import keyword
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from planner import __version__
from planner.cli.codes import EXIT_CODES, write_codes
from planner.errors import Interrupted, PlannerError, WrongUsage
from planner.signals import STOPPING, interrupt_when_stopped, leave_when_stopped
from planner.words import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.views import View

COMMANDS = {
    "validate": "Check groups.yaml offline.",
    "nodes": "Reach every node, and show how it answers.",
    "plan": "Read every node and show what would change.",
    "apply": "Carry out a plan on every node, or reverse it.",
    "recover": "Finish what a dead or failed run left.",
    "reconcile": "For a scheduler: recover if needed, then repair drift.",
    "status": "Show the lock, what is unfinished, and the last apply.",
    "history": "Show past transactions.",
    "show": "Show one transaction and what became of its steps, or a saved plan.",
    "undo": "Plan the reverse of an earlier transaction.",
    "init": "Write a commented groups.yaml and .env to start from.",
    "import": "Write a groups.yaml from what a cluster holds.",
    "schema": "Print a JSON Schema.",
    "store": "Copy the store: a backup, or a move.",
    "completion": "Print the completion script of your shell.",
    "simulate": "Run a simulated cluster with faults.",
    "demo": "Show the whole story on a simulated cluster.",
}

FORMAT = "--format"
LOG_FORMAT, LOG_TWIN = "--log-format", "PLANNER_LOG_FORMAT"
STREAMS = frozenset({"apply", "reconcile"})
"""Commands whose JSON is a stream of events; that of the others is one document."""

WATCHED = STREAMS
"""Commands that tell machines how they ended, see `planner.cli.watched`."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class LazyGroup(click.Group):
    """Imports a command's module only when it is called, so that the others cost nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        module = importlib.import_module(f"planner.cli.commands.{name}")
        command = module.command
        assert isinstance(command, click.Command)  # noqa: S101  (every module has one)  # nosec B101
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; a typo is answered with the nearest one, as click does for options."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = nearest(name, COMMANDS)
            hint = f" Did you mean '{near}'?" if near else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Carry the command out. What is on stderr after an interrupt is said by us, and not by click."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise click.Abort from stop

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        write_codes(formatter, EXIT_CODES)


@click.group(cls=LazyGroup, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="planner", message="%(prog)s %(version)s")
def cli() -> None:
    """Keep the groups of a whole cluster equal to a YAML file, as one transaction.

    Either every node ends as planned, or every node ends as it was.

    \b
    Examples:
      planner init                        a groups.yaml to start from
      planner plan                        what would change
      planner plan --out plan.json        the same, to be reviewed
      planner apply plan.json             exactly that
      planner recover                     finish what a dead run left
    """


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code; a traceback is a bug."""
    interrupt_when_stopped()
    try:
        code, at_once = _invoke(arguments)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (BrokenPipeError, ValueError):
                at_once = True  # whoever read us is gone
    except KeyboardInterrupt:  # the command has ended, and what it printed may not be whole
        os._exit(Interrupted.exit_code)
    if at_once:  # worker threads may still wait for an answer; nobody waits for them
        os._exit(code)
    leave_when_stopped()
    sys.exit(code)


def invoke(arguments: list[str] | None = None) -> tuple[int, bool]:
    """Run the command line in a process that goes on; see `run`.

    Returns the exit code, and whether the process should leave at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return _invoke(arguments)
    old = {number: signal.getsignal(number) for number in STOPPING}
    try:
        return _invoke(arguments)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _invoke(given: list[str] | None) -> tuple[int, bool]:
    arguments = sys.argv[1:] if given is None else given
    code, at_once = _carried_out(arguments)
    logs = sys.modules.get("planner.cli.logs")  # a command that never logs has not imported it
    if logs is not None:
        logs.ended(code)
    return code, at_once


def _carried_out(arguments: list[str]) -> tuple[int, bool]:
    try:
        result = cli.main(args=arguments, prog_name="planner", standalone_mode=False)
        return (result if isinstance(result, int) else 0), False
    except click.exceptions.Exit as leave:
        return leave.exit_code, False
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "planner"
        wrong = WrongUsage(error.format_message(), next=f"see {command} --help")
        if _wants_json(arguments) or _logs_json(arguments):
            _show(wrong, arguments)
        else:
            error.show()
        if not WATCHED.isdisjoint(arguments[:1]):
            from planner.cli.watched import tell_of_wrong_usage

            tell_of_wrong_usage(arguments[0], wrong, {})
        return WrongUsage.exit_code, False
    except click.ClickException as error:
        if _wants_json(arguments) or _logs_json(arguments):
            _show(PlannerError(error.format_message()), arguments)
        else:
            error.show()
        return PlannerError.exit_code, False
    except (click.Abort, KeyboardInterrupt) as stop:
        if not _logs_json(arguments):
            click.echo(err=True)  # after the terminal's ^C
        view = getattr(stop, "view", None) or getattr(stop.__cause__, "view", None)
        _show(Interrupted("Interrupted; nothing was changed"), arguments, view)
        return Interrupted.exit_code, True
    except BrokenPipeError:
        return PlannerError.exit_code, True
    except PlannerError as error:
        _show(error, arguments, getattr(error, "view", None))
        return error.exit_code, error.code in ("incomplete", "lock-lost", "interrupted")


def _show(error: PlannerError, arguments: Sequence[str], view: View | None = None) -> None:
    """Show an error through the view of the command that raised it, or as was asked before there was one."""
    from planner.views import annotate, open_view

    if view is None:
        form = "json" if _wants_json(arguments) else "text"
        events = not STREAMS.isdisjoint(arguments[:1])
        if _logs_json(arguments):
            from planner.cli.logs import configure
            from planner.cli.logview import open_log_view

            configure("info", "json")
            view = open_log_view(form, events=events)
        else:
            view = open_view(form, events=events, stdout=sys.stdout, stderr=sys.stderr, environ=os.environ)
    view.error(error)
    annotates = os.environ.get("GITHUB_ACTIONS") == "true" and not _logs_json(arguments)
    if annotates:  # to stderr: stdout may be a document
        annotate(error, sys.stderr, os.environ)


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether JSON was asked for, as far as a wrong command line can tell."""
    return _asked(arguments, FORMAT) == "json"


def _logs_json(arguments: Sequence[str]) -> bool:
    """Whether stderr is for machines only, also where the settings cannot be used; see `load_settings`."""
    from planner.settings import read_dotenv

    asked = _asked(arguments, LOG_FORMAT) or os.environ.get(LOG_TWIN, "").strip()
    if not asked:
        with contextlib.suppress(PlannerError):
            asked = read_dotenv(Path(".env")).get(LOG_TWIN, "").strip()
    return asked == "json"


def _asked(arguments: Sequence[str], option: str) -> str:
    """The value of an option on a command line that may be wrong; the last one counts, and none is empty."""
    found = ""
    for one, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if one == option:
            found = following
        elif one.startswith(f"{option}="):
            found = one.partition("=")[2]
    return found
