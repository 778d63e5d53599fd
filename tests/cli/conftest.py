"""The `flask` command in process, on a database that the environment names."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.cli import FlaskGroup, ScriptInfo

from app.cli.application import create_app
from app.config import Config

Run = Callable[..., Result]
WITHOUT_SETTINGS: Mapping[str, None] = dict.fromkeys(
    (
        "DATABASE_URL",
        "DATABASE_ENGINE_URL",
        "DATABASE_OWNER_URL",
        "FIELDMERGE_SECRET_KEY",
        "FIELDMERGE_TENANT",
    )
)


def variables_of(config: Config, **more: str) -> dict[str, str]:
    """What a process needs in its environment to have these settings."""
    return {
        "DATABASE_URL": config.database_url,
        "DATABASE_ENGINE_URL": config.database_engine_url,
        "DATABASE_OWNER_URL": config.database_owner_url,
        "FIELDMERGE_SECRET_KEY": config.secret_key,
        "FIELDMERGE_UNSAFE_DURABILITY": "for-tests-only",
        **more,
    }


def flask_command(*words: str, env: Mapping[str, Any]) -> Result:
    """What `flask *words*` does with these variables over no settings at all."""
    group = FlaskGroup(create_app=create_app)
    obj = ScriptInfo(create_app=create_app)
    return CliRunner().invoke(group, words, obj=obj, env={**WITHOUT_SETTINGS, **env})


@pytest.fixture
def flask(migrated: Config) -> Run:
    """`flask` on the migrated database; further variables by keyword."""

    def run(*words: str, **variables: str) -> Result:
        return flask_command(*words, env=variables_of(migrated, **variables))

    return run
