"""The control endpoint, ``/_simulator/…``: on every node's port, and on one of its own, beyond all faults.

::

    GET    nodes                 names, URLs, states; the seed; the faults
    GET    faults                the specification in force, as text
    PUT    faults                a new one, as text, for the whole cluster
    GET    groups                {node: [ids, sorted]}; with ?settled=true after the last late effect
    PUT    groups                {node: [ids]} or {node: {"add": [ids], "remove": [ids]}}, without a request
    GET    requests              counts by node, method, status and fault; the log of the writes
    DELETE requests              forgets them
    POST   kill/NODE             the node refuses connections
    POST   revive/NODE           and listens again
    PUT    hold                  {"nth_write" | "nth_read" | "nth_request": 3,
                                  "effect": "before" | "after" | "never"}
    GET    hold                  waits until one is held (?timeout=SECONDS: 408 after that), and names it
    DELETE hold                  lets it go on

A bad request is answered with 400 and ``{"error": "…", "problems": ["…"]}``, an unknown node with 404.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from planner.simulator.errors import ContentError, ProblemsError, SimulatorError, UnknownNodeError
from planner.simulator.hold import Held, HoldEffect, HoldError, HoldKind

if TYPE_CHECKING:
    from starlette.requests import Request

    from planner.simulator.server import ClusterServer

ROOT: Final = "/_simulator"


class ControlError(SimulatorError, ValueError):
    """The body or the query of a control request makes no sense."""


def control_app(cluster: ClusterServer) -> Starlette:
    """Return the ASGI application that controls `cluster`, with its routes below `ROOT`."""
    control = _Control(cluster)
    routes = [
        Route("/nodes", control.get_nodes, methods=["GET"]),
        Route("/faults", control.get_faults, methods=["GET"]),
        Route("/faults", control.put_faults, methods=["PUT"]),
        Route("/groups", control.get_groups, methods=["GET"]),
        Route("/groups", control.put_groups, methods=["PUT"]),
        Route("/requests", control.get_requests, methods=["GET"]),
        Route("/requests", control.delete_requests, methods=["DELETE"]),
        Route("/kill/{node}", control.kill, methods=["POST"]),
        Route("/revive/{node}", control.revive, methods=["POST"]),
        Route("/hold", control.get_hold, methods=["GET"]),
        Route("/hold", control.put_hold, methods=["PUT"]),
        Route("/hold", control.delete_hold, methods=["DELETE"]),
    ]
    return Starlette(routes=[Mount(ROOT, routes=routes)], exception_handlers={SimulatorError: _refuse})


class _Control:
    def __init__(self, cluster: ClusterServer) -> None:
        self._cluster = cluster

    async def get_nodes(self, _: Request) -> Response:
        cluster = self._cluster
        states = cluster.states()
        nodes = [{"name": name, "url": url, "state": states[name]} for name, url in cluster.urls.items()]
        return _json({"nodes": nodes, "seed": cluster.config.seed, "faults": cluster.faults()})

    async def get_faults(self, _: Request) -> Response:
        return PlainTextResponse(self._cluster.faults())

    async def put_faults(self, request: Request) -> Response:
        try:
            spec = (await request.body()).decode()
        except UnicodeDecodeError as error:
            raise ControlError("the body is not UTF-8") from error
        await self._cluster.set_faults(spec)
        return PlainTextResponse(self._cluster.faults())

    async def get_groups(self, request: Request) -> Response:
        if request.query_params.get("settled") == "true":
            await self._cluster.desk.late.settled()
        return _json(self._cluster.groups())

    async def put_groups(self, request: Request) -> Response:
        content = _changed(self._cluster.groups(), await _object(request))
        self._cluster.set_groups(content)
        return _json(self._cluster.groups())

    async def get_requests(self, _: Request) -> Response:
        return _json(asdict(self._cluster.desk.journal.snapshot()))

    async def delete_requests(self, _: Request) -> Response:
        self._cluster.desk.journal.reset()
        return Response(status_code=204)

    async def kill(self, request: Request) -> Response:
        await self._cluster.kill(request.path_params["node"])
        return _json(self._cluster.states())

    async def revive(self, request: Request) -> Response:
        await self._cluster.revive(request.path_params["node"])
        return _json(self._cluster.states())

    async def put_hold(self, request: Request) -> Response:
        content = await _object(request)
        effect = content.pop("effect", HoldEffect.BEFORE.value)
        numbers = {kind: content.pop(key) for kind in HoldKind if (key := f"nth_{kind.value}") in content}
        known = effect in [each.value for each in HoldEffect]
        if content or not known or [type(number) for number in numbers.values()] != [int]:
            raise ControlError(
                'write {"nth_write": 3, "effect": "before"} (or "nth_read", or "nth_request"; '
                'or "after", or "never")'
            )
        ((kind, number),) = numbers.items()
        self._cluster.desk.hold.arm(number, HoldEffect(effect), kind)
        return self._hold(())

    async def get_hold(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(_seconds(request.query_params.get("timeout"))):
                return self._hold(await self._cluster.desk.hold.wait())
        except TimeoutError:
            return _json({"error": "nothing was held in this time"}, 408)

    async def delete_hold(self, _: Request) -> Response:
        return self._hold(self._cluster.desk.hold.release())

    def _hold(self, held: tuple[Held, ...]) -> Response:
        return _json({"armed": self._cluster.desk.hold.countdown, "held": [asdict(one) for one in held]})


def _changed(now: dict[str, tuple[str, ...]], wanted: dict[str, Any]) -> dict[str, list[str]]:
    """Return what the named nodes are to hold.

    Raises:
        ContentError: a change is neither a list of ids nor lists under ``add`` and ``remove``.
        UnknownNodeError: no node has the name.
    """
    content: dict[str, list[str]] = {}
    for node, change in wanted.items():
        if node not in now:
            raise UnknownNodeError(node, now)
        if isinstance(change, list):
            content[node] = change
            continue
        lists: dict[str, Any] = change if isinstance(change, dict) else {"": None}
        if lists.keys() - {"add", "remove"} or not all(isinstance(ids, list) for ids in lists.values()):
            raise ContentError([f'{node}: write a list of ids, or {{"add": [ids], "remove": [ids]}}'])
        removed = lists.get("remove", [])
        content[node] = [group for group in now[node] if group not in removed] + lists.get("add", [])
    return content


async def _object(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise ControlError(f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ControlError("the body must be a JSON object")
    return content


def _seconds(written: str | None) -> float | None:
    try:
        return None if written is None else float(written)
    except ValueError as error:
        raise ControlError(f"timeout is a number of seconds, not {written!r}") from error


def _json(content: object, status: int = 200) -> Response:
    return JSONResponse(content, status_code=status)


async def _refuse(_: Request, error: Exception) -> Response:
    problems = error.problems if isinstance(error, ProblemsError) else (str(error),)
    status = 404 if isinstance(error, UnknownNodeError) else 409 if isinstance(error, HoldError) else 400
    return _json({"error": str(error), "problems": list(problems)}, status)
