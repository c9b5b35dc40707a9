"""Stored times, for people: ISO 8601 in UTC, as `Clock.wall` writes them. They decide nothing. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def after(wall: str, seconds: float) -> str:
    """The time so many seconds later; empty where the stored text is no time."""
    moment = _moment(wall)
    if moment is None:
        return ""
    try:
        return f"{(moment + timedelta(seconds=seconds)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except OverflowError:
        return ""


def between(begin: str, end: str) -> int | None:
    """Whole seconds from one time to another; None where one of them is missing, or the clock went back."""
    first, last = _moment(begin), _moment(end)
    if first is None or last is None or last < first:
        return None
    return int((last - first).total_seconds())


def _moment(wall: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(wall)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
