"""Plans as versioned JSON, with a digest that finds damage (not forgery). Pure: text in, text out."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from planner.access import NO_TLS, Tls, credential_of
from planner.errors import StalePlan
from planner.jsontext import CANONICAL, Rows, canonical, laid_out, plain, strict
from planner.model import Action, Cell, Dialect, Limits, Node, Plan, Presence, Refusal, Seen, Step
from planner.scope import PlanScope, Scope, pattern_problem
from planner.typed import misfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FORMAT = "planner.plan"
VERSION = 1
UNSENDABLE = frozenset({"", ".", ".."})
"""Ids that cannot be one segment of a path: the request would be about another resource."""
CONTRACT = Dialect()


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """The plan as plain JSON data; the order of keys is fixed."""
    return plain(_body(plan))


def _body(plan: Plan) -> dict[str, Any]:
    """The same, with `Rows` for what there may be a million of."""
    part = {} if plan.scope is None else {"scope": asdict(plan.scope)}
    return {
        "cluster": plan.cluster,
        "store": plan.store,
        "serial": plan.serial,
        "source": plan.source,
        "created": plan.created,
        "nodes": [node_to_dict(node) for node in plan.nodes],
        "steps": Rows(_step_to_dict, plan.steps),
        "adopts": Rows(Cell._asdict, plan.adopts),
        "forgets": Rows(Cell._asdict, plan.forgets),
        "kept": Rows(Cell._asdict, plan.kept),
        "bystanders": Rows(_seen_to_dict, plan.bystanders),
        "protects": list(plan.protects),
        "unprotects": list(plan.unprotects),
        "base": plan.base,
        "limits": {
            "max_deletes": plan.limits.max_deletes,
            "max_delete_percent": plan.limits.max_delete_percent,
            "max_creates": plan.limits.max_creates,
        },
        "refusals": [asdict(refusal) for refusal in plan.refusals],
        "warnings": list(plan.warnings),
        "allowances": list(plan.allowances),
        **part,
    }


def _step_to_dict(step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "action": step.action.value,
        "group": step.cell.group,
        "node": step.cell.node,
        "reason": step.reason,
    }


def _seen_to_dict(seen: Seen) -> dict[str, str]:
    return {"group": seen.cell.group, "node": seen.cell.node, "presence": seen.presence.value}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A plan as canonical JSON, in one line with sorted keys, and the digest of that."""

    canonical: str
    digest: str

    def line(self) -> str:
        """What `load_plan` reads, in one line, for the journal; only the order of labels is lost."""
        head = f'"format":"{FORMAT}","version":{VERSION},"digest":"{self.digest}"'
        return f'{{{head},"plan":{self.canonical}}}\n'


def seal(plan: Plan) -> Sealed:
    """Write a plan down once, and take its digest."""
    text = "".join(canonical(_body(plan)))
    return Sealed(text, _sha256([text]))


def digest(plan: Plan) -> str:
    """SHA-256 over the canonical JSON of the plan, in hex."""
    return _digest(_body(plan))


def document_of(plan: Plan) -> dict[str, Any]:
    """What a plan file holds: the plan, and the digest of it. What there may be a million of are `Rows`."""
    body = _body(plan)
    return {"format": FORMAT, "version": VERSION, "digest": _digest(body), "plan": body}


def dump_plan(plan: Plan) -> str:
    """The text of a plan file, laid out for people."""
    return "".join(plan_text(plan))


def plan_text(plan: Plan) -> Iterator[str]:
    """The same in pieces."""
    return document_text(document_of(plan))


def document_text(document: Mapping[str, Any]) -> Iterator[str]:
    """The text of a plan file, in pieces, of what it is to hold."""
    yield from laid_out(document, ensure_ascii=False)
    yield "\n"


def load_plan(text: str | bytes, origin: str = "the plan file") -> Plan:
    """Read a plan file back. Its signature, where it has one, is left to `planner.signing`.

    Raises:
        StalePlan: it is not a plan, of another version, cut off, or altered since it was written.
    """
    return plan_in(document_in(text, origin), origin)


