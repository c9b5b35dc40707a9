"""What a shell may offer for a value: names of the file, numbers of the store. For options' `shell_complete`.

A person sits at a prompt: whatever goes wrong, nothing is offered and nothing is printed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from planner.scope import WILDCARDS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from planner.desired.outline import Outline
    from planner.settings import Settings
    from planner.store.glance import Glance

Offers = Iterable[tuple[str, str]]
"""Values, each with what is said about it where a shell can show that."""

Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]

MAX_BYTES = 2 * 1024 * 1024
"""A file beyond this size takes too long to read at a prompt."""


class _Prompt(NamedTuple):
    """Where the user stopped: what the line says so far, and the beginning of a value."""

    ctx: click.Context
    incomplete: str


def _completer(offer: Callable[[_Prompt], Offers]) -> Completer:
    """Offer those values that go on where the user stopped."""

    @wraps(offer)
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        try:
            offers = list(offer(_Prompt(ctx, incomplete)))
        except Exception:  # noqa: BLE001  (a half-written file, a store that is being made, …: offer nothing)
            return []
        return [
            CompletionItem(value, "nospace" if value.endswith(("=", "/")) else "plain", about or None)
            for value, about in offers
            if value.startswith(incomplete) and value.isprintable()
        ]

    return complete


@_completer
def complete_groups(prompt: _Prompt) -> Offers:
    """Ids of groups, for patterns: one with wildcards is complete, and an id with them is none."""
    if WILDCARDS & set(prompt.incomplete):
        return ()
    return ((group, "") for group in _outline(prompt.ctx).groups if not WILDCARDS & set(group))


@_completer
def complete_nodes(prompt: _Prompt) -> Offers:
    """Names of nodes, in the file or in PLANNER_NODES; also for patterns."""
    return _outline(prompt.ctx).nodes


@_completer
def complete_cells(prompt: _Prompt) -> Offers:
    """``NODE/GROUP``: first the node, then the group."""
    outline = _outline(prompt.ctx)
    name, slash, _ = prompt.incomplete.partition("/")
    if not slash:
        return ((f"{node}/", url) for node, url in outline.nodes)
    known = name in dict(outline.nodes)
    return ((f"{name}/{group}", "") for group in outline.groups if known)


@_completer
def complete_node_urls(prompt: _Prompt) -> Offers:
    """``NAME=``: where the node is now, only the user knows."""
    return ((f"{node}=", url) for node, url in _outline(prompt.ctx).nodes)


@_completer
def complete_transactions(prompt: _Prompt) -> Offers:
    """Numbers of past transactions, newest first."""
    return ((str(t.number), f"{t.command}, {t.state}, {t.started}") for t in _transactions(prompt.ctx))


@_completer
def complete_applied(prompt: _Prompt) -> Offers:
    """Numbers of past transactions that can be undone, newest first."""
    return (
        (str(t.number), f"{t.command}, {t.started}")
        for t in _transactions(prompt.ctx)
        if t.state == "applied"
    )


@_completer
def complete_clusters(prompt: _Prompt) -> Offers:
    """Names of clusters that the store knows transactions of."""
    return ((name, "") for name in dict.fromkeys(t.cluster for t in _glance(prompt.ctx)))


def _transactions(ctx: click.Context) -> Iterable[Glance]:
    """Those of the cluster that is meant; of all where that cannot be told."""
    cluster = ctx.params.get("cluster") or _outline(ctx).cluster
    return [each for each in _glance(ctx) if not cluster or each.cluster == cluster]


def _glance(ctx: click.Context) -> tuple[Glance, ...]:
    from planner.store.glance import glance

    return glance(_settings(ctx).store)


def _settings(ctx: click.Context) -> Settings:
    from planner.settings import load_settings, read_dotenv

    flags = {name: ctx.params.get(name) for name in ("file", "store")}
    return load_settings(flags, os.environ, read_dotenv(Path(".env")))


def _outline(ctx: click.Context) -> Outline:
    """The names in the file that this command line would read; none where it is not a plain file."""
    from planner.desired import parse_nodes
    from planner.desired.outline import Outline, outline

    settings = _settings(ctx)
    path = Path(settings.file)
    small = path.is_file() and path.stat().st_size <= MAX_BYTES
    found = outline(path.read_bytes()) if small else Outline()
    if not settings.nodes:
        return found
    return found._replace(nodes=tuple((node.name, node.url) for node in parse_nodes(settings.nodes)))
