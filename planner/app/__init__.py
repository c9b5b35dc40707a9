"""The use cases. Everything that touches the world comes in as an argument, through a port.

::

    planning.py     read the nodes, make a plan
    scoping.py      what --group, --node and their exclusions leave of a cluster
    applying.py     carry a plan out, or refuse it
    recovering.py   finish what a dead or failed run left
    asides.py       the watch list, and cells that were set aside by hand
    reconciling.py  what a scheduled run may apply by itself;  pausing.py: and how soon again
    undoing.py      plan the reverse of an earlier transaction
    probing.py      reach every node
    importing.py    what a cluster holds
    reporting.py    what the store knows: status, single transactions
    endings.py      how a transaction's outcome becomes a result or an error
"""

from planner.app.applying import apply_plan
from planner.app.asides import give_up
from planner.app.pausing import check_pause
from planner.app.planning import (
    Allowances,
    check_elsewhere,
    check_finished,
    make_plan,
    survey,
    unfinished_elsewhere,
)
from planner.app.reconciling import check_reviewed
from planner.app.recovering import (
    recover,
    speaks_as_before,
    steps_to_set_aside,
    what_to_recover,
    with_api_of,
)
from planner.app.reporting import find_transaction, in_doubt_of, status
from planner.app.undoing import make_undo

__all__ = [
    "Allowances",
    "apply_plan",
    "check_elsewhere",
    "check_finished",
    "check_pause",
    "check_reviewed",
    "find_transaction",
    "give_up",
    "in_doubt_of",
    "make_plan",
    "make_undo",
    "recover",
    "speaks_as_before",
    "status",
    "steps_to_set_aside",
    "survey",
    "unfinished_elsewhere",
    "what_to_recover",
    "with_api_of",
]
