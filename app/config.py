"""Configuration: read once from the environment, refused when unsafe."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

MIN_SECRET_BYTES = 32


class ConfigInvalid(Exception):
    """The configuration would be unsafe or cannot work; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the process runs with. Times in seconds, sizes in bytes."""

    database_url: str
    database_engine_url: str
    database_owner_url: str
    secret_key: str = field(repr=False)
    cors_origins: tuple[str, ...] = ()
    access_token_s: int = 15 * 60
    refresh_idle_s: int = 180 * 24 * 3600
    refresh_grace_s: int = 60
    pool_size: int = 10
    unsafe_durability: bool = False
    pooled: bool = False
    log_level: str = "INFO"
    public_url: str = ""
    trusted_proxies: int = 0
    events_url: str = ""
    events_database_url: str = ""
    events_max: int = 2000
    events_heartbeat_s: int = 20
    longest_wait_s: int = 5
    webhooks_loopback: bool = False

    @property
    def listen_url(self) -> str:
        """Where the process of live pings listens, as the app role; empty where only a pooler is known."""
        return self.events_database_url or ("" if self.pooled else self.database_url)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Config":
        """Read the variables that docs/operations.md lists.

        Raises:
            ConfigInvalid: A variable is missing, or a secret is short or a well-known default.
        """
        missing = [
            name
            for name in ("DATABASE_URL", "DATABASE_ENGINE_URL", "DATABASE_OWNER_URL", "FIELDMERGE_SECRET_KEY")
            if not environ.get(name)
        ]
        if missing:
            raise ConfigInvalid(
                f"Set {', '.join(missing)}, or use `make demo`, which starts a local PostgreSQL of its own."
            )
        return cls(
            database_url=environ["DATABASE_URL"],
            database_engine_url=environ["DATABASE_ENGINE_URL"],
            database_owner_url=environ["DATABASE_OWNER_URL"],
            secret_key=_strong(environ["FIELDMERGE_SECRET_KEY"]),
            cors_origins=tuple(
                o.strip() for o in environ.get("FIELDMERGE_CORS_ORIGINS", "").split(",") if o.strip()
            ),
            pool_size=_whole(environ, "FIELDMERGE_POOL_SIZE", 10),
            unsafe_durability=environ.get("FIELDMERGE_UNSAFE_DURABILITY") == "for-tests-only",
            pooled=environ.get("FIELDMERGE_PGBOUNCER") == "1",
            log_level=environ.get("FIELDMERGE_LOG_LEVEL", "INFO").upper(),
            public_url=environ.get("FIELDMERGE_PUBLIC_URL", ""),
            trusted_proxies=_whole(environ, "FIELDMERGE_TRUSTED_PROXIES", 0, least=0),
            events_url=_address(environ, "FIELDMERGE_EVENTS_URL"),
            events_database_url=environ.get("FIELDMERGE_EVENTS_DATABASE_URL", ""),
            events_max=_whole(environ, "FIELDMERGE_EVENTS_MAX", 2000),
            events_heartbeat_s=_whole(environ, "FIELDMERGE_EVENTS_HEARTBEAT_S", 20),
            longest_wait_s=_whole(environ, "FIELDMERGE_LONGEST_WAIT_S", 5),
            webhooks_loopback=environ.get("FIELDMERGE_WEBHOOKS_LOOPBACK") == "for-tests-only",
        )


def _strong(secret: str) -> str:
    if len(secret.encode()) < MIN_SECRET_BYTES or len(set(secret)) < 8 or _repeats(secret.lower()):
        raise ConfigInvalid(
            f"FIELDMERGE_SECRET_KEY must be at least {MIN_SECRET_BYTES} random bytes; "
            'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    return secret


def _repeats(secret: str) -> bool:
    """Whether it is a short text over and over: a default that was lengthened until it was taken."""
    return any(secret[length:] == secret[:-length] for length in range(1, MIN_SECRET_BYTES // 2 + 1))


def _address(environ: Mapping[str, str], name: str) -> str:
    found = environ.get(name, "")
    if found and (len(found) > 200 or not found.startswith(("/", "http://", "https://"))):
        raise ConfigInvalid(
            f"{name} must be a path or an http address of at most 200 characters, not {found!r}."
        )
    return found


def _whole(environ: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    raw = environ.get(name, str(default))
    if not raw.isdigit() or int(raw) < least:
        raise ConfigInvalid(f"{name} must be a whole number, {least} or more, not {raw!r}.")
    return int(raw)
