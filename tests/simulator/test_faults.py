"""The specification of faults: what is read, what is refused, and what strikes. No sockets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.simulator.errors import FaultSpecError
from planner.simulator.faults import FAULTS, METHODS, REFUSE, FaultPlan, Value, parse_faults, pick

NODES = ("node01", "node02", "node03")


def strikes(spec: str, node: str = "node01", method: str = "POST") -> list[tuple[str, object]]:
    """Return the names, and the share of the requests that each of them strikes."""
    shares: list[tuple[str, object]] = []
    last = 0.0
    for strike in parse_faults(spec, NODES).strikes(node, method):
        shares.append((strike.fault.name, pytest.approx(strike.below - last)))
        last = strike.below
    return shares


@pytest.mark.parametrize("spec", ["", "none", " , \n", "none,none"])
def test_nothing_is_no_faults(spec: str) -> None:
    assert parse_faults(spec, NODES) == FaultPlan()
    assert str(FaultPlan()) == "none"


def test_rules_are_read_with_scope_rate_and_value() -> None:
    spec = "error-before=0.1, late=0.05@1.5\nnode02:post:error-after=1@503,GET:node03:slow=0.5@2"
    assert str(parse_faults(spec, NODES)) == (
        "error-before=0.1,late=0.05@1.5,node02:POST:error-after=1@503,node03:GET:slow=0.5@2"
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            "eror-before=0.1",
            "unknown fault 'eror-before': did you mean 'error-before'? Known faults: error-before,",
        ),
        ("zzz=1", "unknown fault 'zzz'. Known faults:"),
        ("error-before", "write [node:][METHOD:]fault=rate[@value]"),
        ("error-before=1.5", "a rate is a number from 0 to 1, not '1.5'"),
        ("error-before=-0.1", "a rate is a number from 0 to 1"),
        ("error-before=nan", "a rate is a number from 0 to 1"),
        ("error-before=often", "a rate is a number from 0 to 1, not 'often'"),
        ("nod02:error-before=1", "unknown node or method 'nod02': did you mean 'node02'?"),
        ("node01:node02:late=1", "one node and one method at most"),
        ("GET:POST:late=1", "one node and one method at most"),
        ("POST:false-404=1", "false-404 strikes only GET"),
        ("hang-before=1@3", "hang-before takes no value after the @"),
        ("error-before=1@200", "takes a status from 400 to 599 after the @, not '200'"),
        ("late=1@-1", "late takes seconds after the @"),
        ("rate-limit=1@0.5", "rate-limit takes whole seconds after the @"),
        ("refuse=0.5", "write refuse=1 or refuse=0, without a method"),
        ("GET:refuse=1", "write refuse=1 or refuse=0, without a method"),
        ("late=0.1,late=0.2", "the same fault is given twice"),
        ("error-before=0.6,error-after=0.6", "every request: the rates add up to 1.2, above 1"),
        ("node01:error-before=0.6,node01:late=0.6", "node01: the rates add up to 1.2"),
    ],
)
def test_nonsense_is_refused(spec: str, said: str) -> None:
    with pytest.raises(FaultSpecError) as caught:
        parse_faults(spec, NODES)
    assert said in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(FaultSpecError) as caught:
        parse_faults("late=2,lat=0.1,error-before=0.1", NODES)
    assert len(caught.value.problems) == 2


def test_rates_of_one_scope_stand_side_by_side() -> None:
    assert strikes("error-before=0.1,error-after=0.2,late=0.05") == [
        ("error-before", 0.1),
        ("error-after", 0.2),
        ("late", 0.05),
    ]


def test_a_reset_is_half_before_and_half_after() -> None:
    assert strikes("reset=0.4") == [("reset-before", 0.2), ("reset-after", 0.2)]


def test_a_fault_meets_only_its_scope() -> None:
    spec = "node02:POST:error-before=1"
    assert strikes(spec, "node02", "POST") == [("error-before", 1)]
    assert not strikes(spec, "node02", "GET")
    assert not strikes(spec, "node01", "POST")


def test_false_404_meets_only_reads_and_its_rate_counts_only_there() -> None:
    spec = "error-before=0.5,false-404=0.5,POST:late=0.5"
    assert strikes(spec, method="GET") == [("error-before", 0.5), ("false-404", 0.5)]
    assert strikes(spec, method="POST") == [("late", 0.5), ("error-before", 0.5)]
    assert strikes("POST:error-before=1,false-404=1") == [("error-before", 1)]


def test_the_narrower_scope_comes_first_and_leaves_the_rest() -> None:
    spec = "error-before=0.5,POST:error-after=0.5,node01:late=0.3,node01:POST:slow=0.3"
    assert strikes(spec) == [("slow", 0.3), ("late", 0.3), ("error-after", pytest.approx(0.4))]


def test_the_same_fault_in_a_narrower_scope_replaces_the_wider() -> None:
    assert strikes("late=0.5,node02:late=0", "node02") == []
    assert strikes("late=0.5,node02:late=0", "node01") == [("late", 0.5)]


def test_refuse_is_a_state_of_the_node_and_no_strike() -> None:
    plan = parse_faults("refuse=1,node02:refuse=0", NODES)
    assert [plan.refuses(node) for node in NODES] == [True, False, True]
    assert not plan.strikes("node01", "POST")


def test_rates_that_add_up_to_one_leave_no_gap() -> None:
    spec = (
        ",".join(f"{name}=0.1" for name in [*FAULTS][:6])
        + ",slow=0.1,unavailable=0.1,rate-limit=0.1,reset=0.1"
    )
    assert parse_faults(spec, NODES).strikes("node01", "POST")[-1].below == 1.0


def test_values_have_defaults() -> None:
    plan = parse_faults("error-before=0.1,late=0.1,rate-limit=0.1,unavailable=0.1,late-error=0.1@7", NODES)
    found = {strike.fault.name: strike for strike in plan.strikes("node01", "POST")}
    assert found["error-before"].status == 500
    assert found["late"].seconds == pytest.approx(0.3)
    assert (found["rate-limit"].status, found["rate-limit"].retry_after) == (429, 1)
    assert (found["unavailable"].status, found["unavailable"].retry_after) == (503, None)
    assert (found["late-error"].status, found["late-error"].seconds) == (500, 7)


def test_a_draw_picks_the_share_it_falls_into() -> None:
    found = parse_faults("error-before=0.25,late=0.25", NODES).strikes("node01", "POST")
    names = [strike.fault.name if strike else None for strike in (pick(found, at / 8) for at in range(8))]
    assert names == ["error-before"] * 2 + ["late"] * 2 + [None] * 4


@st.composite
def specs(draw: st.DrawFn) -> str:
    rules = []
    for name in draw(st.lists(st.sampled_from(sorted(FAULTS)), unique=True, max_size=5)):
        fault = FAULTS[name]
        node = draw(st.sampled_from(["", *(f"{node}:" for node in NODES)]))
        methods = [""] if name == REFUSE else ["", *(f"{method}:" for method in fault.methods)]
        rate = draw(st.sampled_from([0, 1] if name == REFUSE else [0, 0.01, 0.125, 0.2]))
        value = "@503" if fault.value is Value.STATUS else "@2" if fault.value is not Value.NONE else ""
        rules.append(
            f"{node}{draw(st.sampled_from(methods))}{name}={rate}{draw(st.sampled_from(['', value]))}"
        )
    return ",".join(rules)


@given(specs())
def test_what_is_written_can_be_read_again(spec: str) -> None:
    plan = parse_faults(spec, NODES)
    assert parse_faults(str(plan), NODES) == plan


@given(specs(), st.sampled_from(NODES), st.sampled_from(METHODS))
def test_thresholds_grow_up_to_one_at_most(spec: str, node: str, method: str) -> None:
    thresholds = [strike.below for strike in parse_faults(spec, NODES).strikes(node, method)]
    assert thresholds == sorted(set(thresholds))
    assert all(0 < below <= 1 for below in thresholds)


def test_every_fault_tells_the_user_what_it_does() -> None:
    assert all(fault.help for fault in FAULTS.values())
    assert [*FAULTS] == [fault.name for fault in FAULTS.values()]
