"""The file last applied, per cluster."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LAST_APPLIED = """
INSERT INTO planner_file (cluster, source)
SELECT cluster, CASE WHEN EXISTS (
    SELECT 1 FROM planner_step
    WHERE transaction_number = planner_transaction.number AND reason LIKE 'undo of %'
) THEN '' ELSE source END
FROM planner_transaction WHERE number IN (
    SELECT MAX(number) FROM planner_transaction WHERE state = 'applied' GROUP BY cluster
)
"""
"""An undo named the file that it was made with, and leads to what no file asks for."""


def upgrade() -> None:
    """Take it from the last transaction that was applied."""
    op.create_table(
        "planner_file",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", name="pk_planner_file"),
        sa.ForeignKeyConstraint(["cluster"], ["planner_cluster.name"], name="fk_planner_file_cluster"),
    )
    op.execute(LAST_APPLIED)
