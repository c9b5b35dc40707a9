"""Stores as released versions of the schema left them: `released/<version>.json`.

A file is written once, when its version is released, by ``python -m tests.store.released``, and then never
changed: every later planner must open it, and finish what is unfinished in it.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, create_engine, text

from planner.model import Managed, StepState, TransactionState
from planner.ports import Closing, Wave
from planner.store import schema
from planner.store.opening import open_at
from planner.store.tables import VERSION
from tests.store.bench import NODES, Moments, intent, mark

FOLDER = Path(__file__).parent / "released"
S, T = StepState, TransactionState


def fill(url: str) -> None:
    """One transaction applied, one reversed with an unanswered write, one with cells set aside, one open."""
    moments = Moments()
    with open_at(url, time=moments.time()) as store, store.lock("c", "apply", 0.0) as lease:
        lease.apply_file("older")
        number = lease.begin(intent("applied"))
        managed = (Managed("g", "http://n1"), Managed("kept", "http://n2:81", adopted=True))
        left = Closing(managed, nodes=NODES, protected=("g", "gone"), source=intent("applied").source)
        lease.close(number, Wave((mark(1, S.DONE),)), left)
        number = lease.begin(intent("reversed"))
        lease.commit(number, Wave((mark(2, S.UNDOING, unanswered=True, suspect=True),), T.REVERSING, "why"))
        lease.commit(number, Wave((mark(2, S.UNDONE, unanswered=True),), T.REVERSED))
        number = lease.begin(intent("excepted"))
        lease.commit(number, Wave((mark(1, S.UNDO_FAILED, note="500"),), T.REVERSE_INCOMPLETE))
        lease.commit(
            number, Wave((mark(1, S.SET_ASIDE),), T.CLOSED_WITH_EXCEPTIONS, note="set aside by hand")
        )
        number = lease.begin(intent("open"))
        lease.commit(number, Wave((mark(1, S.STARTED), mark(2, S.UNKNOWN, suspect=True, tried=True))))


def load(url: str, version: str) -> None:
    """Make a store of an older version: its tables as they were made then, and its rows."""
    kept = json.loads((FOLDER / f"{version}.json").read_text("utf-8"))
    engine = create_engine(url)
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for statement in kept["sqlite"]:
                connection.execute(text(statement))
        else:
            _upgrade(connection, version)
        tables = MetaData()
        tables.reflect(connection)
        for name, rows in kept["rows"].items():
            table = tables.tables[name]
            connection.execute(table.delete())
            connection.execute(table.insert(), rows)
        if connection.dialect.name == "postgresql":  # rows that bring their number do not move the sequence
            last = len(kept["rows"]["planner_transaction"])
            sequence = "pg_get_serial_sequence('planner_transaction', 'number')"
            connection.execute(text(f"SELECT setval({sequence}, {last})"))
    engine.dispose()


def _upgrade(connection: Connection, version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def main() -> None:
    """Write down a store of today's version."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planner.db"
        fill(f"sqlite:///{path}")
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            made = connection.execute("SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL")
            things = [dict(row) for row in made if not row["name"].startswith("sqlite_")]
            order = {"table": 0, "index": 1}
            statements = [row["sql"] for row in sorted(things, key=lambda row: order[row["type"]])]
            # In the order of their making, so that no row refers to one that is not there yet.
            names = [row["name"] for row in things if row["type"] == "table"]
            rows = {n: [dict(r) for r in connection.execute(f"SELECT * FROM {n}")] for n in names}
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{VERSION}.json"
    if file.exists():
        sys.exit(f"{file.name} is released already, and never changed")
    file.write_text(json.dumps({"sqlite": statements, "rows": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
