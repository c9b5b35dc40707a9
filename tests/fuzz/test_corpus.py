"""Every target over its seeds and over what ever broke it; and, in `make soak`, under atheris for a while."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.model import Plan
from tests.builders import Bench
from tests.fuzz import targets
from tests.fuzz.targets import CORPUS, TARGETS

ROOT = Path(__file__).parents[2]
INPUTS = sorted(CORPUS.glob("*/*"))
RUNS = 300
BUSY = [HealthCheck.too_slow]  # of the machine, not of the strategy


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}"[:60])
def test_a_seed(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


URLS = st.from_regex(r"(https?://)?[a-z0-9:.%\[\]@-]{1,20}(/[a-zA-Z0-9%.;?#/-]{0,20})?", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["groupId", "id", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS: dict[str, st.SearchStrategy[bytes]] = {
    "identifier": (st.text() | st.text("/.%2eEfF?#;&= \u00e9e\u0301", max_size=12)).map(str.encode),
    "pattern": (st.text() | st.text("*?[]!-a^\\\\", max_size=30)).map(str.encode),
    "address": (st.text() | URLS | st.from_regex(r"[a-z]=http://[a-z.:,=%/]{1,20}")).map(str.encode),
    "answer": JSON.map(json.dumps).map(str.encode),
    "plan_edits": st.binary(max_size=24),
}


@pytest.mark.parametrize("target", WORDS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=BUSY)
@given(data=st.data())
def test_whatever_is_made_of_the_words_of_a_target(target: str, data: st.DataObject) -> None:
    """Without atheris: an id, say, is refused by the file, or the same for the node in every dialect."""
    TARGETS[target](data.draw(WORDS[target]))


def test_every_target_has_seeds() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)


@pytest.mark.parametrize("broken", ["a traceback", "another id"])
def test_a_target_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """A harness that catches everything would find nothing."""
    if broken == "a traceback":
        monkeypatch.setattr(targets, "parse", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            TARGETS["groups_file"](b"a: b")
    else:
        monkeypatch.setattr("planner.nodes.wire.quote", lambda text, safe="/": text)
        with pytest.raises(AssertionError):
            TARGETS["identifier"](b"a/b")


def test_the_seeds_of_forged_plans_are_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were they refused at once, the fuzzer would see nothing of what comes after."""
    applied: list[int] = []
    apply = Bench.apply

    def counted(self: Bench, plan: Plan) -> object:
        result = apply(self, plan)
        applied.append(len(self.writes))
        return result

    monkeypatch.setattr(Bench, "apply", counted)
    for path in (CORPUS / "plan_body").glob("*.json"):
        TARGETS["plan_body"](path.read_bytes())
    assert sorted(applied) == [2, 3, 8]


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="needs atheris (`make fuzz` installs it)"
)
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_under_atheris(target: str, tmp_path: Path) -> None:
    """Instrumented, over its corpus, and some hundred inputs more."""
    words = [sys.executable, "-m", "tests.fuzz", target]
    words += [f"-runs={RUNS}", "-seed=7", f"-artifact_prefix={tmp_path}/"]
    found = tmp_path / "found"
    found.mkdir()
    done = subprocess.run(
        [*words, str(found), str(CORPUS / target)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"DONE\s+cov: \d+", done.stderr)
    assert re.search(rf"Done {RUNS} runs", done.stderr)
