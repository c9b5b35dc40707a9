"""Plan files: what is written is read back; what was altered, cut off or is no plan is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.access import Credential, Scheme, Tls
from planner.codec import (
    UNSENDABLE,
    digest,
    dump_plan,
    is_partial,
    load_plan,
    node_from_dict,
    node_to_dict,
    plan_to_dict,
    seal,
)
from planner.errors import StalePlan
from planner.model import Action, Cell, Dialect, Limits, Node, Plan, Presence, Refusal, Seen, Step
from planner.plan import build
from planner.scope import PlanScope, Scope
from tests.builders import NAMES, NODES, Bench, desired, group, knowledge, managed, seen

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
COUNTS = st.integers(0, 9)
STATUSES = st.lists(st.integers(200, 599), min_size=1, max_size=3).map(tuple)
DIALECTS = st.builds(
    Dialect,
    path=TEXT,
    trailing_slash=st.booleans(),
    id_field=TEXT,
    delete_style=st.sampled_from(["body", "path", "query"]),
    created=STATUSES,
    exists=STATUSES,
    missing=STATUSES,
    list_path=st.none() | TEXT,
    confirm_absent=st.integers(1, 9),
    headers=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
)
IDS = TEXT.filter(lambda id: id not in UNSENDABLE)
LIMITS = st.builds(Limits, *[st.none() | st.integers(0, 999)] * 3)


CREDENTIALS = st.none() | st.builds(Credential, st.sampled_from(Scheme), TEXT, TEXT, st.booleans())
TLS = st.builds(Tls, TEXT, TEXT, TEXT, st.booleans())
TOKEN = Credential(Scheme.BEARER, "env:TOKEN")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans whose cells fit together: each cell of each touched group is a step or a bystander."""
    names = draw(st.lists(TEXT, min_size=1, max_size=3, unique=True))
    nodes = tuple(
        Node(
            name,
            draw(TEXT),
            tuple(draw(st.dictionaries(TEXT, TEXT, max_size=2)).items()),
            draw(DIALECTS),
            draw(CREDENTIALS),
            draw(TLS),
        )
        for name in names
    )
    steps: list[Step] = []
    bystanders: list[Seen] = []
    for id in draw(st.lists(IDS, max_size=3, unique=True)):
        for name in names:
            if draw(st.booleans()):
                action = draw(st.sampled_from(Action))
                steps.append(Step(len(steps) + 1, action, Cell(id, name), draw(TEXT)))
            else:
                bystanders.append(Seen(Cell(id, name), draw(st.sampled_from(Presence))))
    known = [seen.cell for seen in bystanders]
    some = st.lists(st.sampled_from(known), max_size=3) if known else st.just([])
    cells = [tuple(draw(some)) for _ in range(3)]
    return Plan(
        cluster=draw(TEXT),
        store=draw(TEXT),
        serial=draw(st.integers(0, 2**63 - 1)),
        nodes=nodes,
        steps=tuple(steps),
        adopts=cells[0],
        forgets=cells[1],
        kept=cells[2],
        bystanders=tuple(bystanders),
        protects=tuple(draw(st.lists(TEXT, max_size=2))),
        unprotects=tuple(draw(st.lists(TEXT, max_size=2))),
        base=draw(st.integers(0, 2**63 - 1)),
        limits=draw(LIMITS),
        refusals=tuple(
            draw(
                st.lists(
                    st.builds(
                        Refusal,
                        TEXT,
                        TEXT,
                        TEXT,
                        st.just(("g",)),
                        COUNTS,
                        COUNTS | st.none(),
                        COUNTS | st.none(),
                    ),
                    max_size=2,
                )
            )
        ),
        warnings=tuple(draw(st.lists(TEXT, max_size=2))),
        source=draw(TEXT),
        allowances=tuple(draw(st.lists(TEXT, max_size=2))),
        created=draw(TEXT),
        scope=draw(st.none() | scopes(tuple(names))),
    )


def scopes(names: tuple[str, ...]) -> st.SearchStrategy[PlanScope]:
    """Scopes that leave in every group and just these nodes."""
    patterns = st.builds(
        Scope,
        groups=st.just(("*",)),
        exclude_groups=st.lists(TEXT.map(lambda text: f"excluded-{text}"), max_size=2).map(tuple),
        nodes=st.just(()) | st.just(names),
    )
    left = st.integers(0, 9)
    return st.builds(
        lambda scope, few, many, out: PlanScope(scope, few, few + many, out, len(names) + out),
        patterns,
        left,
        left,
        left,
    )


def a_plan() -> Plan:
    """A plan with something in most places."""
    file = desired("new", "repair", group("adopt", "node01"), limits=Limits(5, 50, 7))
    presences = seen({"repair": ["node02"], "adopt": ["node01"], "gone": NAMES})
    return build(file, knowledge(managed("repair", "gone")), presences | seen({}, "new"), allow_deletes=3)


