"""Every file that was applied, in order: by them a scheduled run tells the last one from the older ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FROM_HISTORY = """
INSERT INTO planner_applied_file (cluster, source, position, whole)
SELECT cluster, file, MAX(number), TRUE FROM (
    SELECT cluster, number, CASE WHEN EXISTS (
        SELECT 1 FROM planner_step
        WHERE transaction_number = planner_transaction.number AND reason LIKE 'undo of %'
    ) THEN '' ELSE source END AS file
    FROM planner_transaction WHERE state = 'applied'
) AS applied
GROUP BY cluster, file
"""
"""An undo named the file that it was made with, and leads to what no file asks for."""


def upgrade() -> None:
    """Take them from the transactions that were applied."""
    op.create_table(
        "planner_applied_file",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "source", name="pk_planner_applied_file"),
        sa.ForeignKeyConstraint(
            ["cluster"], ["planner_cluster.name"], name="fk_planner_applied_file_cluster"
        ),
        sqlite_with_rowid=False,
    )
    op.execute(FROM_HISTORY)
