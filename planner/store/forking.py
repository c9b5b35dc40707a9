"""A forked child must not keep its parent's locks alive: it lets go of them at once.

A started program never gets them, since every descriptor is close-on-exec.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

gate = threading.Lock()
"""Held while something is opened and registered: a fork waits until both are done."""


class Inherited(Protocol):
    """Holds a descriptor that must not live on in a child."""

    def forget(self) -> None:
        """In the child: let go of the descriptor, in such a way that the parent keeps what it has."""


_inherited: weakref.WeakSet[Inherited] = weakref.WeakSet()


def register(thing: Inherited) -> None:
    """From now on a child forgets `thing`. Called with the `gate` held."""
    _inherited.add(thing)


def unregister(thing: Inherited) -> None:
    """There is nothing to forget any more."""
    _inherited.discard(thing)


def _in_child() -> None:
    gate.release()
    for thing in tuple(_inherited):
        thing.forget()
    _inherited.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=gate.acquire, after_in_parent=gate.release, after_in_child=_in_child)
