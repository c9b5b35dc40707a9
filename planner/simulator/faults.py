"""Faults by name and rate: what they are, how they are written, which of them strikes. Pure.

A specification is a list of rules, separated by commas or line breaks::

    error-before=0.1, error-after=0.1@503, late=0.05@1.5
    node02:POST:error-before=1, GET:false-404=0.01, node03:refuse=1

A rule is ``[node:][METHOD:]fault=rate[@value]``; node and method may come in either order.
`rate` is the share of the requests that the fault strikes, from 0 to 1; `value` is what the fault's
line in `FAULTS` says (seconds, or a status). One request meets one fault at most:

- The rates of one scope may add up to 1, not more.
- A narrower scope comes first (node and method, then node, then method, then everywhere); what it
  leaves of 1 is for the wider ones.
- The same fault in a narrower scope replaces the wider one: ``late=0.1,node02:late=0`` spares node02.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from planner.simulator.errors import FaultSpecError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

METHODS: Final = ("GET", "POST", "DELETE")
NO_FAULTS: Final = "none"
_RULE: Final = re.compile(
    r"(?P<scope>(?:[^:=@\s]+:)*)(?P<name>[^:=@\s]+)\s*=\s*(?P<rate>[^@\s]+)(?:@(?P<value>\S+))?"
)
_ROUNDING: Final = 1e-9
_STATUS_MIN, _STATUS_MAX = 400, 599


class Effect(enum.Enum):
    """When a struck write takes effect."""

    NEVER = "never"
    NOW = "now"
    LATER = "later"


class Answer(enum.Enum):
    """What the client of a struck request gets."""

    TRUE = "true"  # what the node would have answered anyway
    STATUS = "status"
    NOTHING = "nothing"  # until the client leaves
    RESET = "reset"  # a TCP RST


class Value(enum.Enum):
    """What stands behind the @ of a rule."""

    NONE = "no value"
    SECONDS = "seconds"
    RETRY_AFTER = "whole seconds"
    STATUS = f"a status from {_STATUS_MIN} to {_STATUS_MAX}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a node misbehaves.

    Attributes:
        name: as written in a specification.
        effect: when a write takes effect (a GET never has one).
        answer: what the client gets.
        help: one line for the user.
        status: of the answer, where `answer` is a status and `value` is not one.
        value: what may follow the @.
        default: of the value; None where the fault works without.
        methods: those that it can strike.
    """

    name: str
    effect: Effect
    answer: Answer
    help: str
    status: int | None = None
    value: Value = Value.NONE
    default: float | None = None
    methods: tuple[str, ...] = METHODS


FALSE_404: Final = "false-404"
REFUSE: Final = "refuse"
RESET: Final = "reset"