def forged(change: Callable[[dict[str, Any]], object], plan: Plan | None = None) -> str:
    """A plan file that was altered by somebody who knows how to compute its digest."""
    document = json.loads(dump_plan(plan or a_plan()))
    change(document["plan"])
    canonical = json.dumps(document["plan"], sort_keys=True, separators=(",", ":"))
    document["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps(document)


def refused(text: str | bytes) -> StalePlan:
    with pytest.raises(StalePlan) as caught:
        load_plan(text, "plan.json")
    error = caught.value
    assert error.exit_code == 6
    assert error.where == "plan.json"
    assert error.why
    assert "planner plan" in error.next
    return error


@settings(max_examples=60, deadline=None)
@given(plans())
def test_what_is_written_is_read_back(plan: Plan) -> None:
    text = dump_plan(plan)
    again = load_plan(text)
    assert again == plan
    assert dump_plan(again) == text
    assert load_plan(text.encode()) == plan


@settings(max_examples=60, deadline=None)
@given(plans())
def test_the_line_of_the_journal_is_the_same_plan(plan: Plan) -> None:
    sealed = seal(plan)
    assert sealed.line().count("\n") == 1
    assert is_partial(sealed.line()) is (plan.scope is not None)
    again = load_plan(sealed.line())
    assert sealed.digest == digest(plan) == digest(again)
    assert sorted_labels(again) == sorted_labels(plan)


def sorted_labels(plan: Plan) -> Plan:
    return replace(plan, nodes=tuple(replace(n, labels=tuple(sorted(n.labels))) for n in plan.nodes))


def test_the_digest_is_that_of_the_file() -> None:
    plan = a_plan()
    assert json.loads(dump_plan(plan))["digest"] == digest(plan) == digest(load_plan(dump_plan(plan)))


@pytest.mark.parametrize(
    "change",
    [
        {"cluster": "other"},
        {"store": "other"},
        {"serial": 99},
        {"nodes": (replace(NODES[0], url="http://elsewhere"), *NODES[1:])},
        {"nodes": (replace(NODES[0], dialect=Dialect(created=(200,))), *NODES[1:])},
        {"nodes": (replace(NODES[0], credential=TOKEN), *NODES[1:])},
        {"nodes": (replace(NODES[0], credential=replace(TOKEN, over_http=True)), *NODES[1:])},
        {"nodes": (replace(NODES[0], tls=Tls(verify=False)), *NODES[1:])},
        {"steps": ()},
        {"adopts": ()},
        {"bystanders": ()},
        {"limits": Limits()},
        {"allowances": ()},
        {"source": "other"},
    ],
)
def test_the_digest_covers_everything(change: dict[str, Any]) -> None:
    assert digest(replace(a_plan(), **change)) != digest(a_plan())


def test_a_node_of_the_contract_is_written_without_its_dialect_and_secrets_are_references() -> None:
    node = Node("n", "http://n", credential=TOKEN)
    assert node_to_dict(node) == {
        "name": "n",
        "url": "http://n",
        "labels": {},
        "credential": {"scheme": "bearer", "secret": "env:TOKEN", "name": "", "over_http": False},
        "tls": {},
        "api": {},
    }
    deviating = replace(
        node, dialect=Dialect(created=(200, 204), headers=(("node", "n"),)), tls=Tls("file:/ca", verify=False)
    )
    assert node_to_dict(deviating)["tls"] == {"ca": "file:/ca", "verify": False}
    assert node_to_dict(deviating)["api"] == {"created": (200, 204), "headers": (("node", "n"),)}
    assert node_from_dict(json.loads(json.dumps(node_to_dict(deviating)))) == deviating


def test_plans_of_a_version_that_knew_no_schemes_can_be_read() -> None:
    record = node_to_dict(Node("n", "http://n"))
    del record["tls"]
    assert node_from_dict({**record, "credential": ""}) == Node("n", "http://n")
    assert node_from_dict({**record, "credential": "env:TOKEN"}) == Node("n", "http://n", credential=TOKEN)


# What is refused.


def test_any_character_that_is_changed_is_noticed() -> None:
    """Every third one: the digest does not depend on the place. Blanks outside of strings mean nothing."""
    plan = a_plan()
    text = dump_plan(plan)
    for place in range(0, len(text), 3):
        if text[place].isspace():
            continue
        other = "7" if text[place] != "7" else "8"
        refused(text[:place] + other + text[place + 1 :])


def test_a_file_that_was_cut_off_is_noticed_wherever_it_was_cut() -> None:
    text = dump_plan(a_plan()).rstrip("\n")
    for length in range(0, len(text), 7):
        refused(text[:length])


def test_an_altered_plan_says_so() -> None:
    document = json.loads(dump_plan(a_plan()))
    document["plan"]["steps"][0]["group"] = "other"
    assert "digest" in refused(json.dumps(document)).why


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5, [1]])
def test_another_version_is_named(version: object) -> None:
    document = json.loads(dump_plan(a_plan())) | {"version": version}
    assert f"version is {json.dumps(version)}" in refused(json.dumps(document)).why


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        '"a plan"',
        '{"format": "terraform.plan", "version": 1}',
        '{"format": "planner.plan", "version": 1}',
        '{"format": "planner.plan", "version": 1, "plan": [], "digest": ""}',
        '{"format": "planner.plan", "version": 1, "plan": {}, "digest": null}',
        "version: 1\ncluster: {name: production}\n",
        b"\xff\xfe\x00",
        b"\x80abc",
        "[" * 200_000,
        '{"a":' * 200_000,
        "9" * 10_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_plan_is_refused(text: str | bytes) -> None:
    refused(text)


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a part is missing": lambda plan: plan.pop("bystanders"),
    "evidence is missing": lambda plan: plan["bystanders"].pop(),
    "all evidence is missing": lambda plan: plan["bystanders"].clear(),
    "a step without an action": lambda plan: plan["steps"][0].pop("action"),
    "an unknown action": lambda plan: plan["steps"][0].update(action="destroy"),
    "an unknown presence": lambda plan: plan["bystanders"][0].update(presence="unknown"),
    "a step of an unknown node": lambda plan: plan["steps"][0].update(node="node99"),
    "an adoption on an unknown node": lambda plan: plan["adopts"][0].update(node="node99"),
    "numbers out of order": lambda plan: plan["steps"].reverse(),
    "a cell twice": lambda plan: plan["bystanders"].append(dict(plan["bystanders"][0])),
    "a node twice": lambda plan: plan["nodes"].append(dict(plan["nodes"][0])),
    "steps that are no list": lambda plan: plan.update(steps=5),
    "a group that is a list": lambda plan: plan["steps"][0].update(group=["a"]),
    "an unknown limit": lambda plan: plan["limits"].update(max_fun=1),
    "an unknown deviation": lambda plan: plan["nodes"][0]["api"].update(magic=True),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_plan_that_does_not_fit_together_is_refused_even_with_a_right_digest(
    change: Callable[[dict[str, Any]], object],
) -> None:
    assert load_plan(forged(lambda plan: plan)) == a_plan()
    refused(forged(change))


