"""`planner store`: what is about the store as a whole. `copy` makes a backup of it, or moves it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.cli.logs import LogReporter
from planner.cli.options import STORE_ONLY, Command, format_option, quiet_option, settings_options
from planner.cli.session import Session
from planner.errors import Interrupted, WrongUsage
from planner.events import Event
from planner.settings import STORE_TO, check_store, read_dotenv

if TYPE_CHECKING:
    from planner.ports import Reporter
    from planner.store.copying import Watcher


@click.group()
def command() -> None:
    """Copy the store of a cluster's history and locks: a backup, or a move to another database.

    \b
    Examples:
      planner store copy --to sqlite:////backup/planner.db
    """


@command.command(cls=Command, codes=(0, 1, 5, 64, 130))
@click.option(
    "--to",
    metavar="URL",
    help="Where to: an empty database, or a file that is not there yet; "
    f"`sqlite:///…` or `postgresql+psycopg://…`. With a password, set {STORE_TO} instead.",
)
@click.option(
    "--move",
    is_flag=True,
    help="Retire the store when the copy is there: it refuses every run from then on, and names the new one.",
)
@format_option
@quiet_option
@settings_options(STORE_ONLY)
def copy(*, to: str | None, move: bool, output: str, quiet: bool, **flags: str | None) -> None:
    """Copy the store to an empty place, whole and with its id, and compare both.

    It holds the lock of every cluster meanwhile, so that no run comes in between, reads one snapshot, and
    writes one transaction: a copy that failed or was stopped is none. Whatever is unfinished, set aside or
    watched is so in the copy, too.

    Without --move the copy is a backup. Two stores in use would contradict each other: use one only.

    \b
    Examples:
      planner store copy --to sqlite:////backup/planner.db
      planner store copy --move --to postgresql+psycopg://planner@db.internal/planner
      PLANNER_STORE_TO=postgresql+psycopg://… planner store copy --move --lock-timeout 5m
    """
    from planner.store.copying import copy_store

    with Session(flags, output, quiet=quiet) as session:
        url = _target(to)
        store = session.store(create=False)
        with session.view.reporter() as reporter:
            watcher = _watcher(session, LogReporter(reporter))
            result = copy_store(store, url, move=move, timeout=session.settings.lock_timeout, watcher=watcher)
        session.view.copied(result)


def _target(given: str | None) -> str:
    """The URL of the target: the flag, the environment, or .env. No message repeats it.

    Raises:
        WrongUsage: there is none, or it makes no sense.
    """
    found = (
        (given, "--to (flag)"),
        (os.environ.get(STORE_TO), f"{STORE_TO} (environment)"),
        (read_dotenv(Path(".env")).get(STORE_TO), f"{STORE_TO} (.env)"),
    )
    for text, place in found:
        if text and text.strip():
            try:
                return check_store(text.strip())
            except ValueError as error:
                raise WrongUsage("The target cannot be used", where=place, why=f"it {error}") from error
    raise WrongUsage("It is not said where to copy to", next=f"pass --to URL, or set {STORE_TO}")


def _watcher(session: Session, reporter: Reporter) -> Watcher:
    """Shows how the copy goes on, and ends it when a signal asks for that.

    While it waits for a lock, a signal ends the process, like that of any command that has written nothing.
    Once the copy is committed, none does: what it came to is told.
    """
    from planner.store.copying import Watcher

    def go_on() -> None:
        if session.control.check() is not None:
            raise Interrupted("Interrupted; nothing was copied")

    def phase(name: str, rows: int) -> None:
        session.control.keep_signals()
        go_on()
        reporter.emit(Event("phase", name, total=rows))

    def more(rows: int) -> None:
        go_on()
        reporter.emit(Event("progress", data={"parts": rows}))

    return Watcher(phase, more)
