"""Who carries requests out: threads, processes of this machine, or a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import WorkersMissing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from planner.model import Desired, Plan
    from planner.nodes.lanes import Crew
    from planner.ports import Clock
    from planner.settings import Settings

MANY_READS = 2000
"""Reads that are worth starting processes for: they are ready when threads would have read some hundreds."""


def reads_of(desired: Desired) -> int:
    """About how many reads a plan of this file takes: few at a node that can list."""
    return sum(node.dialect.list_path is None for node in desired.nodes) * len(desired.groups)


def reads_to_apply(plan: Plan) -> int:
    """About how many reads an apply of this plan takes: before and after, all that it touches."""
    return 2 * (len(plan.steps) + len(plan.bystanders))


def crew_of(
    settings: Settings, reads: int, horizon: Callable[[], float], clock: Clock, stack: ExitStack
) -> Crew | None:
    """The crew that the settings want; None for the threads of this process alone.

    Args:
        settings: of the run.
        reads: about how many there will be.
        horizon: until when a permit lasts that nobody renews (monotonic seconds).
        clock: of the run.
        stack: closes it.

    Raises:
        WorkersMissing: the Dask cluster cannot be used.
    """
    if settings.executor == "threads" or (settings.executor == "auto" and reads < MANY_READS):
        return None
    if settings.executor == "dask":
        from planner.nodes.dask import DaskCrew

        try:
            dask = DaskCrew(settings.scheduler, horizon, clock, settings.connect_timeout)
        except ImportError as error:
            raise WorkersMissing(
                "Dask is not installed",
                why=str(error),
                next="install planner with its extra: pip install 'planner[dask]'",
            ) from error
        except (OSError, ValueError) as error:  # the latter: it is no address
            raise WorkersMissing(
                "The Dask scheduler cannot be reached",
                where=settings.scheduler,
                why=str(error),
                next="check --scheduler (PLANNER_SCHEDULER), or use --executor auto; nothing was changed",
            ) from error
        stack.callback(dask.close)
        return dask
    from planner.nodes.processes import ProcessCrew, usable_processes

    if settings.executor == "auto" and usable_processes() == 1:
        return None
    processes = ProcessCrew(horizon, alone=settings.executor == "processes")
    stack.callback(processes.close)
    return processes
