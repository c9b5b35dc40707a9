"""A bare aiohttp loop: one session, a number of requests in flight, and nothing else.

It reads every cell and compares the id of its record, or creates it and checks the status. It plans nothing,
keeps nothing, and gives up at the first answer that it did not want.
"""

from __future__ import annotations

import asyncio

import aiohttp

from benchmarks.clients.cells import Work, parsed


async def carry_out(work: Work) -> int:
    """Do the work; return the number of cells."""
    todo = work.cells()
    count = 0

    async def one_at_a_time(session: aiohttp.ClientSession) -> None:
        nonlocal count
        for url, group in todo:
            if work.task == "read":
                async with session.get(f"{url}{group}/") as answer:
                    good = answer.status == 200 and (await answer.json())["groupId"] == group
            else:
                async with session.post(url, json={"groupId": group}) as answer:
                    good = answer.status == 201 and (await answer.json())["groupId"] == group
            if not good:
                raise SystemExit(f"{work.task} of {group} at {url}: {answer.status}")
            count += 1

    connector = aiohttp.TCPConnector(limit=work.parallelism)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(one_at_a_time(session) for _ in range(work.parallelism)))
    return count


if __name__ == "__main__":
    asked = parsed(__doc__, ["read", "create"])
    asked.done(asyncio.run(carry_out(asked)))
