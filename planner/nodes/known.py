"""What nodes have answered with an ETag, for conditional reads (RFC 9110, 13.1.2)."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import NamedTuple

MOST = 4096
"""Answers that are kept, the newest."""

_ETAG = re.compile(r"[!-~\xa1-\xff]{1,256}")
"""What is sent back as it came: no blanks, no line ends. Some servers leave out the quotes of RFC 9110."""


class Kept(NamedTuple):
    """What was made of an answer, and its ETag; empty where nothing is known."""

    etag: str = ""
    answer: object = None


NOTHING_KNOWN = Kept()


class Known:
    """Answers by URL. Safe for threads: every step is one operation of a dict.

    A node that says 304 says the same again as before, and is believed as much as before: what it said was
    checked then. 'Absent' has no ETag, and never comes from here.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def get(self, url: str) -> Kept:
        """What is known."""
        return self._kept.get(url, NOTHING_KNOWN)

    def keep(self, url: str, etag: str, answer: object) -> None:
        """Keep an answer that has a decent ETag, for those that come after it."""
        if _ETAG.fullmatch(etag):
            self._kept[url] = Kept(etag, answer)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
