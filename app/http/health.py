"""Whether the process lives, and whether it can work."""

from functools import cache
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from flask import Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.http.services import services

NOT_PERMITTED = "42501"
MIGRATIONS = Path(__file__).parents[2] / "migrations"


def show_health() -> Response:
    """The process lives; nothing else is asked."""
    return jsonify({"status": "ok"})


def show_readiness() -> tuple[Response, int]:
    """The database answers and its migrations are those of this code."""
    state = database_state()
    ready = state["database"] == "ok" and state["migrations"] in ("ok", "unknown")
    return jsonify({"status": "ready" if ready else "not_ready", **state}), 200 if ready else 503


def database_state() -> dict[str, str]:
    """``database``: ok or unreachable; ``migrations``: ok, other, or unknown where the role may not look."""
    try:
        with services().db.app.connect() as connection:
            found = set(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
    except ProgrammingError as error:
        hidden = getattr(error.orig, "sqlstate", "") == NOT_PERMITTED
        return {"database": "ok", "migrations": "unknown" if hidden else "other"}
    except (SQLAlchemyError, PoolTimeout):
        return {"database": "unreachable", "migrations": "unknown"}
    return {"database": "ok", "migrations": "ok" if found == wanted_revisions() else "other"}


@cache
def wanted_revisions() -> set[Any]:
    """Head revisions of the migrations that came with this code."""
    return set(ScriptDirectory(str(MIGRATIONS)).get_heads())
