"""The chart, rendered with Helm's own engine; a render costs some milliseconds."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from helm_python import Chart
from kubernetes_validate import utils

ROOT = Path(__file__).parents[2]
CHART = ROOT / "manifests"
SETS = sorted((Path(__file__).parent / "values").glob("*.yaml"))
KUBERNETES = ("1.29", "1.32", utils.latest_version())

utils.schema_contents = cache(utils.schema_contents)  # else each object reads a megabyte of definitions again

Object = dict[str, Any]


@cache
def chart() -> Chart:
    """Loaded once."""
    return Chart.load(CHART)


def values_of(path: Path) -> dict[str, Any]:
    """The values of one set."""
    found = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


@cache
def _texts(values: str, release: str) -> dict[str, str]:
    return chart().render(json.loads(values), name=release, namespace="night")


def texts(values: dict[str, Any] | None = None, release: str = "planner") -> dict[str, str]:
    """Every template by its path in the chart, as text."""
    found = _texts(json.dumps(values or {}), release)
    return {name.partition("/")[2]: text for name, text in found.items()}


def objects(values: dict[str, Any] | None = None, release: str = "planner") -> list[Object]:
    """Every object; nobody changes one."""
    return _objects(json.dumps(values or {}), release)


@cache
def _objects(values: str, release: str) -> list[Object]:
    documents = [
        document
        for name, text in texts(json.loads(values), release).items()
        if name.endswith(".yaml")
        for document in yaml.load_all(text, Loader=Strict)
    ]
    return [document for document in documents if document is not None]


def one(found: list[Object], kind: str) -> Object:
    """The only object of a kind."""
    (match,) = (each for each in found if each["kind"] == kind)
    return match


def pods(found: list[Object]) -> list[Object]:
    """Every pod and pod template: metadata and spec."""
    within = {
        "CronJob": lambda it: it["spec"]["jobTemplate"]["spec"]["template"],
        "Job": lambda it: it["spec"]["template"],
        "Pod": lambda it: it,
    }
    return [within[each["kind"]](each) for each in found if each["kind"] in within]


def validate(each: Object, version: str) -> None:
    """Hold an object against the API's own schema, strictly."""
    _validate(json.dumps(each, sort_keys=True), version)


@cache
def _validate(each: str, version: str) -> None:
    kubernetes_validate.validate(json.loads(each), version, strict=True)


class Strict(yaml.CSafeLoader):
    """YAML in which a doubled key is an error, as for the API server."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a doubled key."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a doubled key: {keys}"
        return super().construct_mapping(node, deep)
