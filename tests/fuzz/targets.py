"""What is fuzzed. Each target takes any bytes, and raises only where there is a bug."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from planner.access import ANYWHERE
from planner.codec import UNSENDABLE, dump_plan, load_plan
from planner.desired import canonical_url, id_problem, parse, parse_nodes
from planner.desired.outline import outline
from planner.desired.url import canonical_path
from planner.errors import FileInvalid, PlannerError, StalePlan, WrongUsage
from planner.model import Dialect, Node, Plan
from planner.nodes import body
from planner.nodes.adapter import Ways
from planner.nodes.wire import Route, follow, same_resource, slash_hint
from planner.scope import Scope, pattern_problem
from planner.settings import load_settings, read_dotenv
from planner.simulator.node import group_of_body, group_of_path
from planner.typed import misfit
from planner.verdict import Call, Method
from planner.views.words import shown
from tests.builders import NAMES, Bench, group

FUZZ = Path(__file__).parent
CORPUS = FUZZ / "corpus"
MOST_EDITS = 6
LONGEST = 4096
"""Bytes of an input: what is wrong with longer ones is tested by hand (`tests/cli/test_hostile_input.py`)."""


def groups_file(data: bytes) -> None:
    """groups.yaml: what is desired, or problems that a terminal can show."""
    outline(data)
    try:
        desired = parse(data, origin="f")
    except FileInvalid as error:
        assert error.problems
        assert all(line.isprintable() for line in error.details)
        return
    assert desired.nodes
    for node in desired.nodes:
        assert canonical_url(node.url) == node.url
    for each in desired.groups:
        assert id_problem(each.id) == ""
        assert shown(each.id)


def plan_file(data: bytes) -> None:
    """A plan file: a plan of right types that is written as it was read, or a refusal."""
    try:
        plan = load_plan(data)
    except StalePlan as error:
        assert error.why
        return
    assert load_plan(dump_plan(plan)) == plan


def bench_of_plans() -> Bench:
    """A cluster with something to create, to delete, to adopt and to repair."""
    return Bench(
        "new", "mine", group("repair", *NAMES), holds={"mine": NAMES, "repair": ["node01"], "gone": NAMES}
    ).manage("repair", "gone")


def plan_body(data: bytes) -> None:
    """What a plan file holds, with a right digest, as a forger writes it; and then it is applied."""
    try:
        text = data.decode()
        canonical = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    _apply(f'{{"format": "planner.plan", "version": 1, "digest": "{digest}", "plan": {text}}}')


def plan_edits(data: bytes) -> None:
    """The same, but four bytes each are an edit of a good plan: where (two), what is done, and with what."""
    body = json.loads(_good_body())
    for at in range(0, min(len(data), MOST_EDITS * 4) - 3, 4):
        places = list(_places(body))
        if not places:
            break
        home, key = places[int.from_bytes(data[at : at + 2], "big") % len(places)]
        how, what = data[at + 2] % 5, data[at + 3]
        if how == 0:
            home[key] = copy.deepcopy(ODD[what % len(ODD)])
        elif how == 1:
            other_home, other_key = places[what % len(places)]
            home[key] = copy.deepcopy(other_home[other_key])
        elif how == 2 and isinstance(home[key], int):
            home[key] += what - 128
        elif how == 3 and isinstance(home, list):
            home.append(copy.deepcopy(home[key]))
        elif how == 4:
            del home[key]
    plan_body(json.dumps(body).encode())


ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, 2**63, 10**30, "", "x", ".", "..", "\u202e", "new", "gone", "node01"),
    *("node04", "create", "delete", "present", "absent", "*", "http://elsewhere", [], ["new"], {}, [[]]),
    *({"groups": ["new"], "exclude_groups": [], "nodes": [], "exclude_nodes": []}, {"max_deletes": 1}),
)


@functools.cache
def _good_body() -> str:
    return json.dumps(json.loads(dump_plan(bench_of_plans().plan()))["plan"])


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in JSON data: what it is in, and its key there."""
    inner = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in inner:
        yield value, key
        yield from _places(value[key])


def _apply(text: str) -> None:
    """Load a plan and apply it: whatever it says, no more is written than was planned, or nothing at all."""
    try:
        plan = load_plan(text)
    except StalePlan:
        return
    assert misfit(plan, Plan) == ""
    assert not {step.cell.group for step in plan.steps} & UNSENDABLE
    bench = bench_of_plans()
    planned = {f"{step.action} {step.cell}" for step in bench.plan().steps}
    before = bench.world.snapshot()
    try:
        bench.apply(plan)
    except PlannerError:
        assert bench.world.snapshot() == before
    assert set(bench.writes) <= planned


def dotenv(data: bytes) -> None:
    """.env, and the settings that come of it."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            values = read_dotenv(Path(file.name))
            load_settings({}, {}, values)
        except WrongUsage as error:
            assert error.what
            assert all(detail.isprintable() for detail in error.details)


def address(data: bytes) -> None:
    """URLs, paths and PLANNER_NODES: one spelling, which is its own."""
    text = data.decode("utf-8", "surrogateescape")
    for read in (canonical_url, canonical_path):
        try:
            found = read(text)
        except ValueError as error:
            assert str(error)
            continue
        assert read(found) == found
    try:
        parse_nodes(text)
    except WrongUsage as error:
        assert error.details
    for other in (text, f"/{text}", f"http://node{text}"):
        latin = other.encode("utf-8", "surrogateescape").decode("latin-1")  # as http.client reads a header
        slash_hint("http://node/v1/group/x/", latin)
        followed = follow("http://node/v1/group/x/", latin)
        assert followed is None or followed.startswith("http://node/")
        assert followed is None or same_resource(followed, followed)


def identifier(data: bytes) -> None:
    """An id: refused by the file, or one segment that the node reads as the same id, in every dialect."""
    id = data.decode("utf-8", "surrogateescape")
    if id_problem(id):
        return
    for style in ("body", "path", "query"):
        route = Route(Node("n", "http://n/pre", dialect=Dialect(delete_style=style)), _ways(), ANYWHERE)
        for method in (Method.READ, Method.CREATE, Method.DELETE):
            target = route.target(Call(1, method, id, "n", 1))
            assert target.url.startswith("http://n/pre/v1/group/")
            assert target.url.isascii()
            if target.body is not None:
                assert group_of_body(target.body) == id
            elif style == "path" or method is Method.READ:
                assert group_of_path(target.url.removeprefix("http://n/pre").encode()) == id


@functools.cache
def _ways() -> Ways:
    return Ways(1, 1)


def pattern(data: bytes) -> None:
    """A pattern of a scope, against names."""
    text = data.decode("utf-8", "surrogateescape")
    if pattern_problem(text):
        return
    scope = Scope(groups=(text,), exclude_nodes=(text, "node01"))
    assert scope.includes_group(text)
    assert not scope.includes_node(text)
    scope.includes_group("a" * 1000)


def answer(data: bytes) -> None:
    """The body of a node's answer: a record, a list, or a fault in words."""
    for read in (body.record, body.listed):
        for dialect in (Dialect(), Dialect(list_field="a.b", id_field="id")):
            try:
                found: Any = read(data, dialect)
            except body.Faulty as fault:
                assert str(fault).isprintable()
                continue
            assert isinstance(found.group, str)
            assert all(found.groups)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        groups_file,
        plan_file,
        plan_body,
        plan_edits,
        dotenv,
        address,
        identifier,
        pattern,
        answer,
    )
}
