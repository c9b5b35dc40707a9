"""Which cells a client reads or creates: the first `count`, group by group, on every node."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.nodes import PATH, group_name


class Work(NamedTuple):
    """What one of our own programs is to do."""

    task: str
    urls: list[str]
    total: int
    parallelism: int

    def cells(self) -> Iterator[tuple[str, str]]:
        """The collection's URL and the group of every cell."""
        return cells(self.urls, self.total)

    def done(self, count: int) -> None:
        """Say that it is done, as `said` expects it."""
        print(said(count))


def cells(urls: Sequence[str], count: int) -> Iterator[tuple[str, str]]:
    """The collection's URL and the group of the first cells."""
    for number in range(count):
        group, node = divmod(number, len(urls))
        yield urls[node] + PATH, group_name(group)


def said(count: int) -> str:
    """What a program of ours says at its end."""
    return f"{count} cells, each as it should be"


def words(task: str, urls: Sequence[str], count: int, parallelism: int = 1) -> list[str]:
    """The arguments of a program of ours."""
    return [task, ",".join(urls), str(count), str(parallelism)]


def parsed(doc: str | None, tasks: Sequence[str]) -> Work:
    """The work of this program, from its arguments."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("task", choices=tasks)
    parser.add_argument("urls", type=lambda text: text.split(","))
    parser.add_argument("cells", type=int)
    parser.add_argument("parallelism", type=int)
    wanted = parser.parse_args()
    return Work(wanted.task, wanted.urls, wanted.cells, wanted.parallelism)
