"""What nodes call an attempt among themselves, and whether the network said that two were connected."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Columns that may be empty: a node of the revision before goes on writing rows without them.
    op.add_column("attempts", sa.Column("turn", sa.Integer(), nullable=True))
    op.add_column("attempts", sa.Column("bridged", sa.Boolean(), nullable=True))
