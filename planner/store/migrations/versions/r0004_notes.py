"""What was done to a transaction after its own run: who recovered it, when, and what was set aside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing was noted before."""
    op.create_table(
        "planner_note",
        sa.Column("transaction_number", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_number", "position", name="pk_planner_note"),
        sa.ForeignKeyConstraint(
            ["transaction_number"],
            ["planner_transaction.number"],
            name="fk_planner_note_transaction_number",
        ),
        sqlite_with_rowid=False,
    )
