"""`--report`, `--format` and `show` of a plan file, through the real command."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from planner.cli.files import check_place, write_private, write_public
from planner.cli.main import invoke
from planner.cli.reports import Outputs
from planner.codec import load_plan
from planner.errors import PlannerError, WrongUsage
from planner.simulator import SimulatedCluster
from tests.cli.conftest import Shop

pytestmark = pytest.mark.usefixtures("forked")

FILE = ("kept", "a", "{id: old, state: absent}")


def read(shop: Shop, name: str) -> str:
    return (shop.folder / name).read_text("utf-8")


def test_one_plan_in_every_format_and_again_from_its_file(shop: Shop, cluster: SimulatedCluster) -> None:
    shop.file(*FILE)
    reports = ("--report", "plan.md", "--report", "plan.html", "--report", "copy.json")
    ended = shop.run("plan", "--out", "plan.json", *reports, "--detailed-exitcode", "--format", "json")
    assert ended.code == 2, ended.err
    assert ended.out == read(shop, "copy.json"), "a report is what the format prints"
    document = ended.json
    assert document.pop("summary")["create"] == 1
    assert (document.pop("unmanaged"), document.pop("in_doubt")) == ([], [])
    assert document == json.loads(read(shop, "plan.json"))
    assert f"Plan `{document['digest']}`, made from `groups.yaml` at " in read(shop, "plan.md")
    assert '"kept"' in read(shop, "plan.html")
    assert "Report written to plan.html" in ended.err
    mask = os.umask(0)
    os.umask(mask)
    modes = {file.name: file.stat().st_mode & 0o777 for file in shop.folder.glob("*.*")}
    assert modes["plan.json"] == 0o600
    assert modes["plan.md"] == modes["plan.html"] == modes["copy.json"] == 0o644 & ~mask
    assert not list(shop.folder.glob(".planner-*"))

    for name in cluster.names:
        cluster.kill(name)
    shop.settings["PLANNER_STORE"] = "sqlite:///nowhere/at/all.db"
    (shop.folder / "groups.yaml").unlink()
    ended = shop.run("show", "plan.json", "--report", "later.md")
    assert ended.code == 0, ended.err
    assert "Plan: 1 to create, 1 to delete, 1 to adopt, on 3 nodes (6 requests)." in ended.out
    assert "Apply exactly this: planner apply plan.json" in ended.out
    assert read(shop, "later.md").splitlines()[:9] == read(shop, "plan.md").splitlines()[:9]
    html = shop.run("show", "plan.json", "--format", "html")
    assert "a plan file does not hold the others" in html.out
    (shop.folder / "plan.json").write_text(read(shop, "plan.json").replace('"group": "a"', '"group": "z"'))
    ended = shop.run("show", "plan.json")
    assert (ended.code, ended.out) == (6, "")
    assert "its digest does not match" in ended.err


# Without a process, a node or a file: whatever would be read is not there.


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("plan", "--report", "plan.txt"), 64, "must end in .json, .md, .html"),
        (("plan", "--out", "x.json", "--report", "./x.json"), 64, "One file is named twice"),
        (("show", "7", "--format", "html"), 64, "as text or as JSON only"),
        (("show", "plan.json", "--report", "plan.json"), 64, "One file is named twice"),
        (("show", "plan.json", "--cluster", "x"), 64, "a plan file needs none"),
        (("plan", "--report", "missing/plan.md"), 1, "there is no folder missing"),
        (("plan", "--out", "missing/plan.json"), 1, "there is no folder missing"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_read(
    arguments: tuple[str, ...],
    code: int,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(list(arguments)) == (code, False)
    assert why in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_written_is_known_early(tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    for path, why in ((tmp_path / "folder.md", "it is a folder"), (tmp_path / "no" / "x.md", "no folder")):
        with pytest.raises(PlannerError) as failure:
            check_place([path])
        assert why in failure.value.why
        assert failure.value.exit_code == 1
    check_place([tmp_path / "new.md"])


def test_a_link_to_the_plan_file_is_the_plan_file(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("precious")
    (tmp_path / "link.json").symlink_to(tmp_path / "plan.json")
    with pytest.raises(WrongUsage):
        Outputs(None, (tmp_path / "link.json",), reads=tmp_path / "plan.json")


@pytest.mark.parametrize("write", [write_private, write_public])
def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, write: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(write)
    file = tmp_path / "x.md"
    write(file, "old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PlannerError) as failure:
        write(file, "new")
    assert failure.value.why == "No space left on device"
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("command", ["status", "plan", "plan --format json"])
def test_a_store_that_is_open_to_everybody_is_a_warning(shop: Shop, command: str) -> None:
    shop.file(*FILE)
    shop.settings["PLANNER_STORE"] = f"sqlite:///{shop.folder}/planner.db"
    assert shop.run("apply", "--yes").code == 0
    store = shop.folder / "planner.db"
    store.chmod(0o662)
    shop.settings["COLUMNS"] = "1000"
    first, second = shop.run(*command.split()), shop.run(*command.split())
    assert "everybody could write to the store" in first.err.lower()
    assert (second.code, store.stat().st_mode & 0o777) == (0, 0o660)
    assert "everybody" not in second.err.lower()


def test_what_init_writes_is_for_its_owner_and_follows_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password may come to stand in .env."""
    monkeypatch.chdir(tmp_path)
    Path("groups.yaml").symlink_to("elsewhere.yaml")
    Path(".env").symlink_to("elsewhere.env")
    assert invoke(["init", "--force"]) == (0, False)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".env", "groups.yaml"]
    assert Path(".env").stat().st_mode & 0o777 == 0o600


def test_a_report_that_fails_does_not_keep_the_others_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from planner.views.report import report_of
    from tests.views.samples import EXAMPLE, Screen

    outputs = Outputs(tmp_path / "plan.json", (tmp_path / "a.html", tmp_path / "b.md"))
    (tmp_path / "a.html").mkdir()  # since the names were checked
    screen = Screen()
    with pytest.raises(PlannerError) as failure:
        outputs.write(screen.view, report_of(EXAMPLE, saved=outputs.saved))
    assert failure.value.what == f"{tmp_path / 'a.html'} cannot be written"
    assert "Plan: 3 to create" in screen.stdout, "the plan is printed first"
    assert "planner:plan:production" in (tmp_path / "b.md").read_text()
    assert load_plan((tmp_path / "plan.json").read_bytes()) == EXAMPLE
