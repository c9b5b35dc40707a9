"""Plan files that were forged with a right digest: no traceback, and no request that was not planned."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.codec import dump_plan, load_plan
from planner.errors import PlannerError, StalePlan
from planner.model import Plan
from planner.scope import MAX_PATTERN, Scope
from planner.typed import misfit
from tests.builders import NAMES, Bench, group
from tests.unit.test_codec import a_part, a_plan, forged, refused

Path = tuple[str | int, ...]
BUSY = [HealthCheck.too_slow]  # of the machine, not of the strategy
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    10**30,
    "",
    "x",
    "\u202e\x1b[31m",
    "..",
    [],
    ["x"],
    {},
    {"x": 1},
    [[]],
)
PLANS = {"whole": a_plan(), "part": a_part()}


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in JSON data."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def put(body: dict[str, Any], path: Path, value: Any) -> None:
    at(body, path[:-1])[path[-1]] = value


def loaded(text: str) -> Plan | None:
    """The plan in a text, whose types are right; None where it is refused."""
    try:
        plan = load_plan(text, "plan.json")
    except StalePlan as error:
        assert error.why and error.next  # noqa: PT018, PT017  (both, of any refusal)
        return None
    assert misfit(plan, Plan) == ""
    return plan


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_a_wrong_type_at_every_place(plan: Plan) -> None:
    """A plan of right types may come of it, such as one of other limits; a wrong type is never in one."""
    tried = 0
    for path in places(json.loads(dump_plan(plan))["plan"]):
        for odd in ODD:
            tried += 1
            found = loaded(forged(partial(put, path=path, value=copy.deepcopy(odd)), plan))
            may_be_none = path[0] == "limits" or path[-1] in ("of", "limit", "credential")
            assert found is None or isinstance(odd, (str, list, dict)) or may_be_none, (path, odd)
    assert tried > 700


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_a_part_that_is_missing_at_every_place(plan: Plan) -> None:
    optional = {("protects",), ("unprotects",), ("scope",)}

    def take(body: dict[str, Any], path: Path) -> None:
        del at(body, path[:-1])[path[-1]]

    for path in places(json.loads(dump_plan(plan))["plan"]):
        found = loaded(forged(partial(take, path=path), plan))
        if isinstance(path[-1], str) and len(path) == 1 and path not in optional:
            assert found is None, path


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_a_key_that_nobody_knows_changes_nothing_that_is_done(plan: Plan) -> None:
    """'Ignore what you do not know', says the schema; where a name has a meaning of its own it is refused."""
    for path in [(), *places(json.loads(dump_plan(plan))["plan"])]:

        def add(body: dict[str, Any], path: Path = path) -> None:
            if isinstance(at(body, path), dict):
                at(body, path)["nobody-knows"] = {"steps": []}

        found = loaded(forged(add, plan))
        assert found in (None, plan) or "labels" in path, path


def test_a_small_plan_that_is_cut_off_at_every_length() -> None:
    text = dump_plan(Bench("a").plan()).rstrip("\n")
    for length in range(len(text)):
        refused(text[:length])
    assert load_plan(text).steps


@pytest.mark.parametrize("key", ["format", "version", "digest", "plan", "steps", "nodes", "group"])
def test_a_key_that_is_there_twice(key: str) -> None:
    """Whoever reviews the first one must not apply the second one."""
    text = dump_plan(a_plan())
    twice = text.replace(f'"{key}": ', f'"{key}": 0, "{key}": ', 1)
    assert json.loads(twice) == json.loads(text)
    assert "there twice" in refused(twice).why


@pytest.mark.parametrize("version", [True, 1.0, "1", 10**40, {"a": [1] * 1000}])
def test_a_version_is_the_number_itself_and_is_told_in_few_words(version: object) -> None:
    document = json.loads(dump_plan(a_plan())) | {"version": version}
    assert len(refused(json.dumps(document)).why) < 120


def test_a_nesting_that_json_can_still_read_but_not_write() -> None:
    """Python's reader and writer give up at different depths, and so does what makes tuples of lists."""
    for depth in range(100, 1000, 100):
        deep = json.loads("[" * depth + "]" * depth)
        document = json.loads(dump_plan(a_plan()))
        for where in ("version", "digest", "plan", "format"):
            refused(json.dumps(document | {where: deep}))
        refused(forged(partial(put, path=("nodes", 0, "api"), value={"created": deep})))


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_that_would_be_another_path_is_refused(id: str) -> None:
    def rename(body: dict[str, Any]) -> None:
        for row in (*body["steps"], *body["bystanders"], *body["adopts"], *body["forgets"]):
            row["group"] = id if row["group"] == "new" else row["group"]

    assert "cannot be sent" in refused(forged(rename)).why


