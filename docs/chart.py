"""Write manifests/README.md from the comments of manifests/values.yaml.

`make docs` runs it; tests/deploy/test_chart_values.py holds that what is committed is what it writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from planner import __version__
from planner.settings.table import SETTINGS

CHART = Path(__file__).parents[1] / "manifests"
OWN = {
    "file": "the mounted groups file",
    "nodes": "`nodes`",
    "store": "`store`",
    "grace": "`reconcile.terminationGracePeriodSeconds`, less 15 seconds",
    "summary": "`/dev/termination-log`, which `kubectl describe pod` shows",
    "plan_key": "`planKey`, for the Jobs that plan and apply",
    "metrics_file": "`metrics.textfile`",
    "pushgateway": "`metrics.pushgateway`",
    "notify": "`notify`",
}
"""Settings that the chart sets itself, and from what."""

HEAD = """\
<!-- Written by docs/chart.py (make docs) from values.yaml: a change here is lost. -->
# The chart

A CronJob that runs `planner reconcile`: it finishes what a dead run left, then repairs drift, within the
limits of the groups file. Beside it stand a claim for the store, and one-off Jobs for a plan and for its
apply.

```console
$ docker build -t planner:VERSION .
$ helm upgrade --install planner manifests/. --namespace default --set-file groupsFile=groups.yaml
$ helm test planner --namespace default --logs
```

Without `groupsFile` it runs the repository's example, whose nodes answer nowhere in a cluster (exit code
1).

## What to know

* **Secrets** come from Secrets that are there already: the URL of PostgreSQL, of the webhook, of a
  Pushgateway with a password. No value takes one.
* **The store** is what remembers which groups are managed and what was left half-way. `helm uninstall`
  leaves its claim. One store per cluster: a second release with a store of its own does not know of the
  first.
* **A reviewed plan**: `--set plan.enabled=true` runs `planner plan` as a Job, and NOTES says how to take
  the plan out of its log. `--set-file apply.plan=plan.json` applies exactly that, once, in a Job whose
  name holds its digest. With `planKey` the plan is signed, and no other is applied. Set
  `reconcile.applyChanges=false` beside it, or the next scheduled run applies the new file before anybody
  has read the plan.
* **A stop** (drain, deadline, preemption) reverses the run within `terminationGracePeriodSeconds`; after
  an eviction it is started again at once. A disruption budget is therefore off, see
  `podDisruptionBudget.enabled`.
* **A machine that dies** keeps its pod, and so the volume, until Kubernetes knows that it is gone (delete the
  node, or taint it `node.kubernetes.io/out-of-service`). No run starts meanwhile:
  PlannerNotRunning says so.
* **Metrics** are pushed: a run is too short to be scraped. `metrics.serviceMonitor` is for a Pushgateway
  that nothing scrapes yet, and no other monitor makes sense.

"""


def described(text: str) -> Iterator[tuple[str, str]]:
    """The dotted key and the text of every `# --` comment, in order."""
    path: list[tuple[int, str]] = []
    words: list[str] = []
    open_ = False
    for line in text.splitlines():
        key = re.match(r"( *)([A-Za-z]\w*):", line)
        comment = re.match(r" *# ?(.*)", line)
        if key is not None:
            path = [(indent, name) for indent, name in path if indent < len(key[1])]
            path.append((len(key[1]), key[2]))
            if open_:
                yield ".".join(name for _, name in path), " ".join(words)
        elif comment is not None and (open_ or comment[1].startswith("-- ")):
            words = [*words, comment[1]] if open_ else [comment[1].removeprefix("-- ")]
            open_ = True
            continue
        words, open_ = [], False


def values() -> Any:
    """The default values."""
    return yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))


def value_at(found: Any, key: str) -> Any:
    """What stands at a dotted key."""
    for name in key.split("."):
        found = found[name]
    return found


def camel(name: str) -> str:
    """``connect_timeout`` -> ``connectTimeout``."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def page() -> str:
    """The README of the chart."""
    defaults = values()
    parts = [
        HEAD.replace("VERSION", __version__),
        "## Values\n\n| value | default | meaning |\n| --- | --- | --- |\n",
    ]
    for key, text in described((CHART / "values.yaml").read_text("utf-8")):
        default = json.dumps(value_at(defaults, key), ensure_ascii=False)
        parts.append(f"| `{key}` | `{default}` | {text.replace('|', chr(92) + '|')} |\n")
    parts.append("\n## Settings\n\nUnder `settings`; each becomes the variable beside it.\n\n")
    parts.append("| value | environment | default | meaning |\n| --- | --- | --- | --- |\n")
    for setting in SETTINGS:
        if setting.name not in OWN:
            name, default = f"settings.{camel(setting.name)}", setting.default_text
            parts.append(f"| `{name}` | `{setting.env}` | `{default}` | {setting.help} |\n")
    parts.append("\nThe chart sets these itself:\n\n")
    parts.extend(f"* `PLANNER_{name.upper()}`: {text}.\n" for name, text in OWN.items())
    return "".join(parts)


if __name__ == "__main__":
    (CHART / "README.md").write_text(page(), encoding="utf-8")
