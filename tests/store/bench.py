"""What a contract test needs of an implementation, and builders for what it stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from planner.access import Credential, Scheme, Tls
from planner.model import Action, Cell, Dialect, Node, Policy, Step, StepState
from planner.ports import CellMark, Intent, Store
from planner.store.waiting import Time

WALL = "2026-01-02T03:04:05Z"


class Moments:
    """A wall clock that a test sets, and a monotonic one that only pauses move."""

    def __init__(self) -> None:
        self.wall = WALL
        self.at = 0.0
        self.pauses: list[float] = []
        self.while_pausing: Callable[[], None] = lambda: None

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.at += seconds
        self.while_pausing()

    def time(self) -> Time:
        return Time(now=lambda: self.at, pause=self.pause, wall=lambda: self.wall)


@dataclass
class Bench:
    """One implementation, with an empty store.

    Attributes:
        kind: which.
        open: opens that store, once more at every call, as another process would.
        raise_epoch: does what a grant to another run does to the epoch of a cluster.
        moments: the time of every store that `open` gives.
        url: for implementations that have one.
    """

    kind: str
    open: Callable[[], Store]
    raise_epoch: Callable[[str], None]
    moments: Moments = field(default_factory=Moments)
    url: str = ""


NODES = (
    Node("n1", "http://n1"),
    Node(
        "n2", "http://n2:81", labels=(("zone", "a"),), credential=Credential(Scheme.BASIC, "env:TOKEN", "me"),
        tls=Tls(certificate="file:/run/tls.pem", verify=False),
        dialect=Dialect(path="/v2", missing=(404, 410), list_path="/all", headers=(("X-A", "b"),)),
    ),
)  # fmt: skip
STEPS = (
    Step(1, Action.CREATE, Cell("g", "n1"), "declared"),
    Step(2, Action.CREATE, Cell("g", "n2"), "declared"),
    Step(3, Action.DELETE, Cell("old", "n1"), "no longer declared"),
)


def intent(digest: str = "d1", steps: tuple[Step, ...] = STEPS) -> Intent:
    policy = Policy(parallelism=3, settle=1.5)
    return Intent("apply", NODES, steps, policy, digest, "src", ("deletes=1",), '{"é": 1}')


def mark(number: int, state: StepState, **more: object) -> CellMark:
    return CellMark(number, state, **more)  # type: ignore[arg-type]
