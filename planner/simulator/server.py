"""The cluster's sockets: one listener for each node, all of them in one event loop."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from planner.simulator.app import CONNECTION, Desk, NodeApp
from planner.simulator.content import problem_of_id
from planner.simulator.control import control_app
from planner.simulator.errors import ContentError, ListenError, UnknownNodeError
from planner.simulator.faults import FaultPlan, parse_faults
from planner.simulator.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.simulator.app import Application
    from planner.simulator.config import ClusterConfig

HOST: Final = "127.0.0.1"
_KEEP_ALIVE_SECONDS: Final = 24 * 3600  # an idle connection that ends by itself would be one more fault
_BACKLOG: Final = 2048
_LINGER_RESET: Final = struct.pack("ii", 1, 0)  # on, for 0 seconds: close() sends a RST


class NodeProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, which shows itself to the application and can reset its connection."""

    def __init__(self, config: Config, server_state: ServerState) -> None:
        super().__init__(config, server_state, {})
        self.app_state = {CONNECTION: self}
        self.serves_control = False

    def reset(self) -> None:
        """End the connection with a TCP RST."""
        if self.transport.is_closing():
            return
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.transport.abort()


class Listener:
    """One port: it listens, stops to listen, and listens again, always on the same number.

    A second socket stays bound to the port without listening. It keeps the number while the node is
    dead: otherwise another program could take it, and a client that tries to connect to a dead port of
    the ephemeral range now and then connects to itself.
    """

    def __init__(self, application: Application, port: int) -> None:
        self._config = Config(
            application, http=NodeProtocol, ws="none", lifespan="off", interface="asgi3", log_config=None,
            access_log=False, proxy_headers=False, server_header=False, date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )  # fmt: skip
        self._config.load()
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._guard = _bind(port)
        self.port: int = self._guard.getsockname()[1]

    @property
    def listens(self) -> bool:
        """Whether a connection would be accepted."""
        return self._server is not None

    async def open(self) -> None:
        """Listen, if it does not.

        Raises:
            ListenError: the port is taken.
        """
        if self._server is not None:
            return
        if sys.platform != "linux":
            self._guard.close()  # elsewhere two sockets cannot share the port
        listening = _bind(self.port)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: NodeProtocol(self._config, self._state), sock=listening, backlog=_BACKLOG
            )
        except OSError as error:
            listening.close()
            raise ListenError(f"cannot listen on {HOST}:{self.port}: {error}") from error

    async def close(self, *, abort: bool) -> None:
        """Stop to listen, if it does.

        Args:
            abort: reset every connection; otherwise a request in flight is still answered. A connection
                that serves a control request always ends with its answer.
        """
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        self._end_connections(abort=abort, control=False)
        await asyncio.sleep(0)

    async def end(self) -> None:
        """Close all for good, and wait until every request has ended."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._end_connections(abort=True, control=True)
        self._guard.close()
        while self._state.tasks:
            await asyncio.wait(set(self._state.tasks))
        await asyncio.sleep(0)

    def _end_connections(self, *, abort: bool, control: bool) -> None:
        for connection in list(self._state.connections):
            if not isinstance(connection, NodeProtocol):
                continue
            if abort and (control or not connection.serves_control):
                connection.reset()
            else:
                connection.shutdown()


@dataclass(slots=True)
class _Member:
    """One node with its port. `alive` is what kill and revive say; the fault ``refuse`` comes on top."""

    node: Node
    listener: Listener
    alive: bool = True


class ClusterServer:
    """The cluster inside its event loop; make it there, and call it from there only."""

    def __init__(self, config: ClusterConfig) -> None:
        self.config = config
        self.desk = Desk()
        self._plan: FaultPlan = config.plan
        self._members: dict[str, _Member] = {}
        self._control: Listener | None = None
        self._listening = asyncio.Lock()

    async def start(self) -> None:
        """Bind and listen on all ports.

        Raises:
            ListenError: a port is taken; nothing listens then.
        """
        config = self.config
        control = control_app(self)
        try:
            for place, name in enumerate(config.names):
                node = Node(name, config.seed, config.content[name])
                node.set_faults(self._plan)
                app = NodeApp(node, self.desk, control, listing=config.listing, prefix=config.prefix)
                self._members[name] = _Member(node, Listener(app, config.port and config.port + place))
            self._control = Listener(_control_only(control), config.control_port)
            await self._control.open()
            await self._listen_as_wanted()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all connections and effects, and close all ports."""
        self.desk.hold.close()
        self.desk.late.close()
        listeners = [member.listener for member in self._members.values()]
        for listener in (*listeners, *([self._control] if self._control is not None else [])):
            await listener.end()
        self.desk.late.close()

    @property
    def urls(self) -> dict[str, str]:
        """The base URL of every node, without a slash at its end."""
        return {name: self._url(member.listener) for name, member in self._members.items()}

    @property
    def control_url(self) -> str:
        """The base URL of the port that only serves the control endpoint, and that no fault closes."""
        return "" if self._control is None else f"http://{HOST}:{self._control.port}"

    def states(self) -> dict[str, str]:
        """Return ``listening``, ``refusing`` (the fault) or ``dead`` for every node."""
        return {
            name: "dead" if not member.alive else "listening" if member.listener.listens else "refusing"
            for name, member in self._members.items()
        }

    def faults(self) -> str:
        """Return the specification in force."""
        return str(self._plan)

    async def set_faults(self, spec: str) -> None:
        """Put a specification in force for the whole cluster, from the next request on.

        Raises:
            FaultSpecError: it cannot be read; the one in force stays.
        """
        self._plan = parse_faults(spec, self.config.names)
        for member in self._members.values():
            member.node.set_faults(self._plan)
        await self._listen_as_wanted()

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Return the ids of every node, sorted; of dead ones too."""
        return {name: member.node.groups() for name, member in self._members.items()}

    def set_groups(self, groups: Mapping[str, Iterable[str]]) -> None:
        """Let the named nodes hold exactly these groups; the others stay as they are.

        Raises:
            UnknownNodeError: a name is unknown; nothing was changed.
            ContentError: an id is impossible; nothing was changed.
        """
        wanted = {name: _checked(ids) for name, ids in groups.items()}
        for member, ids in [(self._member(name), ids) for name, ids in wanted.items()]:
            member.node.replace(ids)

    def change_groups(self, name: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Change the content of one node without a request; raises like `set_groups`."""
        self._member(name).node.change(_checked(add), _checked(remove))

    async def kill(self, name: str) -> None:
        """Let a node die: connections are reset, new ones refused. Its groups and late effects stay.

        Raises:
            UnknownNodeError: no node has the name.
        """
        self._member(name).alive = False
        await self._listen_as_wanted()

    async def revive(self, name: str) -> None:
        """Let a dead node listen again, on the same port; raises like `kill`."""
        self._member(name).alive = True
        await self._listen_as_wanted()

    def _url(self, listener: Listener) -> str:
        return f"http://{HOST}:{listener.port}{self.config.prefix}"

    def _member(self, name: str) -> _Member:
        if name not in self._members:
            raise UnknownNodeError(name, self._members)
        return self._members[name]

    async def _listen_as_wanted(self) -> None:
        async with self._listening:
            for name, member in self._members.items():
                if member.alive and not self._plan.refuses(name):
                    await member.listener.open()
                else:
                    await member.listener.close(abort=not member.alive)


def _checked(ids: Iterable[str]) -> tuple[str, ...]:
    checked = tuple(ids)
    problems = [problem for group in checked if (problem := problem_of_id(group))]
    if problems:
        raise ContentError(problems)
    return checked


def _control_only(control: Application) -> Application:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope["state"][CONNECTION].serves_control = True
        await control(scope, receive, send)

    return application


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise ListenError(f"cannot listen on {HOST}:{port}: {error}") from error
    return bound
