"""What machines are told of a run, through the real command: however it ends, and without changing how."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from planner.cli.main import invoke
from planner.simulator import SimulatedCluster
from tests.cli.conftest import Ended, Shop
from tests.cli.machines import dying
from tests.schemas import check_document, check_log
from tests.telemetry.receiver import Receiver, receiving

pytestmark = pytest.mark.usefixtures("forked")


class Watched:
    """A shop whose runs are told to everyone."""

    def __init__(self, shop: Shop, receiver: Receiver) -> None:
        self.shop = shop
        self.receiver = receiver
        shop.settings |= {
            "PLANNER_SUMMARY": "summary.json",
            "PLANNER_METRICS_FILE": "planner.prom",
            "PLANNER_PUSHGATEWAY": receiver.url,
            "PLANNER_NOTIFY": f"{receiver.url}/hook?token=SECRET",
        }

    def run(self, *arguments: str) -> Ended:
        """Run, and check that what was told is one thing in every place."""
        self.receiver.taken.clear()
        ended = self.shop.run(*arguments)
        assert "SECRET" not in ended.out + ended.err
        check_document(self.summary)
        assert self.summary["exit_code"] == ended.code
        assert self.metrics["planner_last_run_exit_code"] == ended.code
        for body in self.notifications:
            check_document(body)
            assert body["summary"]["outcome"] == self.summary["outcome"]
        return ended

    @property
    def summary(self) -> Any:
        return json.loads((self.shop.folder / "summary.json").read_text())

    @property
    def metrics(self) -> dict[str, float]:
        """Of the textfile, by name and node."""
        text = (self.shop.folder / "planner.prom").read_text()
        samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
        return {f"{s.name} {s.labels.get('node', '')}".rstrip(): s.value for s in samples}

    @property
    def notifications(self) -> list[Any]:
        return [json.loads(body) for _, path, body in self.receiver.taken if path.startswith("/hook")]

    @property
    def kinds(self) -> list[str]:
        return [each["kind"] for each in self.notifications]

    @property
    def pushed(self) -> list[str]:
        return [body for _, path, body in self.receiver.taken if path.startswith("/metrics")]


@pytest.fixture
def watched(shop: Shop) -> Any:
    with receiving() as receiver:
        yield Watched(shop, receiver)


def test_every_way_that_a_run_can_end(watched: Watched, cluster: SimulatedCluster) -> None:
    shop = watched.shop
    shop.file("kept", "old", "a")
    assert watched.run("apply", "--yes").code == 0
    assert (watched.summary["outcome"], watched.kinds) == ("applied", ["applied"])

    assert watched.run("reconcile").code == 0
    assert (watched.summary["outcome"], watched.kinds) == ("no changes", [])
    assert watched.summary["requests"]["total"] == 9
    success = watched.metrics["planner_last_success_timestamp_seconds"]
    assert len(watched.pushed) == 1

    cluster.change_groups("node02", remove=["a"])
    assert watched.run("reconcile", "--mode", "report").code == 2
    assert (watched.summary["outcome"], watched.kinds) == ("changes pending", ["drift"])
    assert watched.metrics["planner_drifted_cells node02"] == 1
    assert watched.metrics["planner_drifted_cells node01"] == 0

    cluster.set_faults("node02:POST:error-before=1@403")
    assert watched.run("reconcile").code == 3
    assert (watched.summary["outcome"], watched.kinds) == ("reversed", ["reversed"])
    assert watched.summary["steps"]["total"] == 1
    assert watched.metrics["planner_drifted_cells node02"] == 1
    assert watched.metrics["planner_last_success_timestamp_seconds"] == success
    assert "planner_last_success" not in watched.pushed[0]

    assert watched.run("reconcile").code == 2
    assert watched.kinds == ["drift"]
    assert "create a on node02" in watched.summary["error"]["why"]

    cluster.set_faults("none")
    assert watched.run("reconcile", "--backoff-after-failure", "0").code == 0
    assert watched.kinds == ["repair"]
    assert watched.metrics["planner_drifted_cells node02"] == 0
    assert watched.metrics["planner_repaired_cells"] == 1
    assert watched.metrics["planner_last_success_timestamp_seconds"] >= success

    shop.file("kept", "old", "b")
    assert watched.run("reconcile").code == 6
    assert (watched.summary["outcome"], watched.kinds) == ("stale", ["refused"])

    cluster.kill("node03")
    assert watched.run("reconcile").code == 1
    assert watched.summary["unreadable"] == {"nodes": 1, "names": ["node03"]}
    assert (watched.summary["drift"], watched.kinds) == (None, ["failed"])
    assert watched.metrics["planner_unreadable_nodes"] == 1
    assert not any(name.startswith("planner_drifted") for name in watched.metrics)
    assert watched.summary["requests"]["by_end"]["not sent"] > 0
    assert watched.summary["requests"]["retried"] > 0

    (shop.folder / "groups.yaml").write_text("version: 2\n")
    assert watched.run("reconcile").code == 1
    assert (watched.summary["cluster"], watched.kinds) == ("test", ["failed"]), "the only one in the store"


def test_a_run_that_never_began_is_told(watched: Watched) -> None:
    shop = watched.shop
    shop.file("kept")
    for wrong in (["--retries", "many"], ["--bogus"], ["--retries", "many", "--format", "json"]):
        (shop.folder / "summary.json").unlink(missing_ok=True)
        watched.receiver.taken.clear()
        assert shop.run("reconcile", *wrong).code == 64
        check_document(watched.summary)
        assert (watched.summary["outcome"], watched.summary["exit_code"]) == ("wrong usage", 64)
        assert watched.kinds == ["failed"]
    watched.receiver.taken.clear()
    assert shop.run("status", "--bogus").code == 64
    shop.settings["PLANNER_NOTIFY"] = "ftp://SECRET"
    assert shop.run("reconcile").code == 64
    assert watched.receiver.taken == [], "no command that is watched, and no outlet that makes sense"


def test_a_dead_run_that_is_finished_is_told(watched: Watched, cluster: SimulatedCluster) -> None:
    shop = watched.shop
    shop.file("kept", "old")
    assert shop.run("apply", "--yes").code == 0
    shop.file("kept", "old", "a", "b")
    with dying(shop, cluster) as held:
        assert held.startswith("POST ")
    shop.file("kept", "old")
    assert watched.run("reconcile", "--mode", "report").code == 4
    assert watched.kinds == ["incomplete"]
    assert watched.metrics["planner_incomplete"] == 1
    assert watched.metrics["planner_open_cells"] == watched.summary["store"]["open"] > 0
    assert watched.run("reconcile").code == 0
    assert (watched.summary["recovered"], watched.kinds) == (2, ["recovered"])
    assert watched.metrics["planner_incomplete"] == watched.metrics["planner_open_cells"] == 0


def test_nothing_that_listens_can_fail_a_run(watched: Watched) -> None:
    shop = watched.shop
    shop.file("kept", "old", "a")
    shop.settings |= {
        "PLANNER_SUMMARY": "no/summary.json",
        "PLANNER_METRICS_FILE": "no/planner.prom",
        "PLANNER_PUSHGATEWAY": "http://127.0.0.1:1",
        "PLANNER_NOTIFY": "http://127.0.0.1:1/SECRET",
        "PLANNER_LOG_FORMAT": "json",
    }
    ended = shop.run("apply", "--yes", "--format", "json")
    assert ended.code == 0
    assert ended.events[-1]["type"] == "summary", "the last line, whatever listens"
    warnings = [line["message"] for line in check_log(ended.err) if line["level"] == "warning"]
    about = ("The summary", "The notification", "The metrics", "The Pushgateway")
    assert [text for text in warnings if text.startswith(about)] == warnings[-4:], "one of each, at the end"
    assert "SECRET" not in ended.err


def test_a_signal_while_it_is_told_changes_nothing(watched: Watched) -> None:
    shop, receiver = watched.shop, watched.receiver
    shop.file("kept")
    receiver.silent = True
    with shop.start("reconcile") as process:
        assert receiver.arrived.wait(60)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        receiver.closing.set()
        ended = shop.end(process)
    assert ended.code == 6, ended.err
    assert watched.summary["exit_code"] == 6


def test_a_bug_while_the_store_is_asked_is_a_warning(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    shop.file("kept")
    for name, value in (shop.environment | {"PLANNER_SUMMARY": "summary.json"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(shop.folder)
    monkeypatch.setattr("planner.app.status", broken)
    assert invoke(["apply", "--yes"])[0] == 0
    told = json.loads((shop.folder / "summary.json").read_text())
    check_document(told)
    assert (told["exit_code"], told["store"]) == (0, None)


def test_the_summary_on_standard_output_is_its_last_line(shop: Shop) -> None:
    shop.file("kept", "old", "a")
    ended = shop.run("apply", "--yes", "--summary", "-")
    assert ended.code == 0
    check_document(json.loads(ended.out.splitlines()[-1]))
    wrong = shop.run("apply", "--yes", "--summary", "-", "--format", "json")
    assert (wrong.code, "standard output is json already" in wrong.err) == (64, True)


def test_a_url_that_is_none_is_said_without_it(shop: Shop) -> None:
    shop.file("kept")
    for variable in ("PLANNER_NOTIFY", "PLANNER_PUSHGATEWAY"):
        shop.settings[variable] = "ftp://SECRET"
        ended = shop.run("reconcile")
        assert ended.code == 64
        assert "must be a URL" in ended.err
        assert "SECRET" not in ended.err
        del shop.settings[variable]
