"""`planner.ports.Nodes` over HTTP: requests and urllib3 live here, and nowhere else.

::

    client.py    HttpNodes: room, submit, wait, revoke; batches of calls to lanes, one answer per call
    traffic.py   how many requests a node gets at once
    lanes.py     where batches are carried out: threads, spawned processes, other machines
    mailbox.py   answers from many threads to one, and a bell for signal handlers
    caller.py    carries calls out, in the thread that asks for it
    worker.py    what a worker process does
    processes.py worker processes of this machine
    dask.py      worker processes of a Dask cluster
    exchange.py  one call from its first try to its answer: redirects, bodies, broken answers
    credentials.py  what a node is shown;  tls.py: how it is known
    wire.py      Dialect + call -> the request, byte for byte
    known.py     answers with an ETag, for conditional reads
    body.py      a read's answer -> Body, or the fault that makes it useless
    retry.py     urllib3's Retry with the ledger, the permit and pauses that can be interrupted
    ledger.py    every try of one call: how it ended, and whether it may have reached the node
    adapter.py   the way to every node, and connections that report to the ledger
    deadline.py  answers that must be complete in time, however slowly they drip
    failures.py  a library's errors in a user's words

Importing this package is cheap: requests is imported with the first use of a name of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.nodes.client import HttpNodes

__all__ = ["HttpNodes"]


def __getattr__(name: str) -> Any:
    if name == "HttpNodes":
        from planner.nodes.client import HttpNodes

        return HttpNodes
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
