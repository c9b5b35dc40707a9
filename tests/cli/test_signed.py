"""Signed plans, through the real command: who has no key cannot make one that is applied."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from planner.cli.files import read_plan
from planner.cli.main import invoke
from planner.errors import PlannerError
from planner.signing import plan_key
from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop

pytestmark = pytest.mark.usefixtures("forked")

SECRETS = {"NEW": "n" * 40, "OLD": "o" * 40}
NEW, OLD = (plan_key(secret.encode()).id for secret in SECRETS.values())


@pytest.fixture
def signing(shop: Shop) -> Shop:
    """A shop with a key in a file, and a change to plan."""
    shop.file("kept", "a")
    for name, secret in SECRETS.items():
        (shop.folder / f"{name.lower()}.key").write_text(f"{secret}\n")
    use(shop, "new")
    return shop


def use(shop: Shop, *names: str) -> None:
    """Have these keys set, or none."""
    shop.settings.pop("PLANNER_PLAN_KEY", None)
    if names:
        shop.settings["PLANNER_PLAN_KEY"] = ",".join(f"file:{shop.folder}/{name}.key" for name in names)


def asked(cluster: SimulatedCluster) -> int:
    return cluster.requests().total()


def forge(path: Path) -> None:
    """Plan something else, and mend the digest."""
    document = json.loads(path.read_text("utf-8"))
    document["plan"]["steps"][0]["group"] = "forged"
    for step in document["plan"]["steps"]:
        step["group"] = "forged"
    plan = json.dumps(document["plan"], sort_keys=True, separators=(",", ":"))
    document["digest"] = hashlib.sha256(plan.encode()).hexdigest()
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_plan_is_signed_shown_and_applied(signing: Shop, cluster: SimulatedCluster) -> None:
    reports = ("--report", "plan.md", "--report", "plan.html", "--report", "copy.json")
    planned = signing.run("plan", "--out", "plan.json", *reports)
    assert planned.code == 0, planned.err
    assert f"Saved to plan.json. Signed with key {NEW}. Apply exactly this: planner apply" in planned.out
    for name in ("plan.md", "plan.html"):
        assert NEW in (signing.folder / name).read_text("utf-8")
    assert SECRETS["NEW"] not in planned.out + planned.err
    assert not any(SECRETS["NEW"] in each.read_text("utf-8") for each in signing.folder.glob("*.[jhm]*"))
    shown = signing.run("show", "plan.json", "--report", "again.json")
    assert f"Signed with key {NEW}. Apply exactly this: planner apply plan.json" in shown.out
    assert "was not looked at" not in shown.err
    before = asked(cluster)
    for name in ("plan.json", "copy.json", "again.json"):  # one plan: the second time it is applied already
        assert signing.run("apply", name).code == 0, name
    assert asked(cluster) > before
    assert "a" in cluster.groups()["node01"]


def test_an_undo_and_what_is_printed_as_json_are_signed(signing: Shop) -> None:
    printed = signing.run("plan", "--format", "json")
    assert printed.json["signature"]["key"] == NEW
    (signing.folder / "printed.json").write_text(printed.out)
    assert signing.run("apply", "printed.json").code == 0
    assert f"Signed with key {NEW}." in signing.run("undo", "1", "--out", "undo.json").out
    assert signing.run("undo", "1", "--format", "json").json["signature"]["key"] == NEW
    assert signing.run("apply", "undo.json").code == 0


@pytest.mark.parametrize(
    ("maker", "why"),
    [
        ((), "it is not signed, and only plans signed with"),
        (("old",), f"it is signed with another key, {OLD}, and only plans signed with {NEW} are accepted"),
        (("new",), f"it was altered since it was signed with key {NEW}"),
    ],
)
def test_a_forged_plan_reaches_no_node(
    signing: Shop, cluster: SimulatedCluster, maker: tuple[str, ...], why: str
) -> None:
    use(signing, *maker)
    assert signing.run("plan", "--out", "plan.json").code == 0
    forge(signing.folder / "plan.json")
    use(signing, "new")
    before = asked(cluster)
    for words in (("apply", "plan.json"), ("show", "plan.json", "--report", "laundered.json")):
        ended = signing.run(*words)
        assert (ended.code, ended.out) == (6, ""), words
        assert why in ended.err.replace("\n  ", " ")
    assert asked(cluster) == before
    assert not (signing.folder / "laundered.json").exists(), "show signs nothing that was not signed"
    ended = signing.run("apply", "plan.json", "--format", "json")
    assert ended.events[-1]["exit_code"] == 6


def test_without_a_key_a_signed_plan_is_a_plan_and_a_warning_says_so(
    signing: Shop, cluster: SimulatedCluster
) -> None:
    assert signing.run("plan", "--out", "plan.json").code == 0
    use(signing)
    shown = signing.run("show", "plan.json", "--report", "copy.json")
    assert "Signed with" not in shown.out
    warning = f"plan.json is signed with key {NEW}, and its signature was not looked at"
    assert warning in shown.err.replace("\n  ", " ")
    copy = json.loads((signing.folder / "copy.json").read_text())
    assert "signature" not in copy, "what was signed is the file, and this is another"
    ended = signing.run("apply", "plan.json")
    assert ended.code == 0
    assert warning in ended.err.replace("\n  ", " ")
    assert "a" in cluster.groups()["node01"]


def test_keys_are_replaced_one_after_the_other(signing: Shop) -> None:
    use(signing, "old")
    assert signing.run("plan", "--out", "old.json").code == 0
    use(signing, "new", "old")
    assert f"Signed with key {OLD}." in signing.run("show", "old.json").out
    assert f"Signed with key {NEW}." in signing.run("plan", "--out", "new.json").out
    use(signing, "new")
    assert signing.run("apply", "old.json").code == 6
    assert signing.run("apply", "new.json").code == 0


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("env:PLAN_KEY_THAT_IS_NOT_SET", "the environment variable is not set"),
        ("file:/nowhere/plan.key", "No such file or directory"),
        ("file:FOLDER/short.key", "it has 8 bytes, and a key for plans needs 32 at least"),
        ("file:FOLDER/new.key,file:FOLDER/short.key", "it has 8 bytes"),
        ("file:FOLDER/empty.key", "it is empty"),
    ],
)
def test_a_key_that_cannot_be_had_is_never_no_key(
    signing: Shop, cluster: SimulatedCluster, key: str, why: str
) -> None:
    assert signing.run("apply", "--yes").code == 0
    assert signing.run("plan", "--out", "plan.json").code == 0
    (signing.folder / "short.key").write_text("tooshort")
    (signing.folder / "empty.key").write_text("\n")
    signing.settings["PLANNER_PLAN_KEY"] = key.replace("FOLDER", str(signing.folder))
    before = asked(cluster)
    for words in (
        "plan",
        "plan --out x.json",
        "apply plan.json",
        "apply --yes",
        "undo 1 --out x.json",
        "show plan.json",
    ):
        ended = signing.run(*words.split())
        assert ended.code == 1, words
        assert why in ended.err.replace("\n  ", " "), words
        assert "tooshort" not in ended.err
        assert ("openssl rand -hex 32 > plan.key" in ended.err) == ("bytes" in why)
    assert asked(cluster) == before
    assert not (signing.folder / "x.json").exists()


@pytest.mark.parametrize(
    "secret", ["5e1f" * 16, "env:NEW,5e1f5e1f", "file:relative/5e1f.key", "file:/a,5e1f"]
)
def test_a_bare_secret_is_refused_and_not_repeated(
    secret: str, signing: Shop, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(signing.folder)
    for words in (["plan", "--plan-key", secret], ["show", "plan.json", "--plan-key", secret]):
        assert invoke(words)[0] == 64
        err = capfd.readouterr().err
        assert "env:NAME" in err
        assert "5e1f" not in err


def test_a_plan_file_has_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(b"x" * 2048)
    monkeypatch.setattr("planner.cli.files.MAX_PLAN", 2048)
    assert read_plan(file) == b"x" * 2048
    file.write_bytes(b"x" * 2049)
    with pytest.raises(PlannerError) as caught:
        read_plan(file)
    assert caught.value.why == "it is larger than 2 KB"
    assert os.fspath(file) in caught.value.what


def test_with_a_key_a_scheduled_run_repairs_drift_and_brings_no_change(
    signing: Shop, cluster: SimulatedCluster
) -> None:
    """Changes come by signed plans; what deploys the file is no review any more."""
    changed = signing.run("reconcile", "--apply-changes")
    assert changed.code == 6
    assert "only a signed plan may bring them" in " ".join(changed.err.split())
    assert signing.run("reconcile", "--mode", "report", "--apply-changes").code == 6
    assert "or pass --apply-changes" not in signing.run("reconcile").err
    assert "a" not in cluster.groups()["node01"]
    assert signing.run("plan", "--out", "plan.json").code == 0
    assert signing.run("apply", "plan.json").code == 0
    cluster.change_groups("node01", remove=["a"])
    assert signing.run("reconcile", "--apply-changes").code == 0
    assert "a" in cluster.groups()["node01"]
    use(signing, "gone")
    assert signing.run("reconcile").code == 1, "a key that is missing is never no key"
    use(signing)
    signing.file("kept", "a", "b")
    assert signing.run("reconcile", "--apply-changes").code == 0
