"""The rules of the image, read from the Dockerfile: a daemon is not needed."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text("utf-8")


def instructions() -> list[tuple[str, str]]:
    """The instructions in order, each with its text on one line."""
    code = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", code)
    words = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(word, rest) for word, rest in words]


ALL = instructions()
LAST_STAGE = ALL[max(index for index, (word, _) in enumerate(ALL) if word == "FROM") :]


def last(word: str) -> str:
    return [rest for name, rest in LAST_STAGE if name == word][-1]


def extras() -> list[str]:
    """The extras of planner that the image is built with."""
    (asked,) = re.findall(r"requirements\.py ([\w ]+) >", TEXT)
    return str(asked).split()


def test_base_is_named_once_and_pinned() -> None:
    bases = [rest for word, rest in ALL if word == "FROM"]
    assert [base.split()[0] for base in bases] == ["${BASE}", "${BASE}"]
    (default,) = re.findall(r"^ARG BASE=(\S+)$", TEXT, re.MULTILINE)
    assert re.search(r":\d+\.\d+", default)


def test_image_runs_as_nobody_in_particular() -> None:
    """A number, so that Kubernetes can prove `runAsNonRoot` without the image's passwd."""
    user, _, group = last("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_image_is_only_what_was_built() -> None:
    copies = [rest for word, rest in LAST_STAGE if word == "COPY"]
    assert copies == ["--from=builder /opt/planner /opt/planner"]
    runs = " ".join(rest for word, rest in LAST_STAGE if word == "RUN")
    assert not re.search(r"pip|poetry|apt", runs)


def test_image_behaves_like_the_command() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["planner"]
    assert last("HEALTHCHECK") == "NONE"


def test_store_is_in_the_volume() -> None:
    (volume,) = json.loads(last("VOLUME"))
    assert f"PLANNER_STORE=sqlite:///{volume}/" in last("ENV")


def test_only_hash_checked_packages_are_installed() -> None:
    """Also what builds planner comes from the lock: nothing else is fetched, and no Poetry is needed."""
    installs = [
        part for word, rest in ALL if word == "RUN" for part in rest.split("&&") if " install " in part
    ]
    fetching = [part for part in installs if "-m pip" in part and "--no-index" not in part]
    assert len(fetching) == 1
    assert "--require-hashes" in fetching[0]
    assert "--only-binary :all:" in fetching[0]


def test_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras()) == set(project["optional-dependencies"]) - {"simulator"}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_build_context_holds_what_is_copied_and_no_more() -> None:
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copies = [rest.split()[:-1] for word, rest in ALL if word == "COPY" and "--from" not in rest]
    assert allowed == {source for sources in copies for source in sources}


def test_no_secret_is_in_a_layer_or_in_the_configuration() -> None:
    """What is given as an argument, or copied, stays; pip's configuration is mounted for one step."""
    arguments = {rest.partition("=")[0] for word, rest in ALL if word == "ARG"}
    assert arguments == {"BASE", "VERSION", "REVISION"}
    assert "ADD" not in {word for word, _ in ALL}  # it fetches, and unpacks
    environment = " ".join(rest for word, rest in ALL if word == "ENV")
    assert not re.search(r"(?i)token|passw|secret(?!s/pip\.conf)|index|credential|\bkey", environment)
    assert "/run/secrets" not in last("ENV")
    for word, rest in ALL:
        fetches = word == "RUN" and "-m pip" in rest and "--no-index" not in rest
        assert fetches == ("--mount=type=secret,id=pip.conf" in rest), rest
        assert "--mount=type=bind" not in rest


def test_nobody_but_root_may_change_what_runs() -> None:
    """Not even the user that it runs as: the files are root's, and no step after the copy changes that."""
    copied = next(index for index, (word, _) in enumerate(LAST_STAGE) if word == "COPY")
    assert not re.search(r"--ch(own|mod)", " ".join(rest for word, rest in LAST_STAGE if word == "COPY"))
    assert "RUN" not in [word for word, _ in LAST_STAGE[copied:]]
    users = [rest for word, rest in LAST_STAGE if word == "USER"]
    assert len(users) == 1
