"""A store that knows every cell of a file, made through the store's own port and without a node.

For a plan of a million cells: to apply them first would take longer than everything else that is measured.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from planner.desired import parse
from planner.model import Managed, Policy, TransactionState
from planner.ports import Closing, Intent, Wave
from planner.settings import load_settings
from planner.store import open_store


def main(file: str) -> None:
    """Close one transaction without steps as applied, with every cell as managed."""
    desired = parse(Path(file).read_bytes(), origin=file)
    managed = tuple(
        Managed(group.id, node.url, order=number)
        for number, group in enumerate(desired.groups)
        for node in desired.nodes
    )
    intent = Intent("apply", desired.nodes, (), Policy(), source=desired.digest)
    closing = Closing(managed=managed, nodes=desired.nodes, source=desired.digest)
    with (
        open_store(load_settings({}, os.environ, {}).store) as store,
        store.lock(desired.cluster, "apply", 0.0) as lease,
    ):
        lease.close(lease.begin(intent), Wave((), TransactionState.APPLIED), closing)
    print(f"{len(managed)} cells known")


if __name__ == "__main__":
    main(sys.argv[1])
