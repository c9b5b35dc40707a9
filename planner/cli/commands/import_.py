"""`planner import`: write a groups.yaml from what a cluster holds."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.cli.files import check_place, write_public
from planner.cli.options import NODES_ONLY, Command, format_option, quiet_option, settings_options
from planner.cli.session import STDIN, Session
from planner.errors import FileInvalid, NodesUnreadable, PlannerError, WrongUsage
from planner.hints import OTHER_LIST
from planner.inputs import MIB, read_standard_input
from planner.model import Presence
from planner.words import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.model import Desired
    from planner.results import Imported

MAX_IDS = 10 * MIB
"""Bytes of ids on standard input: as many as a file of groups may hold."""


@click.command(cls=Command)
@click.argument("groups", metavar="[GROUP]...", nargs=-1)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option("--name", metavar="NAME", help="Start a new file for a cluster of this name and PLANNER_NODES.")
@click.option("--list-path", metavar="PATH", help="With --name: the path that lists all groups.")
@click.option("--list-field", metavar="FIELD", help="With --list-path: where in the answer the ids are.")
@format_option
@quiet_option
@settings_options(NODES_ONLY)
def command(
    *,
    groups: tuple[str, ...],
    out: Path | None,
    force: bool,
    name: str | None,
    list_path: str | None,
    list_field: str | None,
    output: str,
    quiet: bool,
    **flags: str | None,
) -> None:
    """Write a groups.yaml from what a cluster holds. Changes no node, and takes no lock.

    Without GROUP every node is asked for its list (`cluster.api.list`), and the file gets every group that
    exists: one that only some nodes hold is written with their names. All else of --file stays. With GROUP
    (`-`: one id a line from standard input) these are read on every node, and added to the file. The next
    `planner plan` shows nothing but adoptions then.

    \b
    Examples:
      planner import --name production --list-path /v1/group/ --out groups.yaml
      planner import -f groups.yaml
      planner import foo.bar payments --out groups.yaml --force
    """
    from planner.app.importing import holdings

    if out is not None and out.exists() and not force:
        raise PlannerError(
            f"{out} exists, and nothing was written", next="name another file with --out, or pass --force"
        )
    check_place([out] if out else [])
    with Session(flags, output, quiet=quiet) as session:
        desired, text = _start(session, name, list_path, list_field)
        named = _ids(groups, stdin_taken=name is None and session.reads_stdin)
        try:
            with session.world(desired.nodes) as world:
                result = holdings(desired, named, session.settings.policy(), world)
        except NodesUnreadable as error:
            if name is not None and all(OTHER_LIST in detail for detail in error.details):
                error.next = "say with --list-path and --list-field where the ids are; then try again"
            raise
        written = _text(result, desired, text, session.settings.nodes, adds=bool(named))
        if out is not None:
            write_public(out, (written,))
        for remark in _remarks(result, desired, adds=bool(named)):
            session.view.warning(remark)
        session.view.imported(result, written, str(out) if out else None)
        if out is not None:
            named_file = "" if out == Path("groups.yaml") else f" --file {shlex.quote(str(out))}"
            session.view.info(f"See what an apply would adopt: planner plan{named_file}")


def _start(
    session: Session, name: str | None, list_path: str | None, list_field: str | None
) -> tuple[Desired, bytes]:
    """The file to start from: the user's own, or a new one without groups."""
    if name is None:
        if list_path is not None or list_field is not None:
            raise WrongUsage(
                "--list-path and --list-field are for a new file",
                next="set `cluster.api.list` in the file, or start a new one with --name",
            )
        try:
            return session.desired(), session.text()
        except FileInvalid as error:
            if session.reads_stdin or Path(session.settings.file).exists():
                raise
            raise WrongUsage(
                "It cannot be told which cluster is meant",
                why=error.what,
                next="name its file with --file, or set PLANNER_NODES and start a new one with --name",
            ) from error
    if list_field is not None and list_path is None:
        raise WrongUsage("--list-field needs --list-path")
    return _new(session, name, list_path and (list_path, list_field or ""))


def _new(session: Session, name: str, listing: tuple[str, str] | str | None) -> tuple[Desired, bytes]:
    from planner.desired import parse
    from planner.desired.writing import new_file

    if not (session.settings.nodes or "").strip():
        raise WrongUsage(
            "A new file needs the nodes of the cluster", next="set PLANNER_NODES=name=url,name=url"
        )
    text = new_file(name, listing=listing if isinstance(listing, tuple) else None)
    try:
        return parse(text, origin="the new file", nodes_override=session.settings.nodes), text.encode()
    except FileInvalid as error:
        raise WrongUsage(
            "--name, --list-path or --list-field cannot be used", details=error.details
        ) from error


def _ids(groups: tuple[str, ...], *, stdin_taken: bool) -> tuple[str, ...]:
    """The ids that are asked for, each once.

    Raises:
        WrongUsage: one of them can stand in no file, or standard input is the file already, or is empty.
    """
    from planner.desired import id_problem

    ids: list[str] = []
    for group in groups:
        ids += _lines(stdin_taken=stdin_taken) if group == STDIN else [group]
    if groups and not ids:
        raise WrongUsage("Standard input names no group")
    wrong = [f"{group!r}: {problem}" for group in ids if (problem := id_problem(group))]
    if wrong:
        raise WrongUsage("These are no ids of groups", details=wrong)
    return tuple(dict.fromkeys(ids))


def _lines(*, stdin_taken: bool) -> Iterator[str]:
    if stdin_taken:
        raise WrongUsage("Standard input is the file already", next="name the file with --file")
    try:
        text = read_standard_input(MAX_IDS).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongUsage("Standard input is not UTF-8") from error
    except OSError as error:
        raise WrongUsage("Standard input cannot be read", why=error.strerror or str(error)) from error
    yield from filter(None, map(str.strip, text.split("\n")))


def _text(result: Imported, desired: Desired, text: bytes, nodes: str | None, *, adds: bool) -> str:
    from planner.desired.writing import with_groups, with_more_groups

    write = with_more_groups if adds else with_groups
    return write(text, desired, result.groups, nodes_override=nodes)


def _remarks(result: Imported, desired: Desired, *, adds: bool) -> Iterator[str]:
    """What the user should know before the file is applied."""
    if result.partial:
        yield (
            f"on some nodes only, and written so: {named(result.partial)}; look whether that is drift before "
            "you apply"
        )
    if result.absent:
        yield f"on no node, and not written: {named(result.absent)}"
    if result.unnamed:
        yield f"not written, since no file can hold such ids: {named(map(repr, result.unnamed))}"
    found = {group for group, _ in result.groups}
    declared = {group.id: group for group in desired.groups}
    if adds:
        known = [group for group, _ in result.groups if group in declared]
        if known:
            yield f"in {desired.origin} already, and left as they are: {named(known)}"
        return
    gone = [each.id for each in declared.values() if each.state is Presence.PRESENT and each.id not in found]
    if gone:
        yield f"declared in {desired.origin}, on no node, and not written: {named(gone)}"
    unwanted = [each.id for each in declared.values() if each.state is Presence.ABSENT and each.id in found]
    if unwanted:
        yield (
            f"`state: absent` in {desired.origin}, there all the same, and written as present: "
            f"{named(unwanted)}"
        )