def document_in(text: str | bytes, origin: str = "the plan file") -> dict[str, Any]:
    """What a plan file holds; neither its digest nor its plan was looked at.

    Raises:
        StalePlan: it is not JSON of one meaning, not a plan file, or of another version.
    """
    try:
        with _shallow(origin):
            document = strict(text)
    except ValueError as error:
        raise unusable(origin, f"it is not JSON ({_short(error)})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise unusable(origin, "it is not a plan file")
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        with _shallow(origin):
            found = CANONICAL.encode(version)[:40]
        raise unusable(origin, f"its version is {found}, and this planner reads {VERSION}")
    return document


def plan_in(document: dict[str, Any], origin: str = "the plan file") -> Plan:
    """The plan of such a document.

    Raises:
        StalePlan: the digest is not that of the plan, or a part of the plan is missing or wrong.
    """
    body = document.get("plan")
    with _shallow(origin):
        found = isinstance(body, dict) and _digest(body)
    if not isinstance(body, dict) or document.get("digest") != found:
        raise unusable(origin, "its digest does not match: it was altered or cut off since it was written")
    try:
        with _shallow(origin):
            return plan_from_dict(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unusable(origin, f"a part of it is missing or of the wrong type ({_short(error)})") from error


@contextmanager
def _shallow(origin: str) -> Iterator[None]:
    """Reading, writing and taking apart give up at different depths."""
    try:
        yield
    except RecursionError:
        raise unusable(origin, "it is nested too deeply") from None


def is_partial(line: str) -> bool:
    """Whether a plan in one line, as the journal holds it, is partial. It is not parsed: it may be long.

    No text within the line reads so, since JSON escapes quotation marks, and no label has an object.
    """
    return '"scope":{' in line


def plan_from_dict(body: dict[str, Any]) -> Plan:
    """The plan of plain JSON data.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: a part is missing or of the wrong type.
    """
    plan = Plan(
        cluster=body["cluster"],
        store=body["store"],
        serial=body["serial"],
        source=body["source"],
        created=body["created"],
        nodes=tuple(node_from_dict(node) for node in body["nodes"]),
        steps=tuple(
            Step(s["number"], Action(s["action"]), Cell(s["group"], s["node"]), s["reason"])
            for s in body["steps"]
        ),
        adopts=_load_cells(body["adopts"]),
        forgets=_load_cells(body["forgets"]),
        kept=_load_cells(body["kept"]),
        bystanders=tuple(
            Seen(Cell(s["group"], s["node"]), Presence(s["presence"])) for s in body["bystanders"]
        ),
        protects=_words(body.get("protects", [])),
        unprotects=_words(body.get("unprotects", [])),
        base=body["base"],
        limits=Limits(**body["limits"]),
        refusals=tuple(Refusal(**{**r, "groups": tuple(r["groups"])}) for r in body["refusals"]),
        warnings=tuple(body["warnings"]),
        allowances=tuple(body["allowances"]),
        scope=_load_scope(body["scope"]) if "scope" in body else None,
    )
    _check(plan)
    return plan


def node_to_dict(node: Node) -> dict[str, Any]:
    """A node as plain JSON data; credentials are references, never values."""
    return {
        "name": node.name,
        "url": node.url,
        "labels": dict(node.labels),
        "credential": node.credential and asdict(node.credential),
        "tls": {key: value for key, value in asdict(node.tls).items() if value != getattr(NO_TLS, key)},
        "api": dialect_to_dict(node.dialect),
    }


def node_from_dict(data: dict[str, Any]) -> Node:
    """The node of plain JSON data."""
    return Node(
        name=data["name"],
        url=data["url"],
        labels=tuple(data["labels"].items()),
        dialect=dialect_from_dict(data["api"]),
        credential=credential_of(data["credential"]),
        tls=Tls(**data.get("tls", {})),
    )


def dialect_to_dict(dialect: Dialect) -> dict[str, Any]:
    """Only what deviates from the contract."""
    if dialect == CONTRACT:
        return {}
    own = {field.name: getattr(dialect, field.name) for field in fields(dialect)}
    return {key: value for key, value in own.items() if value != getattr(CONTRACT, key)}


def dialect_from_dict(data: dict[str, Any]) -> Dialect:
    """The dialect of plain JSON data, which turns tuples into lists."""
    return Dialect(**{key: _frozen(value) for key, value in data.items()})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list | tuple) else value


def _check(plan: Plan) -> None:
    """What the digest cannot know: types, order, known nodes, every cell of a touched group once."""
    odd = misfit(plan, Plan)
    if odd:
        raise TypeError(f"{odd} is of the wrong type, or out of range")
    names = {node.name for node in plan.nodes}
    cells = [step.cell for step in plan.steps] + [seen.cell for seen in plan.bystanders]
    named = (*cells, *plan.adopts, *plan.forgets)
    groups = {cell.group for cell in named}
    if groups & UNSENDABLE:
        raise ValueError("it names a group by an id that cannot be sent")
    evidence = {Cell(group, name) for group in groups for name in names} == set(cells)
    cells_known = evidence and all(cell.node in names for cell in named)
    numbered = all(step.number == i for i, step in enumerate(plan.steps, 1))
    if not cells_known or not numbered or len(set(cells)) != len(cells) or len(names) != len(plan.nodes):
        raise ValueError("steps, cells and nodes do not fit together")
    if plan.scope is not None:
        _check_scope(plan, plan.scope)


def _check_scope(plan: Plan, scope: PlanScope) -> None:
    """A partial plan names nothing that it left out, and counts right."""
    patterns = scope.patterns
    named = {cell.group for cell in (*plan.adopts, *plan.forgets, *plan.kept)}
    named |= {*plan.protects, *plan.unprotects}
    named |= {step.cell.group for step in plan.steps} | {seen.cell.group for seen in plan.bystanders}
    inside = all(map(patterns.includes_group, named)) and all(
        patterns.includes_node(node.name) for node in plan.nodes
    )
    counted = (
        0 <= scope.groups_left_out <= scope.groups_total
        and 0 <= scope.nodes_left_out == scope.nodes_total - len(plan.nodes)
    )
    if patterns.is_all or not inside or not counted:
        raise ValueError("steps, nodes and scope do not fit together")


def _digest(body: dict[str, Any]) -> str:
    return _sha256(canonical(body))


def _sha256(pieces: Iterable[str]) -> str:
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece.encode())
    return found.hexdigest()


def _load_scope(data: dict[str, Any]) -> PlanScope:
    patterns = {key: tuple(map(_text, value)) for key, value in data["patterns"].items()}
    return PlanScope(**{**data, "patterns": Scope(**patterns)})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a pattern is text")
    if problem := pattern_problem(value):
        raise ValueError(f"a pattern {problem}")
    return value


def _load_cells(data: list[dict[str, str]]) -> tuple[Cell, ...]:
    return tuple(Cell(cell["group"], cell["node"]) for cell in data)


def _words(data: Any) -> tuple[str, ...]:
    """A list of words; plan files of the first days lack some of them."""
    if not isinstance(data, list) or not all(isinstance(word, str) for word in data):
        raise TypeError("a list of words is something else")
    return tuple(data)


def unusable(origin: str, why: str, next: str = "make a new one: planner plan") -> StalePlan:
    """The refusal of a plan file."""
    return StalePlan("The plan cannot be used, and nothing was sent", where=origin, why=why, next=next)


def _short(error: Exception) -> str:
    said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return said[:200]