@pytest.mark.parametrize("pattern", ["[" * 200_000, "x" * (MAX_PATTERN + 1)])
def test_a_pattern_that_would_take_a_quadratic_time(pattern: str) -> None:
    def add(body: dict[str, Any]) -> None:
        body["scope"]["patterns"]["exclude_groups"] = [pattern]

    assert "longer than 2048 characters" in refused(forged(add, a_part())).why


# And then it is applied.


def bench() -> Bench:
    """A cluster with something to create, to delete, to adopt and to repair."""
    return Bench(
        "new", "mine", group("repair", *NAMES), holds={"mine": NAMES, "repair": ["node01"], "gone": NAMES}
    ).manage("repair", "gone")


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "nodes elsewhere": lambda body: body["nodes"][0].update(url="http://attacker"),
    "another dialect": lambda body: body["nodes"][0]["api"].update(path="/admin/"),
    "another credential": lambda body: body["nodes"][0].update(credential="file:/etc/shadow"),
    "another cluster": lambda body: body.update(cluster="production"),
    "another store": lambda body: body.update(store="other"),
    "a later serial": lambda body: body.update(serial=body["serial"] + 1),
    "a node that the file does not have": lambda body: [
        body["nodes"].append({**body["nodes"][0], "name": "node04", "url": "http://node04"}),
        *(
            body["bystanders"].append({"group": id, "node": "node04", "presence": "absent"})
            for id in ("new", "repair", "gone", "mine")
        ),
    ],
    "a node fewer": lambda body: [
        body["nodes"].pop(),
        *(
            body.update({part: [row for row in body[part] if row["node"] != "node03"]})
            for part in ("steps", "bystanders", "adopts")
        ),
        [row.update(number=number) for number, row in enumerate(body["steps"], 1)],
    ],
    "the opposite action": lambda body: body["steps"][0].update(action="delete"),
    "another group": lambda body: [
        row.update(group="mine2")
        for row in (*body["steps"], *body["bystanders"])
        if row["group"] == "gone"
    ],
    "another presence": lambda body: body["bystanders"][0].update(presence="absent"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_plan_of_something_else_writes_nothing(name: str) -> None:
    here = bench()
    text = forged(FORGERIES[name], here.plan())
    here.forget_requests()
    before = here.world.snapshot()
    with pytest.raises(StalePlan):
        here.apply(load_plan(text))
    assert here.writes == []
    assert here.world.snapshot() == before
    assert len(here.store.history("test")) == 0


@st.composite
def forgeries(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """The body of a plan with some mistakes in it."""
    body = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        path: Any = draw(st.sampled_from(list(places(body))))
        home: Any = at(body, path[:-1])
        how = draw(st.sampled_from(["odd", "moved", "gone", "twice"]))
        if how == "odd":
            home[path[-1]] = draw(st.sampled_from(ODD) | st.text(max_size=5) | st.integers())
        elif how == "moved":
            home[path[-1]] = copy.deepcopy(at(body, draw(st.sampled_from(list(places(body))))))
        elif how == "gone":
            del home[path[-1]]
        elif isinstance(home, list):
            home.append(copy.deepcopy(home[path[-1]]))
        if not body:
            break
    return body


BENCH_PLAN = json.loads(dump_plan(bench().plan()))["plan"]


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=BUSY)
@given(forgeries(BENCH_PLAN))
def test_any_forgery_ends_in_an_error_or_in_no_more_than_was_planned(body: dict[str, Any]) -> None:
    here = bench()
    text = forged(lambda plan: [plan.pop(key) for key in list(plan)] and plan.update(body), here.plan())
    planned = {f"{step.action} {step.cell}" for step in here.plan().steps}
    here.forget_requests()
    plan = loaded(text)
    if plan is None:
        return
    before = here.world.snapshot()
    try:
        here.apply(plan)
    except PlannerError:
        assert here.world.snapshot() == before
        assert here.writes == []
    assert set(here.writes) <= planned


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=BUSY)
@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_refused(text: bytes) -> None:
    refused(text)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=BUSY)
@given(st.data())
def test_any_bytes_within_a_good_plan_are_refused(data: st.DataObject) -> None:
    text = dump_plan(PLANS["whole"]).encode()
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, min(len(text), start + 30)))
    changed = text[:start] + data.draw(st.binary(max_size=8)) + text[end:]
    plan = loaded(changed.decode("utf-8", "surrogateescape"))
    assert plan in (None, PLANS["whole"])


def test_a_partial_plan_of_the_bench_can_be_applied() -> None:
    """What the forgeries are made of is fine as it is."""
    assert bench().apply(load_plan(dump_plan(bench().plan()))).number == 1
    assert Bench("a", "b").plan(Scope(("a",))).scope is not None
