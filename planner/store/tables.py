"""The tables. One schema for SQLite and PostgreSQL; `migrations` leads to exactly these.

Every name begins with `planner_`: in a shared PostgreSQL the tables may live beside others.
Times are text (ISO 8601, UTC) since they are for people only; lists are JSON text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    event,
    text,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSION = "0005"
"""The schema's version: the newest revision in `migrations`. Versions are numbers, and grow."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# Alembic makes this one by itself, so it is no part of `metadata`.
version_metadata = MetaData()
version = Table(
    "planner_version",
    version_metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="planner_version_pkc"),
)

meta = Table(
    "planner_meta",
    metadata,
    Column("id", Text, primary_key=True),  # the store's id, a UUID; there is one row
    Column("created", Text, nullable=False),
    Column(
        "moved_to", Text
    ),  # where the store is now, without a password; all three are null while it is here
    Column("moved_at", Text),
    Column("moved_by", Text),
)

cluster = Table(
    "planner_cluster",
    metadata,
    Column("name", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),  # the fencing token: grows with every grant of the lock
    Column("serial", BigInteger, nullable=False),  # grows with each apply: a plan from before is stale
    Column("holder", Text, nullable=False),  # of the last grant; whether it still holds only the lock tells
    Column("holder_command", Text, nullable=False),
    Column("holder_since", Text, nullable=False),
    Column("holder_session", BigInteger, nullable=False),  # PostgreSQL's backend; 0 with SQLite
)


def _cluster() -> Column[str]:
    return Column("cluster", Text, ForeignKey("planner_cluster.name"), nullable=False)


def _transaction(name: str = "transaction_number") -> Column[int]:
    return Column(name, Integer, ForeignKey("planner_transaction.number"), nullable=False)


node = Table(
    "planner_node",
    metadata,
    _cluster(),
    Column("url", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),
    PrimaryKeyConstraint("cluster", "url"),
)

managed = Table(
    "planner_managed",
    metadata,
    _cluster(),
    Column("url", Text, nullable=False),
    Column("group_id", Text, nullable=False),
    Column("adopted", Boolean, nullable=False),
    Column("creation", Integer, nullable=False),  # `Managed.order`
    PrimaryKeyConstraint("cluster", "url", "group_id"),
    sqlite_with_rowid=False,
)

protected = Table(
    "planner_protected",
    metadata,
    _cluster(),
    Column("group_id", Text, nullable=False),
    PrimaryKeyConstraint("cluster", "group_id"),
    sqlite_with_rowid=False,
)

file = Table(
    "planner_applied_file",
    metadata,
    _cluster(),
    Column("source", Text, nullable=False),  # SHA-256 of a file that was applied; empty: no file, an undo
    Column("position", Integer, nullable=False),  # when it was applied last: the highest is the last of all
    Column("whole", Boolean, nullable=False),  # False: only a part of it
    PrimaryKeyConstraint("cluster", "source"),
    sqlite_with_rowid=False,
)

transaction = Table(
    "planner_transaction",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # unique in the store, never used again
    _cluster(),
    Column("state", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("plan_digest", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("allowances", Text, nullable=False),  # JSON
    Column("policy", Text, nullable=False),  # JSON
    Column("nodes", Text, nullable=False),  # JSON: names, URLs, labels, dialects, credential references
    Column("plan", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("finished", Text, nullable=False),
    Column("message", Text, nullable=False),
    Index(None, "cluster", "state"),
    Index(None, "cluster", "plan_digest"),
    sqlite_autoincrement=True,
)

step = Table(
    "planner_step",
    metadata,
    _transaction(),
    Column("number", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("group_id", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("url", Text, nullable=False),  # of the node, so that the watch list needs no JSON
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("suspect", Boolean, nullable=False),
    Column("tried", Boolean, nullable=False),
    Column("unanswered", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("verified", Boolean, nullable=False),  # a set-aside cell that a later run has verified
    PrimaryKeyConstraint("transaction_number", "number"),
    sqlite_with_rowid=False,  # one B-tree instead of two: half the writes of a big plan
)
_OF_SET_ASIDE = text("state = 'set-aside'")
_set_aside = Index("ix_planner_step_set_aside", step.c.transaction_number, sqlite_where=_OF_SET_ASIDE)


@event.listens_for(metadata, "before_create")
def _as_postgresql_says_it(_metadata: MetaData, connection: Connection, **_options: object) -> None:
    """The same in PostgreSQL. To say so above would import its dialects, 60 ms for a store in SQLite."""
    if connection.dialect.name == "postgresql":
        _set_aside.dialect_kwargs["postgresql_where"] = _OF_SET_ASIDE


note = Table(
    "planner_note",
    metadata,
    _transaction(),
    Column("position", Integer, nullable=False),  # in the order of their writing
    Column("at", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("transaction_number", "position"),
    sqlite_with_rowid=False,
)

watch = Table(
    "planner_watch",
    metadata,
    _cluster(),
    Column("url", Text, nullable=False),
    Column("group_id", Text, nullable=False),
    _transaction(),
    Column("outcome", Text, nullable=False),
    Column("since", Text, nullable=False),
    PrimaryKeyConstraint("cluster", "url", "group_id"),
)
