"""Passwords: how they are hashed, how good they must be."""

import os
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.core.errors import Unavailable
from app.identity.service.errors import PasswordWeak

MIN_CHARS = 10
MAX_CHARS = 200
MIN_DISTINCT_CHARS = 5
ONE_TIME_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misheard or misread
WAIT_S = 5.0


class PasswordHashes:
    """Argon2id with a limit on how many run at once, so that a storm of logins cannot eat all memory.

    Args:
        time_cost: Passes. The defaults are the second choice of the OWASP cheat sheet on password storage.
        memory_kib: Memory of one hash.
        at_once: Hashes that run at the same time in this process; one for each processor by default.
    """

    def __init__(self, *, time_cost: int = 2, memory_kib: int = 19_456, at_once: int | None = None) -> None:
        self._argon2 = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._free = BoundedSemaphore(at_once or os.cpu_count() or 2)
        self._nobody = self._argon2.hash(secrets.token_hex())

    def hash(self, password: str) -> str:
        """The salted hash of *password*."""
        with self._slot():
            return self._argon2.hash(_normal(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether *password* is the one of *stored*; takes as long where nothing is stored."""
        with self._slot():
            try:
                self._argon2.verify(stored or self._nobody, _normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether *stored* was made at another cost than today's."""
        return self._argon2.check_needs_rehash(stored)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._free.acquire(timeout=WAIT_S):
            raise Unavailable("Too many people log in at this moment.", retry_after_s=int(WAIT_S))
        try:
            yield
        finally:
            self._free.release()


class HashesInUse:
    """The one object that all verbs hash with; tests put cheap hashes here."""

    def __init__(self) -> None:
        self._hashes: PasswordHashes | None = None

    @property
    def hashes(self) -> PasswordHashes:
        """Made at first use: making it costs one hash."""
        if self._hashes is None:
            self._hashes = PasswordHashes()
        return self._hashes

    @hashes.setter
    def hashes(self, hashes: PasswordHashes) -> None:
        self._hashes = hashes


in_use = HashesInUse()


def check_strength(password: str, login: str) -> None:
    """Refuse a password that is too short, too long, too simple, or that contains the login.

    Raises:
        PasswordWeak: With the broken ``rule``.
    """
    normal = _normal(password)
    if len(normal) < MIN_CHARS:
        raise PasswordWeak(f"Use at least {MIN_CHARS} characters.", rule="too_short", least=MIN_CHARS)
    if len(normal) > MAX_CHARS:
        raise PasswordWeak(f"Use at most {MAX_CHARS} characters.", rule="too_long", most=MAX_CHARS)
    if len(set(normal)) < MIN_DISTINCT_CHARS:
        raise PasswordWeak("Use more different characters.", rule="too_simple", least=MIN_DISTINCT_CHARS)
    if len(login) >= 3 and login.lower() in normal.lower():
        raise PasswordWeak("A password must not contain the login.", rule="contains_login")


def one_time_password() -> str:
    """Sixteen characters that can be read out over the telephone: 79 bits."""
    drawn = [secrets.choice(ONE_TIME_ALPHABET) for _ in range(16)]
    return "-".join("".join(drawn[start : start + 4]) for start in range(0, 16, 4))


def _normal(password: str) -> str:
    """One form for what looks the same; Korean keyboards send composed and decomposed letters."""
    return unicodedata.normalize("NFKC", password)
