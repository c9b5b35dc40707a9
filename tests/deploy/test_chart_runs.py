"""What the chart would run does run: its arguments, environment and files, with the real command."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from planner.simulator import SimulatedCluster
from tests.cli.conftest import Ended, Shop
from tests.cli.forks import Forks, forking
from tests.deploy.charts import Object, objects, one, pods, texts
from tests.schemas import check_log

QUICK = {
    "readTimeout": "300ms",
    "backoff": "10ms",
    "backoffMax": "100ms",
    "retryStatus": [429, 500, 503],
    "logFormat": "json",
}


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking() as forks:
        yield forks


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(3, seed=7, groups=["kept"]) as simulated:
        yield simulated


class Kubelet:
    """Runs the container of a pod, with its folders under one of ours. What is said is its log."""

    def __init__(self, folder: Path, forks: Forks) -> None:
        self._folder = folder
        self._forks = forks

    def run(self, found: list[Object], pod: Object) -> Ended:
        config = {each["metadata"]["name"]: each["data"] for each in found if each["kind"] == "ConfigMap"}
        (container,) = pod["spec"]["containers"]
        places = {}
        for mount in container["volumeMounts"]:
            (volume,) = (each for each in pod["spec"]["volumes"] if each["name"] == mount["name"])
            place = self._folder / volume["name"]
            place.mkdir(exist_ok=True)
            for item in volume.get("configMap", {}).get("items", []):
                text = config[volume["configMap"]["name"]][item["key"]]
                (place / item["path"]).write_text(text, encoding="utf-8")
            places[mount["mountPath"]] = str(place)
        places["/dev/termination-log"] = str(self._folder / "termination-log")

        def here(text: str) -> str:
            for there, place in sorted(places.items(), reverse=True):
                text = text.replace(there, place)
            return text

        environment = {each["name"]: here(each["value"]) for each in container["env"]}
        shop = Shop(self._folder, {}, environment, self._forks)
        return shop.run(*map(here, container["args"]))


@pytest.fixture
def kubelet(tmp_path: Path, forks: Forks) -> Kubelet:
    return Kubelet(tmp_path, forks)


def file_for(cluster: SimulatedCluster, *groups: str) -> dict[str, Any]:
    nodes = [{"name": name, "url": url} for name, url in cluster.urls.items()]
    return {"version": 1, "cluster": {"name": "night", "nodes": nodes}, "groups": list(groups)}


def of(found: list[Object], component: str) -> Object:
    (pod,) = (
        each for each in pods(found) if each["metadata"]["labels"]["app.kubernetes.io/component"] == component
    )
    return pod


def warned(ended: Ended) -> list[str]:
    """What was warned of, but that the store is a new one."""
    return [
        line["message"]
        for line in check_log(ended.err)
        if line["level"] == "warning" and "knows nothing of cluster" not in line["message"]
    ]


def test_the_example_is_valid(kubelet: Kubelet) -> None:
    found = objects()
    pod = of(found, "reconcile")
    args = pod["spec"]["containers"][0] | {"args": ["validate"]}
    ended = kubelet.run(found, pod | {"spec": pod["spec"] | {"containers": [args]}})
    assert (ended.code, warned(ended)) == (0, []), ended.err
    assert "example" in ended.out


def test_a_night(kubelet: Kubelet, cluster: SimulatedCluster) -> None:
    found = objects({"groups": file_for(cluster, "kept", "new"), "settings": QUICK})
    tested = kubelet.run(found, of(found, "test"))
    assert tested.code == 0, tested.err
    assert "+ create  new" in tested.out
    assert "new" not in cluster.groups()["node01"], "helm test writes to no node"
    first = kubelet.run(found, of(found, "reconcile"))
    assert (first.code, warned(first)) == (0, []), first.err
    wanted = cluster.groups()
    assert all("new" in groups for groups in wanted.values())
    cluster.change_groups("node02", remove=["new"])
    second = kubelet.run(found, of(found, "reconcile"))
    assert (second.code, cluster.groups()) == (0, wanted), second.err
    third = kubelet.run(found, of(found, "reconcile"))
    assert third.out.startswith("No changes."), third.out


def test_nodes_come_from_the_values(kubelet: Kubelet, cluster: SimulatedCluster) -> None:
    values = {
        "groupsFile": "version: 1\ncluster: {name: night}\ngroups: [kept]\n",
        "nodes": dict(cluster.urls),
        "settings": QUICK,
        "reconcile": {"mode": "report"},
    }
    found = objects(values)
    assert kubelet.run(found, of(found, "reconcile")).code == 2, "the adoption of `kept`"


def test_only_a_signed_plan_is_applied_where_there_is_a_key(
    kubelet: Kubelet, cluster: SimulatedCluster, tmp_path: Path
) -> None:
    (tmp_path / "plan-key").mkdir()
    (tmp_path / "plan-key" / "plan.key").write_text("5e1f" * 16)  # as the kubelet writes a Secret
    values: dict[str, Any] = {"groups": file_for(cluster, "kept", "new"), "settings": QUICK}
    key = {"planKey": {"existingSecret": "planner-plan-key"}}
    planned = {}
    for name, more in (("unsigned", {}), ("signed", key)):
        found = objects(values | {"plan": {"enabled": True}} | more)
        planned[name] = kubelet.run(found, of(found, "plan")).out
    for name, code in (("unsigned", 6), ("signed", 0)):
        found = objects(values | {"apply": {"plan": planned[name]}} | key)
        ended = kubelet.run(found, of(found, "apply"))
        assert ended.code == code, (name, ended.err)
    assert "new" in cluster.groups()["node01"]


def test_a_plan_is_taken_out_and_applied(kubelet: Kubelet, cluster: SimulatedCluster) -> None:
    values = {
        "groups": file_for(cluster, "kept", "new"),
        "settings": QUICK,
        "reconcile": {"applyChanges": False},
        "plan": {"enabled": True},
    }
    found = objects(values)
    planned = kubelet.run(found, of(found, "plan"))
    assert planned.code == 0, planned.err
    notes = texts(values)["templates/NOTES.txt"]
    (cut,) = re.findall(r"\| (sed -n '\S+') > plan.json", notes)
    log = '{"level": "info"}\n' + planned.err + planned.out  # `kubectl logs` shows both
    plan = subprocess.run(shlex.split(cut), input=log, capture_output=True, text=True, check=True).stdout
    found = objects(values | {"plan": {"enabled": False}, "apply": {"plan": plan}})
    assert one(found, "Job")["metadata"]["name"].startswith("planner-apply-")
    applied = kubelet.run(found, of(found, "apply"))
    assert applied.code == 0, applied.err
    assert all("new" in groups for groups in cluster.groups().values())
    again = kubelet.run(found, of(found, "apply"))
    assert again.code in {0, 6}, again.err
    after = kubelet.run(found, of(found, "reconcile"))
    assert after.code == 0, after.err
