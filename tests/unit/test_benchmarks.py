"""The benchmarks: what the page says is what was measured, and every client does the work it is timed for."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks import page, plot
from benchmarks.bench import Bench, Contender
from benchmarks.clients import ansible, launch
from benchmarks.clients.planner import Planner
from benchmarks.cluster import ROOT, Cluster
from benchmarks.goals import goals
from benchmarks.measure import Run, WrongWork, run, tree_bytes
from benchmarks.sections import start
from benchmarks.sections.plan import loop, playbook
from benchmarks.stats import exponent, rates, spread, times_as_fast
from planner.model import StepState
from planner.ports import Store, Wave
from planner.store import open_store
from planner.store.lease import SqlLease
from tests.store.bench import intent, mark

NODES, GROUPS = 2, 3


def row(
    client: str, *walls: float, cells: int = 100, one: float | None = None, **more: Any
) -> dict[str, Any]:
    """A row of results.json whose rounds took that long."""
    runs = [Run(wall, wall, 30.0, 50.0).document() for wall in walls]
    alone = None if one is None else Run(one, one, 30.0, 30.0).document()
    return {"client": client, "cells": cells, "parallelism": 16, "one": alone, "rounds": runs} | more


def results(planner: float, small: float = 0.3) -> dict[str, Any]:
    """Results in which planner takes so many seconds where aiohttp takes two, and so on."""
    made = {"date": "2026-01-02", "commit": "0123456789", "scale": 1.0, "rounds": 5}
    plan = [row("planner", planner, planner), row("aiohttp", 2.0, 2.0)]
    starts = [row(start.NOTHING, 0.01), row(start.VERSION, 0.02), row(start.SMALL, small)]
    journal = [row("journal on", 4.0, journal="on"), row("journal off", 3.0, journal="off")]
    calls = [{"begin": 0.05, "commit": 0.1, "close": 0.05, "commits": 7.0}]
    growth = [
        row("one list per node", wall, cells=cells, series="lists", side=cells)
        for cells, wall in ((1000, 1.0), (1_000_000, 1000.0))
    ]
    return {
        "machine": {"CPU": "one of a kind"},
        "sections": {
            "plan": made | {"cases": [{"nodes": 3, "latency": 0, "rows": plan}]},
            "journal": made | {"cases": [{"nodes": 3, "latency": 20, "rows": journal, "calls": calls}]},
            "start": made | {"rows": starts},
            "growth": made | {"rows": growth},
        },
    }


def line(text: str, begin: str) -> str:
    """The one line of a page that begins so."""
    (found,) = [one for one in text.splitlines() if one.startswith(begin)]
    return found


def test_the_numbers_decide_whether_a_goal_is_met() -> None:
    fast, slow = page.page(results(planner=1.6)), page.page(results(planner=2.5, small=0.5))
    assert line(fast, "| plan reads as fast").endswith("| ≥ 1× | 1.25× | **met** |")
    assert line(slow, "| plan reads as fast").endswith("| ≥ 1× | 0.80× | not met |")
    assert line(fast, "| planner plan, 3 nodes × 10 groups, whole").endswith("| ≤ 0.4 s | 0.30 s | **met** |")
    assert line(slow, "| planner plan, 3 nodes × 10 groups, whole").endswith("| ≤ 0.4 s | 0.50 s | not met |")
    assert line(slow, "| the journal's share of an apply, 3 nodes, 0 ms: the time").endswith(
        "| – | not measured |"
    )
    assert line(slow, "| the journal's share of an apply, 3 nodes, 20 ms: what").endswith(
        "| 25.0 % | not met |"
    )
    assert line(slow, "| the journal's share of an apply, 3 nodes, 20 ms: the").endswith(
        "| 5.00 % | **met** |"
    )
    assert line(slow, "| a million cells planned (one list").endswith("| ≤ 400 MiB | 50.0 MiB | **met** |")
    assert "| CPU | one of a kind |" in slow
    assert "2026-01-02, commit `0123456789`" in slow


def test_a_trial_is_called_one() -> None:
    document = results(planner=1.0)
    assert "a trial" not in page.page(document)
    document["sections"]["plan"]["scale"] = 0.1
    document["sections"]["start"]["rounds"] = 1
    text = page.page(document)
    assert "with 0.1 times the cells: a trial" in line(text, "* `plan`")
    assert "1 rounds with 1 times the cells: a trial" in line(text, "* `start`")


def test_a_ratio_is_the_median_of_paired_rounds() -> None:
    mine, its = row("planner", 1.0, 4.0, 2.0), row("aiohttp", 2.0, 2.0, 2.0)
    assert times_as_fast(mine, its) == 1.0
    assert spread(mine, "wall") == (2.0, 1.0, 4.0)
    with pytest.raises(ValueError, match="zip"):
        times_as_fast(mine, row("aiohttp", 2.0))


def test_the_start_of_a_slow_client_is_taken_off() -> None:
    assert rates(row("Ansible", 6.0, cells=11, one=1.0)) == [2.0]


def test_the_exponent_of_a_growth() -> None:
    assert exponent([(x, 3 * x**1.5) for x in (10, 100, 1000)]) == pytest.approx(1.5)
    assert exponent([(1, 5.0), (10, 5.0)]) == pytest.approx(0.0)
    with pytest.raises(ValueError, match="two sizes"):
        exponent([(10, 1.0), (10, 2.0)])


def test_the_picture_shows_every_ratio_and_exponent() -> None:
    drawn = plot.picture(results(planner=1.6))
    assert "plan, 0 ms: aiohttp" in drawn
    assert "1.25×" in drawn
    assert "one list per node: x^1.00" in drawn
    assert "prefers-color-scheme: dark" in drawn
    assert "<svg" in plot.picture({})


def test_the_page_is_made_from_the_committed_results() -> None:
    document = json.loads(program.RESULTS.read_text("utf-8"))
    told = "run `make bench BENCH_ARGS=--render`, and commit what it wrote"
    assert program.PAGE.read_text("utf-8") == page.page(document), told
    assert program.PICTURE.read_text("utf-8") == plot.picture(document), told
    assert all(not math.isnan(goal.measured or 0.0) for goal in goals(document["sections"]))


def test_rounds_alternate(tmp_path: Path) -> None:
    order: list[str] = []

    def contender(name: str) -> Contender:
        def measure() -> Run:
            order.append(name)
            return Run(1.0, 1.0, 1.0, 1.0)

        return Contender(name, 1, measure)

    rows = Bench(rounds=2, where=tmp_path).compare("test", [contender("a"), contender("b")])
    assert order == ["a", "b", "a", "b"]
    assert [len(one["rounds"]) for one in rows] == [2, 2]


def test_a_run_that_fails_or_says_something_else_is_loud(tmp_path: Path) -> None:
    with pytest.raises(WrongWork, match="ended with 3"):
        run(["sh", "-c", "exit 3"], folder=tmp_path, environment={}, expect="")
    with pytest.raises(WrongWork, match="without saying 'two cells'"):
        run(["echo", "one cell"], folder=tmp_path, environment={}, expect="two cells")


def test_memory_of_a_tree_is_that_of_all_in_it() -> None:
    holds = "held = bytearray(b'1' * (64 << 20)); print(flush=True); input()"
    words = ["sh", "-c", f'"{sys.executable}" -c "{holds}"; true']
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        assert 64 << 20 < tree_bytes(shell.pid) < tree_bytes(os.getpid())


@pytest.fixture
def full() -> Iterator[Cluster]:
    with Cluster(NODES, GROUPS) as cluster:
        yield cluster


@pytest.fixture
def empty() -> Iterator[Cluster]:
    with Cluster(NODES) as cluster:
        yield cluster


@pytest.mark.parametrize("program", ["aiohttp_loop", "requests_loop"])
def test_a_loop_reads_and_creates_every_cell(
    program: str, full: Cluster, empty: Cluster, tmp_path: Path
) -> None:
    if importlib.util.find_spec(program.removesuffix("_loop")) is None:
        pytest.skip("only `make bench` installs it")
    loop(program, "read", tmp_path, full.urls, 5, 4)
    with pytest.raises(WrongWork, match="404"):
        loop(program, "read", tmp_path, empty.urls, 5, 4)
    loop(program, "create", tmp_path, empty.urls, 5, 4)
    empty.must_hold(5)
    with pytest.raises(WrongWork, match="5 cells, and 6"):
        empty.must_hold(6)


def test_a_careful_loop_looks_before_and_after(full: Cluster, empty: Cluster, tmp_path: Path) -> None:
    loop("requests_loop", "careful", tmp_path, empty.urls, 3)
    empty.must_hold(3)
    with pytest.raises(WrongWork, match="there already"):
        loop("requests_loop", "careful", tmp_path, full.urls, 3)


@pytest.mark.skipif(not ansible.PROGRAM.exists(), reason="only `make bench` installs it")
def test_ansible_creates_every_cell(empty: Cluster, tmp_path: Path) -> None:
    playbook(tmp_path, "create", empty.urls, 2)
    empty.must_hold(2)


def test_planner_plans_and_applies_over_the_nodes_and_its_journal_is_timed(
    empty: Cluster, tmp_path: Path
) -> None:
    planner = Planner(tmp_path, empty.urls, GROUPS)
    _, said = planner.launched("on")
    empty.must_hold(NODES * GROUPS)
    took = json.loads(said.splitlines()[-1])
    assert took["begins"] == took["closes"] == 1
    assert took["commits"] > 0
    assert took["commit"] > 0
    planner.plan()


def test_the_build_without_a_journal_holds_no_wave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqlLease, "commit", SqlLease.commit)  # put back at the end
    wave = Wave((mark(1, StepState.STARTED, tried=True),))
    with open_store(f"sqlite:///{tmp_path}/planner.db") as store, store.lock("test", "apply", 0.0) as lease:
        number = lease.begin(intent())
        launch.forget_waves()
        lease.commit(number, wave)
        assert marked(store, number) == set()
        monkeypatch.undo()
        lease.commit(number, wave)
        assert marked(store, number) == {1}


def marked(store: Store, number: int) -> set[int]:
    """The steps that the store holds as begun."""
    record = store.record("test", number)
    assert record is not None
    return {one.number for one in record.marks if one.tried}


def test_the_build_without_a_journal_creates_the_same(empty: Cluster, tmp_path: Path) -> None:
    _, said = Planner(tmp_path, empty.urls, GROUPS).launched("off")
    empty.must_hold(NODES * GROUPS)
    assert '"commits"' not in said


def test_a_seeded_store_is_as_after_an_apply(full: Cluster, tmp_path: Path) -> None:
    planner = Planner(tmp_path, full.urls, GROUPS, lists=True)
    planner.seed()
    planner.plan()


def test_every_module_is_in_its_index() -> None:
    for package in (ROOT / "benchmarks", ROOT / "benchmarks" / "clients", ROOT / "benchmarks" / "sections"):
        text = (package / "__init__.py").read_text("utf-8")
        named = set(re.findall(r"\b[a-z_]+\.py\b", text)) - {"__main__.py"}
        assert named == {path.name for path in package.glob("[!_]*.py")}
