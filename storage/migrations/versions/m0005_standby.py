"""A stub that stands where another branch's revision will: an attempt's turn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("turn", sa.Integer(), nullable=True))
