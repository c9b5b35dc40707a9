"""A wrong `cluster.api` that a reverse meets, and random combinations: nothing is left behind unsaid."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.foreign import GONE, HELD, Deviation, ForeignNode, Two, two


def half_reversed(cluster: Two) -> str:
    """Apply a create and a delete on a node that takes no delete in a body; the error that results."""
    cluster.file({}, "a", "kept", GONE)
    started = time.monotonic()
    ended = cluster.apply()
    assert time.monotonic() - started < 30.0, "tried until --reverse-timeout, which is five minutes"
    assert ended.code == 4, ended.err
    assert cluster.nodes["east"].groups == {"a", *HELD}
    assert cluster.nodes["west"].groups == set(HELD)
    return ended.err


def test_a_wrong_delete_style_that_a_reverse_meets_is_mended_in_the_file(tmp_path: Path) -> None:
    """What was created cannot be deleted again in the wrong way: it is named, and so is what helps."""
    with two(tmp_path, Deviation(delete_style="path"), Deviation()) as cluster:
        error = half_reversed(cluster)
        assert "a on east should be absent: 405; if this node wants the id elsewhere, set cluster" in error
        assert "cluster.api.delete_style" in error
        assert "on west should be" not in error
        assert "planner recover --api-from-file" in error

        cluster.file({}, "a", "kept", GONE, east={"delete_style": "path"})
        for command in (["apply", "--yes"], ["recover"]):  # the journal's `api` counts, and the flag is named
            ended = cluster.shop.run(*command)
            assert ended.code == 4, ended.err
            assert "planner recover --api-from-file" in ended.err
        ended = cluster.shop.run("recover", "--api-from-file")
        assert ended.code == 0, ended.err
        assert "every node is as it was" in ended.out
        assert cluster.all_hold(*HELD)
        assert cluster.shop.run("status", "--check").code == 0
        assert cluster.apply().code == 0
        assert cluster.all_hold("kept", "a")


def test_an_api_from_a_file_that_was_not_corrected_helps_nothing_and_says_so(tmp_path: Path) -> None:
    with two(tmp_path, Deviation(delete_style="path"), Deviation()) as cluster:
        half_reversed(cluster)
        ended = cluster.shop.run("recover", "--api-from-file")
        assert ended.code == 4
        assert "the `api` in groups.yaml is still the one that the transaction used" in ended.err
        (tmp_path / "groups.yaml").unlink()
        ended = cluster.shop.run("recover", "--api-from-file")
        assert ended.code == 1
        assert "groups.yaml cannot be read" in ended.err
        nodes = [{"name": "east", "url": "http://127.0.0.1:9"}]
        document = {"version": 1, "cluster": {"name": "foreign", "nodes": nodes}, "groups": []}
        (tmp_path / "groups.yaml").write_text(json.dumps(document), encoding="utf-8")
        ended = cluster.shop.run("recover", "--api-from-file")
        assert ended.code == 64
        assert cluster.nodes["east"].url in ended.err
        assert cluster.nodes["east"].groups == {"a", *HELD}


def test_a_node_that_has_moved_is_spoken_to_as_the_file_says_of_its_new_place(tmp_path: Path) -> None:
    path = Deviation(delete_style="path")
    with two(tmp_path, path, Deviation()) as cluster, ForeignNode(path, ["a", *HELD]) as moved:
        half_reversed(cluster)
        west = cluster.nodes["west"]
        Two(tmp_path, {"east": moved, "west": west}).file({}, "kept", east={"delete_style": "path"})
        with (tmp_path / "groups.yaml").open(encoding="utf-8") as file:  # which can be read only once
            arguments = ["recover", "--api-from-file", "--node-url", f"east={moved.url}", "--file", "-"]
            command = [sys.executable, "-m", "planner.cli", *arguments]
            shop = cluster.shop
            ended = subprocess.run(command, stdin=file, cwd=shop.folder, env=shop.environment, check=False)
        assert ended.returncode == 0
        assert moved.groups == set(HELD)


# Random combinations.


def deviating(rng: random.Random) -> tuple[Deviation, dict[str, Any]]:
    """A server that deviates in many ways at once, and its whole `api`."""
    exists, missing, gone = (
        rng.choice([400, 409, 422, 500]),
        rng.choice([400, 404, 410, 500]),
        rng.choice([404, 410]),
    )
    header = rng.choice([None, ("node", "x"), ("Accept", "text/x")])
    deviation = Deviation(
        path=rng.choice(["/v1/group/", "/g/", "/x%20y/%C3%BC/"]),
        slash=rng.random() < 0.5,
        redirect=rng.choice(["", "slash"]),
        moved=rng.choice([301, 307, 308]),
        id_field=rng.choice(["groupId", "id", "na me", "ü"]),
        delete_style=rng.choice(["body", "path", "query"]),
        misplaced=rng.choice([400, 404, 405, 422, 501]),
        misnamed=rng.choice([400, 422]),
        created=rng.choice([200, 201, 204]),
        deleted=rng.choice([200, 202, 204]),
        exists=exists,
        missing=missing,
        gone=gone,
        header=header,
        surprise=frozenset(rng.choice([(), ("a",)])),
    )
    api = {
        "path": deviation.path,
        "trailing_slash": deviation.slash,
        "id_field": deviation.id_field,
        "delete_style": deviation.delete_style,
        "created": [deviation.created],
        "deleted": [deviation.deleted],
        "exists": [exists],
        "missing": sorted({missing, gone}),
        "headers": {} if header is None else {header[0].lower(): header[1]},
    }
    return deviation, api


SEEDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 60))]


@pytest.mark.parametrize("seed", SEEDS)
def test_any_combination_works_with_its_settings(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    (east, here), (west, there) = deviating(rng), deviating(rng)
    with two(tmp_path, east, west) as cluster:
        cluster.file({}, "kept", "a", "b/c", GONE, east=here, west=there)
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        assert cluster.all_hold("kept", "a", "b/c")
        cluster.file({}, east=here, west=there)
        ended = cluster.apply()
        assert ended.code == 0, ended.err
        for deviation, node in zip((east, west), cluster.nodes.values(), strict=True):
            assert node.groups == {"kept", *deviation.surprise}


@pytest.mark.parametrize("seed", SEEDS)
def test_any_combination_without_one_of_its_settings_ends_as_it_says(tmp_path: Path, seed: int) -> None:
    """Applied, or nothing changed, or reversed, or named and mended by the corrected file."""
    rng = random.Random(seed)
    (east, here), (west, there) = deviating(rng), deviating(rng)
    lacking = dict(here)
    lacking.pop(rng.choice([*here, "delete_style", "delete_style"]), None)
    quiet = [replace(each, surprise=frozenset[str]()) for each in (east, west)]
    with two(tmp_path, *quiet) as cluster:
        cluster.shop.settings["PLANNER_REVERSE_TIMEOUT"] = "1s"
        cluster.file({}, "kept", "a", "b/c", GONE, east=lacking, west=there)
        ended = cluster.apply()
        assert ended.code in {0, 1, 3, 4}, ended.err
        assert "Traceback" not in ended.err
        if ended.code == 0:
            assert cluster.all_hold("kept", "a", "b/c")
            return
        assert "set cluster.api." in ended.err
        if ended.code == 4:
            assert "planner recover --api-from-file" in ended.err
            cluster.file({}, "kept", "a", "b/c", GONE, east=here, west=there)
            ended = cluster.shop.run("recover", "--api-from-file")
            assert ended.code == 0, ended.err
        assert cluster.all_hold(*HELD)
