"""Every file that was applied, in order, and not only the last one: an older one is told by it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BEFORE = """
INSERT INTO planner_applied_file (cluster, source, position, whole)
SELECT cluster, source, MAX(number), TRUE FROM planner_transaction AS older
WHERE state = 'applied' AND source <> '' AND NOT EXISTS (
    SELECT 1 FROM planner_file AS last WHERE last.cluster = older.cluster AND last.source = older.source
)
GROUP BY cluster, source
"""

LAST = """
INSERT INTO planner_applied_file (cluster, source, position, whole)
SELECT cluster, source, 1 + COALESCE((SELECT MAX(number) FROM planner_transaction), 0), TRUE FROM planner_file
"""


def upgrade() -> None:
    """Take the older ones from the transactions."""
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
    op.execute(BEFORE)
    op.execute(LAST)
    op.drop_table("planner_file")
