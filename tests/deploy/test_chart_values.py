"""The values: a wrong one is a clear error, and settings, schema, README and program say the same."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from helm_python import HelmError
from jsonschema import Draft202012Validator

from docs import chart as page
from planner.settings.table import SETTINGS
from tests.deploy.charts import CHART, ROOT, SETS, chart, objects, pods, texts, values_of

SCHEMA: Any = json.loads((CHART / "values.schema.json").read_text("utf-8"))
OF_SETTINGS: Any = SCHEMA["properties"]["settings"]["properties"]


def test_every_setting_is_covered() -> None:
    table = {setting.name for setting in SETTINGS}
    values = {page.camel(name): name for name in table - page.OWN.keys()}
    assert set(OF_SETTINGS) == set(values)
    assert page.OWN.keys() <= table


def test_what_the_chart_sets_is_a_setting() -> None:
    known = {setting.env for setting in SETTINGS}
    seen = set()
    for path in SETS:
        for pod in pods(objects(values_of(path))):
            names = {each["name"] for each in pod["spec"]["containers"][0]["env"]}
            seen |= {name for name in names if name.startswith("PLANNER_")}
    assert seen == known


SAMPLES = (
    *("0", "0s", "0ms", "0.0s", "00s", "0.5s", "500ms", "5s", "1.5h", "2m", "7d", "010s", "0.05s", "10.0m"),
    *(
        "5",
        "s",
        "-1s",
        "5 s",
        "5S",
        "5sec",
        "1m30s",
        ".5s",
        "5.s",
        "",
        "text",
        "json",
        "info",
        "warn",
        "auto",
    ),
    *("env:NODE_*", "file:/run/secrets/*, env:A", "env:", "file:x", "env:A,,env:B", "vault:x"),
    *("threads", "processes", "tcp://dask:8786", "tls://10.0.0.5:1", "tcp://", "dask:8786"),
    *("debug", "warning", "error", "always", "never", "none", "100", "1024", "1025", "101", "1", "4"),
)


@pytest.mark.parametrize(
    "setting", [each for each in SETTINGS if each.name not in page.OWN], ids=lambda s: s.name
)
def test_schema_takes_what_the_program_takes(setting: Any) -> None:
    schema = OF_SETTINGS[page.camel(setting.name)]
    check = Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]})
    taken = 0
    for text in SAMPLES:
        value: object = text
        if schema.get("type") == "integer":
            if not text.isdigit():
                continue
            value = int(text)
        if schema.get("type") == "array":
            continue
        if setting.name == "settle" and re.fullmatch(r"[0.]+(ms|s)?", text):
            continue  # refused by `load_settings`, not by the parser
        try:
            setting.parse(text)
        except ValueError:
            assert not check.is_valid(value), text
        else:
            assert check.is_valid(value), text
            taken += 1
    assert taken > 1 or schema.get("type") == "array"


def test_statuses_are_those_of_the_program() -> None:
    (setting,) = (each for each in SETTINGS if each.name == "retry_status")
    check = Draft202012Validator(OF_SETTINGS["retryStatus"])
    for value in ([], [429, 503], [400, 599], [399], [600]):
        text = ",".join(map(str, value)) or "none"
        try:
            setting.parse(text)
        except ValueError:
            assert not check.is_valid(value)
        else:
            assert check.is_valid(value)
            container = pods(objects({"settings": {"retryStatus": value}}))[0]["spec"]["containers"][0]
            assert {"name": "PLANNER_RETRY_STATUS", "value": text} in container["env"]


def test_outline_of_the_groups_file_is_that_of_the_program() -> None:
    theirs = json.loads((ROOT / "planner/schemas/groups.schema.json").read_text("utf-8"))
    ours = SCHEMA["$defs"]["clusterFile"]
    assert set(ours["properties"]) == set(theirs["properties"])
    assert ours["required"] == theirs["required"]
    cluster, limits = ours["properties"]["cluster"], ours["properties"]["limits"]
    assert set(cluster["properties"]) == set(theirs["$defs"]["cluster"]["properties"])
    assert set(limits["properties"]) == set(theirs["$defs"]["limits"]["properties"])
    node = cluster["properties"]["nodes"]["items"]
    assert set(node["properties"]) == set(theirs["$defs"]["node"]["properties"])


def schemas(of: Any) -> Iterator[Any]:
    if isinstance(of, dict):
        if "properties" in of:
            yield of
        for value in of.values():
            yield from schemas(value)


def test_no_unknown_key_passes() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    free = [each for each in schemas(SCHEMA) if each.get("additionalProperties") is not False]
    assert [set(each["properties"]) for each in free] == [{"name"}]  # extraVolumes: any source of a volume


def leaves(values: Any, schema: Any, path: str = "") -> Iterator[str]:
    for key, value in values.items():
        inner = schema["properties"][key]
        if isinstance(value, dict) and "properties" in inner and not path.endswith("ontext"):
            yield from leaves(value, inner, f"{path}{key}.")
        else:
            yield f"{path}{key}"


def test_every_value_is_in_the_schema_and_described() -> None:
    defaults = page.values()
    described = dict(page.described((CHART / "values.yaml").read_text("utf-8")))
    groups = {"podSecurityContext", "securityContext", "resources", "settings"}
    for leaf in leaves(defaults, SCHEMA):
        top = leaf.partition(".")[0]
        assert (top if top in groups else leaf) in described, leaf
    assert set(SCHEMA["properties"]) - {"global"} == set(defaults)
    assert chart().values == defaults


def test_readme_is_what_the_values_say() -> None:
    text = (CHART / "README.md").read_text("utf-8")
    assert text == page.page(), "run `make docs`, and commit what it wrote"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"recncile": {}}, "additional properties 'recncile' not allowed"),
        (
            {"reconcile": {"shedule": "@daily"}},
            "at '/reconcile': additional properties 'shedule' not allowed",
        ),
        (
            {"reconcile": {"schedule": "every night"}},
            "at '/reconcile/schedule': 'every night' does not match",
        ),
        ({"reconcile": {"mode": "fix"}}, "at '/reconcile/mode': value must be one of 'repair', 'report'"),
        ({"reconcile": {"applyChanges": "yes"}}, "at '/reconcile/applyChanges': got string, want boolean"),
        ({"reconcile": {"concurrencyPolicy": "Allow"}}, "additional properties 'concurrencyPolicy'"),
        (
            {"reconcile": {"terminationGracePeriodSeconds": 5}},
            "at '/reconcile/terminationGracePeriodSeconds': minimum: got 5, want 30",
        ),
        ({"reconcile": {"timeZone": "Local"}}, "at '/reconcile/timeZone'"),
        (
            {"settings": {"readTimeOut": "5s"}},
            "at '/settings': additional properties 'readTimeOut' not allowed",
        ),
        ({"settings": {"readTimeout": "5"}}, "at '/settings/readTimeout': '5' does not match pattern"),
        ({"settings": {"readTimeout": 5}}, "at '/settings/readTimeout': got number, want string"),
        ({"settings": {"retries": "4"}}, "at '/settings/retries': got string, want integer"),
        ({"settings": {"retries": 101}}, "at '/settings/retries': maximum: got 101, want 100"),
        ({"settings": {"retryStatus": [200]}}, "at '/settings/retryStatus/0': minimum: got 200, want 400"),
        ({"settings": {"logLevel": "warn"}}, "'debug', 'info', 'warning', 'error'"),
        ({"settings": {"settle": "0s"}}, "at '/settings/settle': '0s' does not match pattern"),
        ({"settings": {"store": "x"}}, "at '/settings': additional properties 'store' not allowed"),
        ({"store": {"kind": "mysql"}}, "at '/store/kind': value must be one of 'sqlite', 'postgresql'"),
        ({"store": {"postgresql": {"url": "x"}}}, "at '/store/postgresql': additional properties 'url'"),
        ({"store": {"sqlite": {"size": "1 GB"}}}, "at '/store/sqlite/size': '1 GB' does not match"),
        (
            {"store": {"sqlite": {"accessMode": "ReadWriteMany"}}},
            "at '/store/sqlite/accessMode': value must be one",
        ),
        ({"image": {"digest": "abc"}}, "at '/image/digest': 'abc' does not match pattern"),
        ({"extraEnv": [{"name": "PLANNER_STORE", "value": "x"}]}, "at '/extraEnv/0/name'"),
        ({"groups": {"version": 1}}, "at '/groups': missing properties 'cluster', 'groups'"),
        ({"planKey": {"keys": []}}, "at '/planKey/keys': minItems: got 0, want 1"),
        ({"planKey": {"keys": ["../x"]}}, "at '/planKey/keys/0': '../x' does not match"),
        ({"planKey": {"secret": "x"}}, "at '/planKey': additional properties 'secret' not allowed"),
        ({"nodes": {"a": "ftp://x"}}, "at '/nodes/a': 'ftp://x' does not match pattern"),
        (
            {"podSecurityContext": {"runAsNonRoot": False}},
            "at '/podSecurityContext/runAsNonRoot': value must be true",
        ),
        ({"securityContext": {"privileged": True}}, "additional properties 'privileged' not allowed"),
        ({"metrics": {"pushgateway": {"url": "http://u:p@h"}}}, "at '/metrics/pushgateway/url'"),
        (
            {"networkPolicy": {"nodes": {"ports": [0]}}},
            "at '/networkPolicy/nodes/ports/0': minimum: got 0, want 1",
        ),
        ({"extraVolumes": [{"name": "store"}]}, "at '/extraVolumes/0/name'"),
        (
            {"metrics": {"serviceMonitor": {"port": "http\n      path: /evil"}}},
            "at '/metrics/serviceMonitor/port'",
        ),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_a_wrong_value_is_a_clear_error(values: dict[str, Any], message: str) -> None:
    with pytest.raises(HelmError) as raised:
        texts(values)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"groupsFile": "a: 1", "groups": values_of(ROOT / "tests/deploy/values/structured.yaml")["groups"]},
         "the groups file is given more than once: keep one of groupsFile, groups"),
        ({"store": {"kind": "postgresql"}}, "store.postgresql.existingSecret must name the Secret"),
        ({"apply": {"plan": "{}", "existingConfigMap": "p"}},
         "keep one of apply.plan and apply.existingConfigMap"),
        ({"metrics": {"pushgateway": {"url": "http://h", "existingSecret": "s"}}},
         "the Pushgateway is given twice"),
        ({"extraEnv": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "extraEnv has A twice"),
    ],
)  # fmt: skip
def test_values_that_contradict_are_a_clear_error(values: dict[str, Any], message: str) -> None:
    with pytest.raises(HelmError) as raised:
        texts(values)
    assert message in str(raised.value)


def test_a_text_that_looks_like_another_type_stays_a_text() -> None:
    found = objects(
        {
            "store": {"kind": "postgresql", "postgresql": {"existingSecret": "123", "key": "on"}},
            "notify": {"existingSecret": "1e3", "key": "no"},
            "priorityClassName": "7",
            "metrics": {"serviceMonitor": {"enabled": True, "port": "9091"}},
        }
    )
    pod = pods(found)[0]
    refs = {
        each["name"]: each["valueFrom"]["secretKeyRef"]
        for each in pod["spec"]["containers"][0]["env"]
        if "valueFrom" in each
    }
    assert refs["PLANNER_STORE"] == {"name": "123", "key": "on"}
    assert refs["PLANNER_NOTIFY"] == {"name": "1e3", "key": "no"}
    assert pod["spec"]["priorityClassName"] == "7"
    (monitor,) = (each for each in found if each["kind"] == "ServiceMonitor")
    assert monitor["spec"]["endpoints"][0]["port"] == "9091"


def test_a_label_for_one_object_goes_before_that_for_all() -> None:
    on = {"enabled": True, "labels": {"release": "prometheus"}}
    found = objects(
        {
            "commonLabels": {"release": "x"},
            "metrics": {"prometheusRule": on, "serviceMonitor": on, "dashboard": on},
        }
    )
    labels = [each["metadata"]["labels"]["release"] for each in found]
    assert labels.count("prometheus") == 3
