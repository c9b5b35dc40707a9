"""Whether a result reached its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import PlannerError

if TYPE_CHECKING:
    from planner.views.channel import Channel


def check_written(channel: Channel) -> None:
    """Fail if a result was lost; a reader that left its pipe wanted no more, and is no failure.

    Raises:
        PlannerError: the stream is full or closed.
    """
    channel.flush()
    if channel.lost:
        raise PlannerError("The result could not be written", where="standard output", why=channel.lost)
