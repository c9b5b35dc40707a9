"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables in an empty database."""
    op.create_table(
        "planner_meta",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_planner_meta"),
    )
    op.create_table(
        "planner_cluster",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("holder_command", sa.Text(), nullable=False),
        sa.Column("holder_since", sa.Text(), nullable=False),
        sa.Column("holder_session", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_planner_cluster"),
    )
    _cells()
    _journal()
    op.create_table(
        "planner_watch",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("transaction_number", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "url", "group_id", name="pk_planner_watch"),
        sa.ForeignKeyConstraint(["cluster"], ["planner_cluster.name"], name="fk_planner_watch_cluster"),
        sa.ForeignKeyConstraint(
            ["transaction_number"], ["planner_transaction.number"], name="fk_planner_watch_transaction_number"
        ),
    )


def _cells() -> None:
    op.create_table(
        "planner_node",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "url", name="pk_planner_node"),
        sa.ForeignKeyConstraint(["cluster"], ["planner_cluster.name"], name="fk_planner_node_cluster"),
    )
    op.create_table(
        "planner_managed",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.Column("creation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "url", "group_id", name="pk_planner_managed"),
        sa.ForeignKeyConstraint(["cluster"], ["planner_cluster.name"], name="fk_planner_managed_cluster"),
        sqlite_with_rowid=False,
    )


def _journal() -> None:
    op.create_table(
        "planner_transaction",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("plan_digest", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("allowances", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("nodes", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("started", sa.Text(), nullable=False),
        sa.Column("finished", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_planner_transaction"),
        sa.ForeignKeyConstraint(["cluster"], ["planner_cluster.name"], name="fk_planner_transaction_cluster"),
        sqlite_autoincrement=True,
    )
    for columns in (["cluster", "state"], ["cluster", "plan_digest"]):
        op.create_index(f"ix_planner_transaction_{'_'.join(columns)}", "planner_transaction", columns)
    op.create_table(
        "planner_step",
        sa.Column("transaction_number", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("suspect", sa.Boolean(), nullable=False),
        sa.Column("tried", sa.Boolean(), nullable=False),
        sa.Column("unanswered", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_number", "number", name="pk_planner_step"),
        sa.ForeignKeyConstraint(
            ["transaction_number"], ["planner_transaction.number"], name="fk_planner_step_transaction_number"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_planner_step_set_aside",
        "planner_step",
        ["transaction_number"],
        sqlite_where=sa.text("state = 'set-aside'"),
        postgresql_where=sa.text("state = 'set-aside'"),
    )
