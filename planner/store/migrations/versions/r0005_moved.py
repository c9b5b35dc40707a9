"""Whether the store was moved to another place, and must not be used here any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No store was moved before. Columns, not a table: a role that may only SELECT needs no new grant."""
    for name in ("moved_to", "moved_at", "moved_by"):
        op.add_column("planner_meta", sa.Column(name, sa.Text(), nullable=True))