def a_part() -> Plan:
    """A partial plan of one of two groups on two of three nodes."""
    return Bench("a", "b", holds={"a": ["node01"]}).plan(Scope(("a",), ("b",), (), ("node03",)))


SCOPE_FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a step out of scope": lambda plan: plan["scope"]["patterns"].update(groups=["b"]),
    "an excluded bystander": lambda plan: plan["scope"]["patterns"].update(exclude_groups=["a"]),
    "a node out of scope": lambda plan: plan["scope"]["patterns"].update(exclude_nodes=["node02"]),
    "no patterns": lambda plan: plan["scope"].update(patterns={}),
    "patterns that are none": lambda plan: plan["scope"]["patterns"].update(groups=[5]),
    "unknown patterns": lambda plan: plan["scope"]["patterns"].update(labels=["a"]),
    "a wrong number of nodes": lambda plan: plan["scope"].update(nodes_left_out=2),
    "more left out than there is": lambda plan: plan["scope"].update(groups_left_out=3),
    "a number that is none": lambda plan: plan["scope"].update(groups_left_out="1"),
    "an empty scope": lambda plan: plan.update(scope={}),
    "no object": lambda plan: plan.update(scope=None),
}


@pytest.mark.parametrize("change", SCOPE_FORGERIES.values(), ids=SCOPE_FORGERIES.keys())
def test_a_scope_that_does_not_fit_its_plan_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    plan = a_part()
    assert load_plan(forged(lambda body: None, plan)) == plan
    refused(forged(change, plan))


def test_a_whole_plan_reads_as_before_there_were_partial_ones() -> None:
    assert "scope" not in plan_to_dict(a_plan())
    assert plan_to_dict(a_part())["scope"] == {
        "patterns": {"groups": ("a",), "exclude_groups": ("b",), "nodes": (), "exclude_nodes": ("node03",)},
        "groups_left_out": 1,
        "groups_total": 2,
        "nodes_left_out": 1,
        "nodes_total": 3,
    }


def test_no_text_of_a_plan_makes_it_partial() -> None:
    wild = '{"scope":{"patterns":{}}}'
    node = replace(NODES[0], labels=(("scope", "{"), (wild, wild)))
    plan = replace(a_plan(), nodes=(node, *NODES[1:]), warnings=(wild,), created=wild)
    assert not is_partial(seal(plan).line())


def test_a_real_plan_has_all_its_evidence() -> None:
    """What `make_plan` makes is never refused for want of it."""
    bench = Bench(
        "a", group("b", "node02"), group("c", state=Presence.ABSENT), holds={"a": ["node01"], "c": NAMES}
    )
    bench.manage("a", "d")
    plan = bench.plan()
    assert load_plan(dump_plan(plan)) == plan
    assert plan_to_dict(plan)["bystanders"]


def as_first_written(plan: Plan) -> str:
    """A plan file of the first planner, which knew no protection."""
    body = plan_to_dict(plan)
    del body["protects"], body["unprotects"]
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    sum_of = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps({"format": "planner.plan", "version": 1, "digest": sum_of, "plan": body})


def test_a_plan_file_of_the_first_planner_can_be_applied() -> None:
    bench = Bench("a")
    plan = load_plan(as_first_written(bench.plan()))
    assert (plan.protects, plan.unprotects) == ((), ())
    assert bench.apply(plan).number == 1
