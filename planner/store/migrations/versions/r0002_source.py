"""The file last applied, per cluster."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LAST_APPLIED = """
UPDATE planner_cluster SET source = COALESCE((
    SELECT source FROM planner_transaction
    WHERE cluster = planner_cluster.name AND state = 'applied'
    ORDER BY number DESC LIMIT 1
), '')
"""


def upgrade() -> None:
    """Take it from the last transaction that was applied."""
    op.add_column("planner_cluster", sa.Column("source", sa.Text(), nullable=False, server_default=""))
    op.execute(LAST_APPLIED)
