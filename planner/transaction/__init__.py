"""The transaction: a single-threaded state machine over events; threads live in the adapters.

::

    scheduler.py   many procedures on one thread, a bounded number of requests in flight
    run.py         what a run knows of one step; the write-ahead journal
    cells.py       the life of one cell: carried out, settled, verified, undone
    machine.py     stages forward, everything backward
    recovery.py    what a dead run left, as steps to undo
    observe.py     reading many cells, listing nodes
    probe.py       whether nodes answer, and how fast
"""

from planner.transaction.machine import Outcome, StepOutcome, Transaction, World, runs_of
from planner.transaction.observe import Inventory, Observation, observe, take_inventory
from planner.transaction.probe import probe
from planner.transaction.recovery import open_steps, patience, resume, states_of
from planner.transaction.run import StepRun
from planner.transaction.scheduler import Abandoned, RunInterrupted

__all__ = [
    "Abandoned",
    "Inventory",
    "Observation",
    "Outcome",
    "RunInterrupted",
    "StepOutcome",
    "StepRun",
    "Transaction",
    "World",
    "observe",
    "open_steps",
    "patience",
    "probe",
    "resume",
    "runs_of",
    "states_of",
    "take_inventory",
]
