"""A stub of `gh api` over the comments of a pull request, which are kept in the file COMMENTS."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
from pathlib import Path

PAGE = 2
"""Comments on a page, so that there are several."""


def main() -> None:
    """Answer one call."""
    parser = argparse.ArgumentParser()
    parser.add_argument("word", choices=["api"])
    parser.add_argument("path")
    parser.add_argument("--paginate", action="store_true")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--jq")
    parser.add_argument("--field")
    options = parser.parse_args()
    assert os.environ["GH_TOKEN"]
    file = Path(os.environ["COMMENTS"])
    comments = json.loads(file.read_text("utf-8"))
    if options.method == "GET":
        assert re.fullmatch(r"repos/org/cluster/issues/12/comments\?per_page=100", options.path)
        pages = [comments[start : start + PAGE] for start in range(0, len(comments), PAGE)]
        for page in pages if options.paginate else pages[:1]:
            subprocess.run(["jq", "--raw-output", options.jq], input=json.dumps(page), text=True, check=True)
        return
    name, _, source = options.field.partition("=@")
    assert name == "body"
    body = Path(source).read_text("utf-8")
    if options.method == "PATCH":
        number = int(re.fullmatch(r"repos/org/cluster/issues/comments/(\d+)", options.path)[1])  # type: ignore[index]
        (found,) = (comment for comment in comments if comment["id"] == number)
        found["body"] = body
    else:
        assert (options.method, options.path) == ("POST", "repos/org/cluster/issues/12/comments")
        comments.append({"id": 100 + len(comments), "user": {"login": "github-actions[bot]"}, "body": body})
    file.write_text(json.dumps(comments), encoding="utf-8")


if __name__ == "__main__":
    main()
