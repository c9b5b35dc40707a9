"""A bare requests loop: one session, one cell after the other.

``read`` compares the id of every record, ``create`` checks the status of every POST, and ``careful`` does
what public clients of such an API do around it: a GET before, to see whether it is there, and one after, to
see that it is.
"""

from __future__ import annotations

import requests

from benchmarks.clients.cells import Work, parsed


def carry_out(work: Work) -> int:
    """Do the work; return the number of cells."""
    count = 0
    with requests.Session() as session:
        for url, group in work.cells():
            if work.task == "careful" and session.get(f"{url}{group}/").status_code != 404:
                raise SystemExit(f"{group} at {url} is there already")
            if work.task != "read":
                answer = session.post(url, json={"groupId": group})
                if answer.status_code != 201:
                    raise SystemExit(f"create of {group} at {url}: {answer.status_code}")
            if work.task != "create":
                answer = session.get(f"{url}{group}/")
                if answer.status_code != 200 or answer.json()["groupId"] != group:
                    raise SystemExit(f"read of {group} at {url}: {answer.status_code}")
            count += 1
    return count


if __name__ == "__main__":
    asked = parsed(__doc__, ["read", "create", "careful"])
    asked.done(carry_out(asked))
