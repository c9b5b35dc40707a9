"""The groups that were protected when a cluster was last applied."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make an empty memory: the first apply fills it from the file."""
    op.create_table(
        "planner_protected",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "group_id", name="pk_planner_protected"),
        sa.ForeignKeyConstraint(["cluster"], ["planner_cluster.name"], name="fk_planner_protected_cluster"),
        sqlite_with_rowid=False,
    )
