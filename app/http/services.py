"""What one application holds for all requests."""

import hashlib
import hmac
from dataclasses import dataclass
from functools import cache

from flask import Flask, current_app

from app.config import Config
from app.core.db import Database

EXTENSION = "fieldmerge"


@dataclass(frozen=True, slots=True)
class Services:
    """Settings and pools of the process."""

    config: Config
    db: Database


@cache
def derive_key(secret: str, purpose: str) -> bytes:
    """A key of 32 bytes for one *purpose*, so that no token of one kind passes as another's."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).digest()


def services(app: Flask | None = None) -> Services:
    """The services of *app*, or of the application that serves the present request."""
    found: Services = (app or current_app).extensions[EXTENSION]
    return found
