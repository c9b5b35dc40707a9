"""One node: what it holds, what it answers, which fault strikes. Pure, but for its seeded luck."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from planner.simulator.content import problem_of_id
from planner.simulator.faults import FALSE_404, METHODS, FaultPlan, Strike, pick

if TYPE_CHECKING:
    from collections.abc import Iterable

COLLECTION: Final = b"/v1/group/"

# What a write did, as the log tells it.
CREATED, DELETED, NOTHING, PENDING = "created", "deleted", "none", "pending"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the node understood it.

    Attributes:
        method: GET, POST or DELETE.
        group: the id; None for a list, and for a write with a body that makes no sense.
    """

    method: str
    group: str | None

    @property
    def is_write(self) -> bool:
        """Whether the request can change the node."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the node did and answers: the status, `CREATED`, `DELETED` or `NOTHING`, and the body."""

    status: int
    effect: str = NOTHING
    body: bytes = b""


def _error(status: int, text: str) -> Reply:
    return Reply(status, body=json.dumps({"error": text}).encode())


_CREATED: Final = Reply(201, CREATED)
_DELETED: Final = Reply(200, DELETED)
_EXISTS: Final = _error(400, "the group exists")
_BAD_BODY: Final = _error(400, 'the body must be {"groupId": "<id>"}')
_NO_GROUP: Final = _error(404, "no such group")
NO_PATH: Final = _error(404, "no such path")
NO_METHOD: Final = _error(405, "method not allowed")


class Node:
    """The records and the luck of one node.

    Its luck is one draw for each request, in the order of their arrival, from a generator seeded with
    ``seed/name``: the same requests in the same order meet the same faults.
    """

    __slots__ = ("_groups", "_luck", "_strikes", "name")

    def __init__(self, name: str, seed: int, groups: Iterable[str] = ()) -> None:
        self.name = name
        self._groups = set(groups)
        self._luck = Random(f"{seed}/{name}")  # faults are no secret  # nosec B311
        self._strikes: dict[str, tuple[Strike, ...]] = {}

    def set_faults(self, plan: FaultPlan) -> None:
        """Let `plan` decide from the next request on; the draws go on where they were."""
        self._strikes = {method: plan.strikes(self.name, method) for method in METHODS}

    def meet(self, call: Call) -> Strike | None:
        """Draw once, and return what strikes this request."""
        draw = self._luck.random()
        strikes = self._strikes.get(call.method)
        strike = pick(strikes, draw) if strikes else None
        if strike is not None and strike.fault.name == FALSE_404 and call.group not in self._groups:
            return None  # nothing to lie about
        return strike

    def perform(self, call: Call) -> Reply:
        """Do what the request asks for, at once and truly."""
        group = call.group
        if call.method == "GET":
            if group is None:
                return Reply(200, body=json.dumps({"groupIds": self.groups()}).encode())
            if group not in self._groups:
                return _NO_GROUP
            return Reply(200, body=json.dumps({"groupId": group}).encode())
        if group is None:
            return _BAD_BODY
        if call.method == "POST":
            if group in self._groups:
                return _EXISTS
            self._groups.add(group)
            return _CREATED
        if group not in self._groups:
            return _NO_GROUP
        self._groups.remove(group)
        return _DELETED

    def change(self, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Change the content without a request; what is there already, or missing already, is fine."""
        self._groups.difference_update(remove)
        self._groups.update(add)

    def replace(self, groups: Iterable[str]) -> None:
        """Hold exactly these groups, without a request."""
        self._groups = set(groups)

    def groups(self) -> tuple[str, ...]:
        """Return the ids, sorted."""
        return tuple(sorted(self._groups))


def group_of_path(raw_path: bytes) -> str | None:
    """Return the id in the raw path of a group; None for a path that no group can have.

    The path is taken as it came over the wire: the id is one segment, percent-encoded, followed by a slash.
    """
    if not raw_path.startswith(COLLECTION) or not raw_path.endswith(b"/"):
        return None
    segment = raw_path[len(COLLECTION) : -1]
    if not segment or b"/" in segment:
        return None
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        return None


def group_of_body(body: bytes) -> str | None:
    """Return the id in the body of a write; None for a body that makes no sense."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    group = content.get("groupId") if isinstance(content, dict) else None
    return group if isinstance(group, str) and problem_of_id(group) is None else None
