"""Files: whole or not at all, for their reader only, and not where a stranger has led the path."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from planner.cli.files import check_place, write_private, write_public
from planner.disk import FOR_OTHERS, OWNER_ONLY, stranger_on, sync_folder, write_whole
from planner.errors import PlannerError
from tests.strangers import needs_root, sticky, strangers

Write = Callable[[Path, tuple[str, ...]], None]
BOTH = pytest.mark.parametrize("write", [write_private, write_public])


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Set it; it is put back."""
    before = os.umask(0o22)
    yield os.umask
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# Who may read it.


@pytest.mark.parametrize(("mask", "public"), [(0, 0o644), (0o22, 0o644), (0o27, 0o640), (0o77, 0o600)])
def test_a_private_file_is_its_owners_whatever_the_umask(
    mask: int, public: int, tmp_path: Path, umask: Callable[[int], int]
) -> None:
    umask(mask)
    write_private(tmp_path / "private", ("x",))
    write_public(tmp_path / "public", ("x",))
    assert (mode_of(tmp_path / "private"), mode_of(tmp_path / "public")) == (0o600, public)
    assert mode_of(tmp_path / "private") == OWNER_ONLY


def test_what_an_older_file_allowed_counts_for_a_public_one_only(tmp_path: Path) -> None:
    for write, expected in ((write_private, 0o600), (write_public, 0o606)):
        file = tmp_path / write.__name__
        file.touch()
        file.chmod(0o606)
        write(file, ("x",))
        assert mode_of(file) == expected


