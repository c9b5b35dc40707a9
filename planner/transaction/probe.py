"""Ask every node something cheap, a few times: does it answer, and how fast?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.events import Event
from planner.model import Cell
from planner.results import Probe
from planner.transaction.cells import Reader
from planner.transaction.observe import scheduler_of
from planner.transaction.scheduler import per_node
from planner.verdict import Method, judge_list, judge_read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.model import Node, Policy
    from planner.transaction.machine import World
    from planner.transaction.scheduler import Task


def probe(
    nodes: tuple[Node, ...], groups: Mapping[str, str], tries: int, policy: Policy, world: World
) -> tuple[Probe, ...]:
    """Send `tries` requests to every node, one after the other and none of them twice; nothing is written.

    Args:
        nodes: whom to ask: for its list where it has one, otherwise for a group.
        groups: the id to ask for, by the node's name.
        tries: requests per node.
        policy: parallelism.
        world: the ports.

    Raises:
        RunInterrupted, Abandoned, LockLost: the run was stopped.
    """
    reader = Reader({node.name: node.dialect for node in nodes}, policy, world.clock)
    found: dict[str, Probe] = {}

    def look(node: Node) -> Task:
        lists = node.dialect.list_path is not None
        latencies, failures, listed = [], [], None
        cell = Cell("" if lists else groups[node.name], node.name)
        for _ in range(tries):
            began = world.clock.now()
            answer = yield reader.call(Method.LIST if lists else Method.READ, cell, 1)
            if lists:
                listing = judge_list(answer)
                why = listing.why if listing.groups is None else ""
                listed = listed if listing.groups is None else len(set(listing.groups))
            else:
                reading = judge_read(answer, node.dialect)
                why = reading.why if reading.presence is None else ""
            if why:
                failures.append(why)
            else:
                latencies.append(answer.tries[-1].at - began)
            world.reporter.emit(Event("progress", "", None, node.name))
        found[node.name] = Probe(node, tuple(latencies), tuple(failures), listed)

    world.reporter.emit(Event("phase", "probe", total=len(nodes) * tries))
    scheduler_of(world).run(per_node((look, nodes, lambda node: node.name)))
    return tuple(found[node.name] for node in nodes)
