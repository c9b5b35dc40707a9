"""What the chart renders: valid for the API, safe for the night, and coupled rightly."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import lint

import planner
from tests.deploy.charts import (
    CHART,
    KUBERNETES,
    ROOT,
    SETS,
    Object,
    chart,
    objects,
    one,
    pods,
    texts,
    validate,
    values_of,
)

CUSTOM = {"ServiceMonitor", "PrometheusRule"}
LONG = "r" * 53  # the longest name of a release
EACH = pytest.mark.parametrize("path", SETS, ids=[path.stem for path in SETS])


def walk(data: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    yield path, data
    if isinstance(data, dict):
        for key, value in data.items():
            yield from walk(value, (*path, key))
    elif isinstance(data, list):
        for value in data:
            yield from walk(value, path)


def test_there_are_sets_for_everything() -> None:
    assert len(SETS) >= 12
    kinds = {each["kind"] for path in SETS for each in objects(values_of(path))}
    assert kinds == CUSTOM | {
        "ConfigMap",
        "CronJob",
        "Job",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Pod",
        "PodDisruptionBudget",
        "ServiceAccount",
    }


def test_chart_is_of_this_version() -> None:
    assert chart().metadata["appVersion"] == planner.__version__
    assert chart().metadata["version"] == planner.__version__
    image = pods(objects())[0]["spec"]["containers"][0]["image"]
    for path in (ROOT / "README.md", CHART / "README.md", CHART / "values.yaml"):
        assert f"docker build -t {image} ." in path.read_text("utf-8"), (
            "the quick install builds what it installs"
        )


@EACH
def test_lint_has_nothing_to_say(path: Path) -> None:
    for version in KUBERNETES:
        report = lint(str(CHART), values_of(path), strict=True, kube_version=f"v{version}.0")
        said = [each["error"] for each in report["messages"]]
        assert (said, report["errors"]) == (["icon is recommended"], [])


@pytest.mark.parametrize("version", KUBERNETES)
@EACH
def test_every_object_is_valid(path: Path, version: str) -> None:
    for each in objects(values_of(path)):
        if each["kind"] in CUSTOM:
            assert each["apiVersion"] == "monitoring.coreos.com/v1"
        else:
            validate(each, version)


@pytest.mark.parametrize("release", ["planner", LONG, "a"])
@EACH
def test_names_and_labels(path: Path, release: str) -> None:
    found = objects(values_of(path), release)
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(names)) == len(names)
    for kind, name in names:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name), name
        assert len(name) <= (52 if kind == "CronJob" else 63), name
    for each in [*found, *pods(found)]:
        labels = each["metadata"]["labels"]
        for key, value in labels.items():
            assert isinstance(value, str), key
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value), (key, value)
        assert labels["app.kubernetes.io/instance"] == release
    assert {each["metadata"]["namespace"] for each in found} == {"night"}


@EACH
def test_selectors_meet_every_pod_and_hold_nothing_that_changes(path: Path) -> None:
    found = objects(values_of(path))
    for each in found:
        if each["kind"] not in {"NetworkPolicy", "PodDisruptionBudget"}:
            continue
        spec = each["spec"]
        selector = (spec.get("podSelector") or spec["selector"])["matchLabels"]
        assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
        for pod in pods(found):
            assert selector.items() <= pod["metadata"]["labels"].items()


@EACH
def test_every_pod_is_restricted(path: Path) -> None:
    """The `restricted` Pod Security Standard, and more."""
    for pod in pods(objects(values_of(path))):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["restartPolicy"] == "Never"
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (65532, 65532, 65532)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert writable <= {"/tmp", "/var/lib/planner", "/var/lib/planner-metrics"}
        assert "/tmp" in writable
        assert "command" not in container  # the image's entry point is planner
        assert container["resources"]["limits"]["memory"]
        assert container["terminationMessagePolicy"] in {"File", "FallbackToLogsOnError"}
        assert container["imagePullPolicy"] in {"Always", "IfNotPresent", "Never"}


@EACH
def test_volumes_and_environment_fit(path: Path) -> None:
    found = objects(values_of(path))
    made = {(each["kind"], each["metadata"]["name"]): each for each in found}
    for pod in pods(found):
        spec = pod["spec"]
        (container,) = spec["containers"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert len(volumes) == len(spec["volumes"])
        mounts = container["volumeMounts"]
        assert {mount["name"] for mount in mounts} == set(volumes)
        assert len({mount["mountPath"] for mount in mounts}) == len(mounts)
        names = [variable["name"] for variable in container["env"]]
        assert len(set(names)) == len(names)
        for variable in container["env"]:
            assert ("value" in variable) != ("valueFrom" in variable)
            assert isinstance(variable.get("value", ""), str)
        for volume in volumes.values():
            config = volume.get("configMap")
            if config and ("ConfigMap", config["name"]) in made:
                data = made["ConfigMap", config["name"]]["data"]
                assert {item["key"] for item in config["items"]} <= data.keys()
        ours = {name for kind, name in made if kind in {"ConfigMap", "PersistentVolumeClaim"}}
        assert {name for name in named_by(spec) if name.startswith("planner")} <= ours


def named_by(spec: Any) -> Iterator[str]:
    for volume in spec["volumes"]:
        if "configMap" in volume:
            yield volume["configMap"]["name"]
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"]["claimName"]


@EACH
def test_secrets_are_only_referred_to(path: Path) -> None:
    found = objects(values_of(path))
    assert "Secret" not in {each["kind"] for each in found}
    for each in found:
        for where, value in walk(each):
            if isinstance(value, str):
                assert not re.search(r"postgres(ql)?(\+psycopg)?://|://[^/\s\"]*:[^/\s\"]*@", value), where


@EACH
def test_runs_can_reverse_before_they_are_killed(path: Path) -> None:
    for pod in pods(objects(values_of(path))):
        period = pod["spec"]["terminationGracePeriodSeconds"]
        (grace,) = (v["value"] for v in pod["spec"]["containers"][0]["env"] if v["name"] == "PLANNER_GRACE")
        assert period - 30 <= int(grace.removesuffix("s")) < period


@EACH
def test_two_runs_never_overlap_and_none_repeats_itself(path: Path) -> None:
    for each in objects(values_of(path)):
        if each["kind"] == "CronJob":
            assert each["spec"]["concurrencyPolicy"] == "Forbid"
            job = each["spec"]["jobTemplate"]["spec"]
            assert (
                job["podReplacementPolicy"] == "Failed"
            )  # never a second pod beside one that still reverses
            assert "startingDeadlineSeconds" in each["spec"]
        elif each["kind"] == "Job":
            job = each["spec"]
        else:
            continue
        assert job["backoffLimit"] == 0
        assert job["ttlSecondsAfterFinished"] > 0
        grace = job["template"]["spec"]["terminationGracePeriodSeconds"]
        assert job["activeDeadlineSeconds"] > grace


def test_the_example_is_the_default_file() -> None:
    text = one(objects(), "ConfigMap")["data"]["groups.yaml"]
    assert text == (ROOT / "groups.yaml").read_text("utf-8")


def test_a_given_file_keeps_its_bytes() -> None:
    for text in ("version: 1\n", "  indented: true\n\n\n", "no end", "# ä\ttab\n", '"{{ .Values }}"\n'):
        assert one(objects({"groupsFile": text}), "ConfigMap")["data"]["groups.yaml"] == text


def test_another_file_is_another_pod() -> None:
    first, second = (
        pods(objects({"groupsFile": text}))[0]["metadata"]["annotations"]["checksum/groups"]
        for text in ("a: 1\n", "a: 2\n")
    )
    assert first != second


def test_another_plan_or_image_is_another_job() -> None:
    def job(**more: Any) -> str:
        name = one(objects({"apply": {"plan": "{}"}, **more}), "Job")["metadata"]["name"]
        assert isinstance(name, str)
        return name

    assert job() == job()
    assert len({job(), job(apply={"plan": "[]"}), job(image={"tag": "9"})}) == 3


def test_what_remembers_outlives_the_release() -> None:
    claim = one(objects(), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_what_deploys_the_chart_is_the_review() -> None:
    def args(**reconcile: Any) -> Any:
        return pods(objects({"reconcile": reconcile}))[0]["spec"]["containers"][0]["args"]

    assert args() == ["reconcile", "--mode", "repair", "--apply-changes"]
    assert args(applyChanges=False, mode="report") == ["reconcile", "--mode", "report"]


def test_the_plan_key_is_where_plan_files_are_and_nowhere_else() -> None:
    """The CronJob carries out no plan file, and `helm test` writes none: what is not there cannot leak."""
    values = {"plan": {"enabled": True}, "apply": {"plan": "{}"}, "planKey": {"existingSecret": "123"}}
    have = {}
    for pod in pods(objects(values)):
        (container,) = pod["spec"]["containers"]
        name = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        references = [each["value"] for each in container["env"] if each["name"] == "PLANNER_PLAN_KEY"]
        mounts = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "plan-key"]
        secrets = [each["secret"] for each in pod["spec"]["volumes"] if "secret" in each]
        have[name] = (references, mounts, secrets)
    items = [{"key": "plan.key", "path": "plan.key"}]
    secret = {"secretName": "123", "defaultMode": 0o440, "items": items}
    there = (["file:/etc/planner-plan-key/plan.key"], ["/etc/planner-plan-key"], [secret])
    assert have == {"plan": there, "apply": there, "reconcile": ([], [], []), "test": ([], [], [])}
    assert all(
        not each["spec"]["volumes"][-1].get("secret") for each in pods(objects(values | {"planKey": {}}))
    )


def test_network_policy_lets_out_what_is_used_and_nothing_in() -> None:
    policy = one(objects(values_of(ROOT / "tests/deploy/values/network.yaml")), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == []
    ports = [[port["port"] for port in rule["ports"]] for rule in policy["egress"]]
    assert ports == [[53, 53], [8000, 8443], [5432], [9091], [443], [3128]]
    default = one(objects(values_of(ROOT / "tests/deploy/values/network-default.yaml")), "NetworkPolicy")[
        "spec"
    ]
    assert [[port["port"] for port in rule["ports"]] for rule in default["egress"]] == [[53, 53], [80, 443]]


def test_disruption_budget_is_one_that_works_for_jobs() -> None:
    """A Job has no scale: with a percentage or `maxUnavailable` the controller cannot count."""
    budget = one(objects({"podDisruptionBudget": {"enabled": True}}), "PodDisruptionBudget")["spec"]
    assert isinstance(budget["minAvailable"], int)
    assert "maxUnavailable" not in budget


def test_custom_resources() -> None:
    found = objects(values_of(ROOT / "tests/deploy/values/monitoring.yaml"))
    rule, monitor = one(found, "PrometheusRule"), one(found, "ServiceMonitor")
    assert rule["spec"] == yaml.safe_load((CHART / "files/alerts.yaml").read_text("utf-8"))
    assert set(rule["spec"]) == {"groups"}
    assert monitor["metadata"]["labels"]["release"] == rule["metadata"]["labels"]["release"] == "prometheus"
    assert set(monitor["spec"]) == {"namespaceSelector", "selector", "endpoints"}
    assert monitor["spec"]["endpoints"] == [{"port": "http", "interval": "1m", "honorLabels": True}]
    board = next(each for each in found if each["metadata"]["name"] == "planner-dashboard")
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["data"]["planner.json"] == (CHART / "files/dashboard.json").read_text("utf-8")


@EACH
@pytest.mark.parametrize("release", ["planner", LONG])
def test_notes_name_what_is_there(path: Path, release: str) -> None:
    values = values_of(path)
    notes = texts(values, release)["templates/NOTES.txt"]
    found: list[Object] = objects(values, release)
    crons = [each["metadata"]["name"] for each in found if each["kind"] == "CronJob"]
    assert re.findall(r"--from=cronjob/(\S+)", notes) == crons
    for job in re.findall(r"job/(\S+-by-hand)", notes):
        assert len(job) <= 63
    assert "<no value>" not in notes
    assert ("127.0.0.1" in notes) == (not {"groups", "groupsFile", "existingConfigMap"} & values.keys())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reconcile": {"mode": "report"}}, "exit code 2"),
        ({"store": {"sqlite": {"keep": False}}}, "deletes the store"),
        ({"store": {"sqlite": {"accessMode": "ReadWriteOnce"}}}, "network file system"),
        ({"apply": {"plan": "{}"}}, "reconcile.applyChanges is on"),
        ({"planKey": {"existingSecret": "x"}}, "needs no signature"),
        ({"podDisruptionBudget": {"enabled": True}}, "KubePdbNotEnoughHealthyPods"),
        ({"reconcile": {"enabled": False}}, "nothing repairs drift"),
        ({"plan": {"enabled": True}}, "> plan.json"),
    ],
)
def test_notes_warn_of_what_is_risky(values: dict[str, Any], words: str) -> None:
    assert words in texts(values)["templates/NOTES.txt"]
    assert words not in texts()["templates/NOTES.txt"]