_FAULTS: Final = (
    Fault("error-before", Effect.NEVER, Answer.STATUS, "500 before any effect; @ another status",
          value=Value.STATUS, default=500),
    Fault("error-after", Effect.NOW, Answer.STATUS, "takes effect, then 500; @ another status",
          value=Value.STATUS, default=500),
    Fault("hang-before", Effect.NEVER, Answer.NOTHING, "no effect, and no answer until the client leaves"),
    Fault("hang-after", Effect.NOW, Answer.NOTHING, "takes effect, and no answer until the client leaves"),
    Fault("late", Effect.LATER, Answer.NOTHING,
          "no answer; takes effect @ seconds (0.3) after the client has left",
          value=Value.SECONDS, default=0.3),
    Fault("late-error", Effect.LATER, Answer.STATUS,
          "500 at once; takes effect @ seconds (0.3) after that",
          status=500, value=Value.SECONDS, default=0.3),
    Fault("reset-before", Effect.NEVER, Answer.RESET, "connection reset (RST), no effect"),
    Fault("reset-after", Effect.NOW, Answer.RESET, "takes effect, then connection reset (RST)"),
    Fault(RESET, Effect.NEVER, Answer.RESET, "reset-before or reset-after, half the rate each"),
    Fault("rate-limit", Effect.NEVER, Answer.STATUS, "429 with Retry-After: @ whole seconds (1)",
          status=429, value=Value.RETRY_AFTER, default=1),
    Fault("unavailable", Effect.NEVER, Answer.STATUS, "503; with Retry-After where @ whole seconds are given",
          status=503, value=Value.RETRY_AFTER),
    Fault(FALSE_404, Effect.NEVER, Answer.STATUS, "a GET of a group that exists answers 404",
          status=404, methods=("GET",)),
    Fault("slow", Effect.NOW, Answer.TRUE, "takes effect at once, answers truly after @ seconds (0.5)",
          value=Value.SECONDS, default=0.5),
    Fault(REFUSE, Effect.NEVER, Answer.RESET, "the node does not listen: rate 0 or 1, no method"),
)  # fmt: skip

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType({fault.name: fault for fault in _FAULTS})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a specification: `fault` strikes the share `rate` of what the scope covers."""

    fault: Fault
    rate: float
    value: float | None = None
    node: str | None = None
    method: str | None = None

    def __str__(self) -> str:
        scope = "".join(f"{part}:" for part in (self.node, self.method) if part is not None)
        value = "" if self.value is None else f"@{self.value:g}"
        return f"{scope}{self.fault.name}={self.rate:g}{value}"

    def covers(self, node: str, method: str) -> bool:
        """Tell whether a request of this method to this node can meet the fault."""
        return self.node in (None, node) and self.method in (None, method) and method in self.fault.methods

    @property
    def width(self) -> int:
        """How wide the scope is; a narrower one goes first."""
        return (self.node is None) * 2 + (self.method is None)


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that strikes the draws below `below` (and at or above the one before it)."""

    below: float
    fault: Fault
    value: float | None

    @property
    def status(self) -> int:
        """The status of the answer.

        Raises:
            ValueError: the fault does not answer with a status of its own.
        """
        if self.fault.value is Value.STATUS and self.value is not None:
            return int(self.value)
        if self.fault.status is None:
            raise ValueError(f"{self.fault.name} has no status")
        return self.fault.status

    @property
    def seconds(self) -> float:
        """The delay of a late effect or a slow answer; 0 where the fault has none."""
        return self.value if self.fault.value is Value.SECONDS and self.value is not None else 0.0

    @property
    def retry_after(self) -> int | None:
        """The value of the header Retry-After; None for none."""
        return int(self.value) if self.fault.value is Value.RETRY_AFTER and self.value is not None else None


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All rules of a specification. ``str(plan)`` can be parsed again, and means the same."""

    rules: tuple[Rule, ...] = ()

    def __str__(self) -> str:
        return ",".join(map(str, self.rules)) or NO_FAULTS

    def strikes(self, node: str, method: str) -> tuple[Strike, ...]:
        """Return what can strike a request, with growing `below`, for `pick`."""
        taken: set[str] = set()
        found: list[Strike] = []
        below = 0.0
        for rule in sorted(self.rules, key=lambda rule: rule.width):
            if not rule.covers(node, method) or rule.fault.name in taken or rule.fault.name == REFUSE:
                continue
            taken.add(rule.fault.name)
            for fault, rate in _halves(rule):
                if rate > 0 and below < 1:
                    below = _at_most_one(below + rate)
                    found.append(Strike(below, fault, fault.default if rule.value is None else rule.value))
        return tuple(found)

    def refuses(self, node: str) -> bool:
        """Tell whether the node does not listen."""
        for rule in sorted(self.rules, key=lambda rule: rule.width):
            if rule.fault.name == REFUSE and rule.node in (None, node):
                return rule.rate > 0
        return False


def pick(strikes: Sequence[Strike], draw: float) -> Strike | None:
    """Return what strikes at this draw (0 ≤ draw < 1); None for an untroubled request."""
    for strike in strikes:
        if draw < strike.below:
            return strike
    return None


def parse_faults(spec: str, nodes: Iterable[str]) -> FaultPlan:
    """Read a specification (the module's docstring shows it); an empty one, or ``none``, means no faults.

    Args:
        spec: the text.
        nodes: the names that a scope may use.

    Raises:
        FaultSpecError: with every problem of the text.
    """
    names = tuple(nodes)
    rules: list[Rule] = []
    problems: list[str] = []
    for text in filter(None, map(str.strip, re.split(r"[,\n]", spec))):
        if text == NO_FAULTS:
            continue
        try:
            rules.append(_parse_rule(text, names))
        except FaultSpecError as error:
            problems.extend(error.problems)
    problems.extend(_twice(rules) or _too_much(rules))
    if problems:
        raise FaultSpecError(problems)
    return FaultPlan(tuple(rules))


def _parse_rule(text: str, nodes: tuple[str, ...]) -> Rule:
    found = _RULE.fullmatch(text)
    if found is None:
        raise FaultSpecError([f"{text!r}: write [node:][METHOD:]fault=rate[@value]"])
    fault = FAULTS.get(found["name"])
    if fault is None:
        known = ", ".join(FAULTS)
        hint = suggestion(found["name"], FAULTS)
        raise FaultSpecError([f"unknown fault {found['name']!r}{hint} Known faults: {known}"])
    node, method = _parse_scope(text, found["scope"], nodes)
    rate, value = _parse_rate(text, found["rate"]), _parse_value(text, fault, found["value"])
    if method is not None and method not in fault.methods:
        raise FaultSpecError([f"{text!r}: {fault.name} strikes only {', '.join(fault.methods)}"])
    if fault.name == REFUSE and (method is not None or rate not in (0, 1)):
        raise FaultSpecError([f"{text!r}: write {REFUSE}=1 or {REFUSE}=0, without a method"])
    return Rule(fault, rate, value, node, method)


def _parse_scope(text: str, scope: str, nodes: tuple[str, ...]) -> tuple[str | None, str | None]:
    node: str | None = None
    method: str | None = None
    for part in scope.split(":")[:-1]:
        if part in nodes and node is None:
            node = part
        elif part.upper() in METHODS and method is None:
            method = part.upper()
        elif part in nodes or part.upper() in METHODS:
            raise FaultSpecError([f"{text!r}: one node and one method at most"])
        else:
            hint = suggestion(part, (*nodes, *METHODS))
            known = ", ".join((*nodes, *METHODS))
            raise FaultSpecError([f"{text!r}: unknown node or method {part!r}{hint} Known: {known}"])
    return node, method


def _parse_rate(text: str, written: str) -> float:
    rate = _number(written)
    if rate is None or not 0 <= rate <= 1:
        raise FaultSpecError([f"{text!r}: a rate is a number from 0 to 1, not {written!r}"])
    return rate


def _parse_value(text: str, fault: Fault, written: str | None) -> float | None:
    if written is None:
        return None
    number = _number(written)
    if number is None or not _fits(fault.value, number):
        expected = fault.value.value
        raise FaultSpecError([f"{text!r}: {fault.name} takes {expected} after the @, not {written!r}"])
    return number


def _fits(value: Value, number: float) -> bool:
    match value:
        case Value.NONE:
            return False
        case Value.SECONDS:
            return number >= 0
        case Value.RETRY_AFTER:
            return number >= 0 and number.is_integer()
        case Value.STATUS:
            return number in range(_STATUS_MIN, _STATUS_MAX + 1)


def _number(written: str) -> float | None:
    try:
        number = float(written)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _twice(rules: Sequence[Rule]) -> list[str]:
    seen: set[tuple[str, str | None, str | None]] = set()
    problems = []
    for rule in rules:
        key = (rule.fault.name, rule.node, rule.method)
        if key in seen:
            problems.append(f"'{rule}': the same fault is given twice for the same scope")
        seen.add(key)
    return problems


def _too_much(rules: Sequence[Rule]) -> list[str]:
    totals: dict[tuple[str | None, str | None], dict[str, float]] = {}
    for rule in rules:
        if rule.fault.name == REFUSE:
            continue
        total = totals.setdefault((rule.node, rule.method), dict.fromkeys(METHODS, 0.0))
        for method in rule.fault.methods:
            total[method] += rule.rate
    sums = {":".join(filter(None, scope)): max(total.values()) for scope, total in totals.items()}
    return [
        f"{scope or 'every request'}: the rates add up to {total:g}, above 1"
        for scope, total in sums.items()
        if total > 1 + _ROUNDING
    ]


def _halves(rule: Rule) -> list[tuple[Fault, float]]:
    if rule.fault.name != RESET:
        return [(rule.fault, rule.rate)]
    return [(FAULTS["reset-before"], rule.rate / 2), (FAULTS["reset-after"], rule.rate / 2)]


def _at_most_one(total: float) -> float:
    """Ten times 0.1 is a little less than 1: rounding must not leave a gap."""
    return 1.0 if total > 1 - _ROUNDING else total
