"""One run of a command: the file, the settings, the store, the nodes and the signals."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from planner import __version__
from planner.cli import logs
from planner.clock import SystemClock
from planner.control import RunControl
from planner.errors import STANDARD_INPUT, FileInvalid, PlannerError, WrongUsage
from planner.inputs import read_file, read_standard_input
from planner.settings import load_settings, read_dotenv
from planner.views import open_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from planner.cli.watched import Watch
    from planner.model import Desired, Node
    from planner.nodes.lanes import Crew
    from planner.ports import Lease
    from planner.settings import Settings
    from planner.store.sqlstore import SqlStore
    from planner.transaction import World
    from planner.views import View

STDIN = "-"


class Session:
    """Everything that a command needs, built when it is asked for, and closed in the right order."""

    def __init__(
        self,
        flags: Mapping[str, str | None],
        output: str = "text",
        *,
        quiet: bool = False,
        events: bool = False,
        watched_as: str = "",
    ) -> None:
        """`watched_as`: the command, where machines may be told how it ended (`--summary` and others)."""
        self.exit_code = 0
        """Of a run that ends without an error: what its outlets tell."""
        self.settings: Settings = _settings(flags, watched_as)
        self.view = self._opened_view(output, quiet=quiet, events=events)
        self.clock = SystemClock()
        self._watch = self._watched(watched_as, output)
        if self._watch is not None:
            self.view = self._watch.view(self.view)
        self.control = RunControl(self.clock, self.settings.grace)
        self._stack = ExitStack()
        self._store: SqlStore | None = None
        self._read: dict[str, bytes] = {}
        self._desired: Desired | None = None
        self._crew: Crew | None = None
        self._warned: set[str] = set()

    def __enter__(self) -> Self:
        context = click.get_current_context(silent=True)
        logs.began(context.command_path.partition(" ")[2] if context else "", __version__)
        for warning in self.settings.warnings:
            self.view.warning(warning)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._watch is not None:
                self._watch.ask(self)
            self._stack.close()
        except BaseException as broken:
            error = broken
            raise
        finally:
            if self._watch is not None:
                with self.control.signals():  # it is told whatever comes, and takes a bounded time
                    self._watch.tell(self.exit_code, error)
            if error is not None:
                error.view = self.view  # type: ignore[attr-defined]  # shown where it becomes an exit code

    def _opened_view(self, output: str, *, quiet: bool, events: bool) -> View:
        """The view, and the log: what is on stderr is for people, or JSON Lines for machines."""
        settings = self.settings
        logs.configure(settings.log_level, settings.log_format)
        if settings.log_format == "json":
            from planner.cli.logview import open_log_view

            return open_log_view(output, quiet=quiet, events=events, color=settings.color)
        return open_view(
            output,
            color=settings.color,
            quiet=quiet,
            events=events,
            stdout=sys.stdout,
            stderr=sys.stderr,
            environ=os.environ,
        )

    def _watched(self, command: str, output: str) -> Watch | None:
        """The record of this run, where somebody wants it."""
        settings = self.settings
        wanted = settings.summary or settings.metrics_file or settings.pushgateway or settings.notify
        if not (command and wanted):
            return None
        from planner.cli.watched import Watch, outlets_of

        outlets = outlets_of(settings)
        outlets.check(output)
        return Watch(command, outlets, self.clock)

    # The file.

    @property
    def reads_stdin(self) -> bool:
        """Whether the file comes from standard input, which then cannot answer questions."""
        return self.settings.file == STDIN

    @property
    def known_file(self) -> Desired | None:
        """The file of the settings, if it was read and makes sense."""
        return self._desired

    def cluster_meant(self) -> str:
        """The cluster of a file that cannot be used, if the store knows it; else nothing.

        It is the one whose name can be read in the file. Where none can, it is the store's only one.
        """
        from planner.desired.outline import outline

        named = ""
        known: tuple[str, ...] = ()
        with suppress(PlannerError):  # there is no such file
            named = outline(self.text()).cluster
        with suppress(PlannerError):  # there is no store yet
            known = self.store(create=False).clusters()
        if not named and len(known) == 1:
            named = known[0]
        return named if named in known else ""

    def desired(self, file: str | None = None) -> Desired:
        """What the file of the settings asks for, or another one.

        Raises:
            FileInvalid: every problem at once.
            WrongUsage: nodes both in the file and in the environment.
        """
        from planner.desired import parse

        name = self.settings.file if file is None else file
        origin = STANDARD_INPUT if name == STDIN else name
        desired = parse(self.text(name), origin=origin, nodes_override=self.settings.nodes)
        if file is None:
            self._desired = desired
            logs.RUN.cluster = desired.cluster
        return desired

    def text(self, file: str | None = None) -> bytes:
        """The file of the settings, or another one, as it is; each is read once.

        Raises:
            FileInvalid: it cannot be read.
        """
        file = self.settings.file if file is None else file
        if file not in self._read:
            self._read[file] = _text(file)
        return self._read[file]

    def cluster(self, name: str | None) -> str:
        """The cluster's name: as given, or of the file, or the only one that the store knows.

        Raises:
            WrongUsage: it cannot be told.
        """
        if name:
            known = self.store(create=False).clusters()
            if name not in known:
                raise WrongUsage(
                    f"The store knows no cluster {name!r}",
                    why=f"it knows {', '.join(known) or 'none yet'}",
                    next="check --cluster and --store",
                )
            return name
        try:
            return self.desired().cluster
        except (FileInvalid, WrongUsage) as problem:
            known = self.store(create=False).clusters()
            if len(known) == 1:
                return known[0]
            raise WrongUsage(
                "It cannot be told which cluster is meant",
                why=f"{problem.what}; the store knows {', '.join(known) or 'no cluster'}",
                next="name it with --cluster",
            ) from problem

    # The ports.

    def store(self, *, create: bool = True) -> SqlStore:
        """The store, opened once."""
        if self._store is None:
            from planner.store import open_store

            self._store = self._stack.enter_context(open_store(self.settings.store, create=create))
            for remark in self._store.database.remarks:
                self.view.warning(remark)
            moved = self._store.moved()
            if moved is not None and not create:
                self.view.warning(str(moved))
        if create:
            self._store.check_here()
        return self._store

    @contextmanager
    def lock(self, cluster: str, command: str) -> Iterator[Lease]:
        """The right to write to a cluster; from now on nothing is sent without a young proof of it.

        Raises:
            Locked: another run has it, and kept it for the lock's time-out.
        """
        logs.RUN.cluster = cluster
        with self.store().lock(cluster, command, self.settings.lock_timeout) as lease:
            self.control.attach(lease)
            yield lease

    @contextmanager
    def world(
        self, nodes: tuple[Node, ...], *, writes: bool = False, reads: int | None = None
    ) -> Iterator[World]:
        """The ports over these nodes, with progress on the screen and signals heeded.

        Args:
            nodes: whom requests may go to.
            writes: whether any will. A signal never again ends the process then: 'nothing was changed' may
                be untrue.
            reads: about how many there will be, for those that workers may carry out; None where nobody but
                this process may: what a recovery sends must end with it.
        """
        from planner.access import Places
        from planner.cli.logs import LogReporter
        from planner.nodes import HttpNodes
        from planner.transaction import World

        s = self.settings
        self._warn_of_strangers(nodes)
        with ExitStack() as stack:
            reporter = LogReporter(stack.enter_context(self.view.reporter()))
            client = HttpNodes(
                nodes,
                connect_timeout=s.connect_timeout,
                read_timeout=s.read_timeout,
                retry_statuses=s.retry_status,
                backoff=s.backoff,
                backoff_max=s.backoff_max,
                parallelism=s.parallelism,
                clock=self.clock,
                permit=self.control.permit,
                on_retry=reporter.retried,
                places=Places(s.references, s.plan_key),
                crew=None if reads is None else self._crew_for(reads),
            )
            stack.enter_context(client)
            self.control.watch(client.wake)
            if writes:
                self.control.keep_signals()
            else:
                stack.enter_context(self.control.signals())
            port = client if self._watch is None else self._watch.nodes(client)
            yield World(port, self.clock, self.control, reporter, s.grace)

    def _warn_of_strangers(self, nodes: tuple[Node, ...]) -> None:
        """Warn, once in a run, of nodes whose certificate nobody looks at."""
        for node in nodes:
            if not node.tls.verify and node.name not in self._warned:
                self._warned.add(node.name)
                has = ", and be shown its credential" if node.credential or node.tls.certificate else ""
                self.view.warning(
                    f"{node.name}: its certificate is not looked at (`tls.verify: false`); anybody on the "
                    f"way can answer in its place{has}"
                )

    def _crew_for(self, reads: int) -> Crew | None:
        """Who carries requests out besides this process, or in its place; started once.

        Raises:
            WorkersMissing: the Dask cluster cannot be used.
        """
        if self._crew is None:
            from planner.cli.crews import crew_of

            self._crew = crew_of(self.settings, reads, self.control.horizon, self.clock, self._stack)
        return self._crew


def _settings(flags: Mapping[str, str | None], watched_as: str) -> Settings:
    try:
        return load_settings(flags, os.environ, read_dotenv(Path(".env")))
    except WrongUsage as wrong:
        if watched_as:
            from planner.cli.watched import tell_of_wrong_usage

            tell_of_wrong_usage(watched_as, wrong, flags)
        raise


def _text(file: str) -> bytes:
    from planner.desired.tree import MAX_BYTES

    standard = file == STDIN
    try:
        return read_standard_input(MAX_BYTES) if standard else read_file(Path(file), MAX_BYTES)
    except OSError as error:
        raise FileInvalid(
            f"{STANDARD_INPUT if standard else file} cannot be read",
            why=error.strerror or str(error),
            next="write one with `planner init`, or name another with --file"
            if isinstance(error, FileNotFoundError)
            else "check what it is and who may read it, or name another with --file (`-` is standard input)",
        ) from error
