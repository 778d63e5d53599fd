"""What the tables of the room are made of."""

import enum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint


def key_to(column: str, target: str) -> ForeignKeyConstraint:
    """A reference inside the tenant, checked at commit."""
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{target}.tenant_id", f"{target}.id"], deferrable=True, initially="DEFERRED"
    )


def one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    """Hand-written SQL must not leave a value that the application cannot read."""
    named = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({named})", name=column)