def test_what_the_file_behind_a_link_allows_is_not_meant(tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    (tmp_path / "open").chmod(0o666)
    (tmp_path / "report.md").symlink_to("open")
    write_public(tmp_path / "report.md", ("x",))
    assert not mode_of(tmp_path / "report.md") & 0o022


@needs_root
def test_what_a_strangers_file_allowed_is_not_meant(tmp_path: Path) -> None:
    (tmp_path / "report.md").touch()
    (tmp_path / "report.md").chmod(0o666)
    strangers(tmp_path / "report.md")
    write_public(tmp_path / "report.md", ("x",))
    assert not mode_of(tmp_path / "report.md") & 0o022
    assert (tmp_path / "report.md").stat().st_uid == 0


# What is in its place.


@BOTH
def test_a_link_is_replaced_and_not_followed(write: Write, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("old")
    for target in ("precious", "nowhere"):
        link = tmp_path / f"to-{target}"
        link.symlink_to(target)
        check_place([link])
        write(link, ("new",))
        assert (link.is_symlink(), link.read_text()) == (False, "new")
    assert (tmp_path / "precious").read_text() == "old"
    assert not (tmp_path / "nowhere").exists()


@BOTH
def test_the_other_name_of_a_file_keeps_its_content(write: Write, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("old")
    (tmp_path / "plan.json").hardlink_to(tmp_path / "precious")
    write(tmp_path / "plan.json", ("new",))
    assert (tmp_path / "precious").read_text() == "old"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/null")


def itself(path: Path) -> None:
    path.symlink_to(".")


@BOTH
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (pipe, "it is no regular file"),
        (listener, "it is no regular file"),
        (device, "it is no regular file"),
        (Path.mkdir, "it is a folder"),
        (itself, "it is a folder"),
    ],
    ids=["pipe", "socket", "link to a device", "folder", "link to a folder"],
)
def test_what_is_no_file_stays_what_it_is(
    make: Callable[[Path], None], why: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = Path("x.md")
    make(path)
    before = path.lstat()
    with pytest.raises(PlannerError) as early:
        check_place([path])
    with pytest.raises(PlannerError) as late:
        write(path, ("new",))
    assert early.value.why == late.value.why == why
    assert os.path.samestat(path.lstat(), before)
    assert [each.name for each in Path().iterdir()] == ["x.md"]


def test_no_link_is_followed_to_the_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name cannot be foreseen; here it is."""
    monkeypatch.setattr("secrets.token_hex", lambda _: "known")
    (tmp_path / "precious").write_text("old")
    for make in (Path.symlink_to, Path.hardlink_to):
        draft = tmp_path / ".planner-known"
        make(draft, tmp_path / "precious")
        with pytest.raises(PlannerError):
            write_private(tmp_path / "plan.json", ("new",))
        assert (tmp_path / "precious").read_text() == "old"
        assert draft.exists(), "it is not ours to take away"
        draft.unlink()


def test_every_draft_has_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    original = Path.replace

    def replace(draft: Path, target: Path) -> Path:
        names.append(draft.name)
        return original(draft, target)

    monkeypatch.setattr(Path, "replace", replace)
    for _ in range(3):
        write_private(tmp_path / "plan.json", ("x",))
    assert len(set(names)) == 3
    assert all(len(name) >= len(".planner-") + 16 for name in names)


# Whole or not at all.


def broken() -> Iterator[str]:
    yield "half"
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("where", ["pieces", "os.fsync", "pathlib.Path.replace"])
@BOTH
def test_a_failure_leaves_the_old_file_and_no_other(
    write: Callable[[Path, Iterator[str]], None], where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.md"
    file.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if where != "pieces":
        monkeypatch.setattr(where, full)
    with pytest.raises(PlannerError) as caught:
        write(file, broken() if where == "pieces" else iter(("new",)))
    assert caught.value.why == "No space left on device"
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("old")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from planner.cli.files import write_private\n"
        "def pieces():\n"
        "    yield 'n' * 100_000\n"
        "    print('half', flush=True)\n"
        "    sys.stdin.read()\n"
        "write_private(Path('plan.json'), pieces())\n"
    )
    words = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=tmp_path, env=environment, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"half\n"
        process.kill()
    assert (tmp_path / "plan.json").read_text() == "old"
    (draft,) = (each for each in tmp_path.iterdir() if each.name != "plan.json")
    assert mode_of(draft) == 0o600


def test_content_and_name_are_on_the_disk_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, bool]] = []
    file = tmp_path / "plan.json"

    def fsync(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), file.exists()))

    monkeypatch.setattr("os.fsync", fsync)
    write_whole(file, ("x",), FOR_OTHERS)
    assert synced == [(False, False), (True, True)], "first the content, then the name"
    synced.clear()
    sync_folder(tmp_path)
    assert synced == [(True, True)]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr("os.fsync", fsync)
    write_private(tmp_path / "plan.json", ("x",))
    assert (tmp_path / "plan.json").read_text() == "x"


# Where a stranger leads.


def test_names_of_ones_own_lead_where_they_lead(tmp_path: Path) -> None:
    shared = sticky(tmp_path / "shared")
    (shared / "folder").mkdir()
    (shared / "link").symlink_to("folder")
    (shared / "up").symlink_to("../shared/./link")
    (shared / "loop").symlink_to("loop")
    for name in ("folder/x", "link/x", "up/x", "up/../link/x", "loop/x", "missing/x", ""):
        assert stranger_on(shared / name) == "", name


@needs_root
def test_names_of_a_stranger_are_refused_where_everybody_can_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = sticky(tmp_path / "shared")
    (tmp_path / "mine").mkdir()
    (shared / "folder").mkdir()
    strangers(shared / "folder")
    (shared / "link").symlink_to(tmp_path / "mine")
    strangers(shared / "link")
    (shared / "file").touch()
    strangers(shared / "file")
    (shared / "mine").symlink_to("folder")
    (tmp_path / "far").symlink_to("shared/link")
    cases = {
        "shared/folder/x": "folder", "shared/folder": "folder",
        "shared/link/x": "link", "shared/link": "link",
        "shared/file": "file", "shared/mine/x": "folder", "far/x": "link", "mine/../shared/link/x": "link",
        "shared/folder/../x": "folder",
    }  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for path, name in cases.items():
        for each in (tmp_path / path, Path(path)):
            why = f"{shared / name} was made by another user (uid 4242), where everybody can make files"
            assert stranger_on(each) == why, path
    shared.chmod(0o777)
    assert stranger_on(shared / "link") == "", (
        "there everybody can replace everything: who made it says nothing"
    )
    shared.chmod(0o1755)
    assert stranger_on(shared / "link") == "", "only its owner can make names there"
    os.chown(shared / "link", 0, 0, follow_symlinks=False)
    shared.chmod(0o1777)
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    assert stranger_on(shared / "link") == "", "root is no stranger"
    assert stranger_on(shared / "folder") == ""


@needs_root
def test_no_file_is_written_into_a_strangers_folder(tmp_path: Path) -> None:
    shared = sticky(tmp_path / "shared")
    (tmp_path / "mine").mkdir()
    (shared / "link").symlink_to(tmp_path / "mine")
    check_place([shared / "link" / "plan.json"])
    strangers(shared / "link")
    with pytest.raises(PlannerError) as caught:
        check_place([shared / "link" / "plan.json"])
    assert "was made by another user" in caught.value.why
    assert caught.value.next == "choose another place"
