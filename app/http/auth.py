"""Who asks: access tokens that hold identity only, and the rule of each operation."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

import jwt
import structlog
from flask import g, request
from sqlalchemy.orm import Session

from app.config import Config
from app.core.clock import utc_now
from app.core.errors import Forbidden, Unauthenticated
from app.core.scope import Actor, ActorQuery, Role
from app.http.services import derive_key, services

ALGORITHM = "HS256"
TYPE = "at+jwt"
ISSUER = "fieldmerge"
AUDIENCE = "fieldmerge-api"
PURPOSE = "access-token"
FAREWELL_TYPE = "farewell"
FAREWELL_AUDIENCE = "fieldmerge-farewell"
FAREWELL_PURPOSE = "farewell-token"
FAREWELL_S = 15 * 60
CLAIMS = ("iss", "aud", "sub", "tid", "iat", "exp")  # and did, which is null for integrations
MAX_TOKEN_CHARS = 2_000
CLOCK_SKEW_S = 60


class ActorAsker(Protocol):
    """How an actor is read from the database; ``app.identity.service.actor_query``."""

    def __call__(
        self,
        tenant_id: UUID,
        user_id: UUID,
        device_id: UUID | None,
        now: datetime,
        *,
        password_may_be_due: bool = False,
    ) -> ActorQuery: ...


class FarewellCheck(Protocol):
    """Refuses a farewell that is good no more; ``app.identity.service.check_farewell``."""

    def __call__(
        self, session: Session, tenant_id: UUID, user_id: UUID, device_id: UUID | None, now: datetime
    ) -> None: ...


_askers: list[ActorAsker] = []
_farewell_checks: list[FarewellCheck] = []


class TokenExpired(Unauthenticated):
    """The access token has run out; use the refresh token."""

    code = "token_expired"


class TokenInvalid(Unauthenticated):
    """What was sent is no access token of this server."""

    code = "token_invalid"


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says: identity, nothing about rights."""

    tenant_id: UUID
    user_id: UUID
    device_id: UUID | None
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call an operation.

    Attributes:
        roles: Any of these.
        anonymous: Nobody is asked who they are.
        password_may_be_due: Also people who must choose a password of their own first.
        farewell: Also devices that may only hand in their work; the view asks ``current_farewell``.
    """

    roles: frozenset[Role] = frozenset()
    anonymous: bool = False
    password_may_be_due: bool = False
    farewell: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    """What tells one kind of token from the other: its type, its audience and its key."""

    type: str
    audience: str
    purpose: str

    def key(self, config: Config) -> bytes:
        return derive_key(config.secret_key, self.purpose)


_ACCESS = _Kind(TYPE, AUDIENCE, PURPOSE)
_FAREWELL = _Kind(FAREWELL_TYPE, FAREWELL_AUDIENCE, FAREWELL_PURPOSE)


def issue_access_token(
    config: Config, tenant_id: UUID, user_id: UUID, device_id: UUID | None, now: datetime
) -> str:
    """Make an access token that lives ``config.access_token_s`` seconds from *now* (aware UTC)."""
    return _issued(config, _ACCESS, tenant_id, user_id, device_id, now, config.access_token_s)


def issue_farewell_token(
    config: Config, tenant_id: UUID, user_id: UUID, device_id: UUID | None, now: datetime
) -> str:
    """Make a token with which a device hands in its work and tells that it wiped itself, and nothing else."""
    return _issued(config, _FAREWELL, tenant_id, user_id, device_id, now, FAREWELL_S)


def _issued(
    config: Config,
    kind: _Kind,
    tenant_id: UUID,
    user_id: UUID,
    device_id: UUID | None,
    now: datetime,
    life_s: int,
) -> str:
    issued = int(now.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": kind.audience,
        "sub": str(user_id),
        "tid": str(tenant_id),
        "did": str(device_id) if device_id else None,
        "iat": issued,
        "exp": issued + life_s,
    }
    return jwt.encode(claims, kind.key(config), algorithm=ALGORITHM, headers={"typ": kind.type})


def read_access_token(config: Config, token: str, now: datetime) -> AccessClaims:
    """Prove an access token and say whom it names.

    The times are compared with *now* and not by PyJWT, which knows no other clock than its own.

    Raises:
        TokenExpired: It was good until it ran out.
        TokenInvalid: Anything else: another algorithm, type, issuer, audience or key, extra header fields.
    """
    return _read(config, _ACCESS, token, now)


def read_farewell_token(config: Config, token: str, now: datetime) -> AccessClaims:
    """Prove a farewell token; raises as ``read_access_token``, also for an access token."""
    return _read(config, _FAREWELL, token, now)


def _read(config: Config, kind: _Kind, token: str, now: datetime) -> AccessClaims:
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenInvalid
    try:
        claims, expires, issued = _proved(kind.key(config), kind, token)
    except (jwt.InvalidTokenError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise TokenInvalid from error
    if now.timestamp() >= expires:
        raise TokenExpired
    if issued > now.timestamp() + CLOCK_SKEW_S:
        raise TokenInvalid
    return claims


@lru_cache(maxsize=8192)
def _proved(key: bytes, kind: _Kind, token: str) -> tuple[AccessClaims, int, int]:
    """The claims with the times of expiry and issue; kept, because a phone sends one token many times."""
    decoded = jwt.decode_complete(
        token,
        key,
        algorithms=[ALGORITHM],
        audience=kind.audience,
        issuer=ISSUER,
        options={
            "require": list(CLAIMS),
            "strict_aud": True,
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        },
    )
    # Only what we write ourselves: kid, jku, jwk, x5u and crit would ask us to look for keys elsewhere.
    if decoded["header"] != {"alg": ALGORITHM, "typ": kind.type}:
        raise jwt.InvalidTokenError
    return _claims(decoded["payload"])


def _claims(payload: dict[str, Any]) -> tuple[AccessClaims, int, int]:
    expires, issued = payload["exp"], payload["iat"]
    if type(expires) is not int or type(issued) is not int:
        raise TypeError
    claims = AccessClaims(
        tenant_id=_id(payload["tid"]),
        user_id=_id(payload["sub"]),
        device_id=_id(payload["did"]) if payload["did"] is not None else None,
        issued_at=datetime.fromtimestamp(issued, tz=UTC),
    )
    return claims, expires, issued


def _id(value: Any) -> UUID:
    if not isinstance(value, str):
        raise TypeError
    return UUID(value)


def token_key(config: Config) -> bytes:
    """The signing key of access tokens."""
    return derive_key(config.secret_key, PURPOSE)


def register_actor_query(asker: ActorAsker) -> None:
    """Tell how an actor is read from the database; the identity room owns that, above this package."""
    _askers[:] = [asker]


def register_farewell_check(check: FarewellCheck) -> None:
    """Tell how a farewell is looked up; the identity room owns that, above this package."""
    _farewell_checks[:] = [check]


def current_farewell() -> AccessClaims | None:
    """The claims of this request's token if it is a farewell that still holds; None for any other token.

    Only for operations whose rule says ``farewell=True``. It looks into the database, in a transaction of
    its own, once for each request.

    Raises:
        Unauthenticated: It is a farewell token, and good no more.
    """
    found: AccessClaims | None = g.get("farewell")
    if found is not None or "claims" in g:
        return found
    rule: Rule | None = g.get("rule")
    if rule is None or not rule.farewell:
        raise RuntimeError("This operation takes no farewells: put @blp.allow(..., farewell=True) above it.")
    token, now = _bearer_token(), utc_now()
    if not _is_farewell(token):
        return None
    claims = read_farewell_token(services().config, token, now)
    with services().db.session(claims.tenant_id) as session:
        _farewell_checks[0](session, claims.tenant_id, claims.user_id, claims.device_id, now)
    structlog.contextvars.bind_contextvars(
        tenant_id=str(claims.tenant_id), user_id=str(claims.user_id), device_id=str(claims.device_id)
    )
    g.rule_was_checked = True
    g.farewell = claims
    return claims


def prove_caller(rule: Rule) -> None:
    """Refuse a request without a good token, before anything else of it is read.

    Raises:
        Unauthenticated: There is no token, or it is not good for operations of this rule.
    """
    try:
        current_claims()
    except TokenInvalid:
        if not rule.farewell or current_farewell() is None:
            raise


def _is_farewell(token: str) -> bool:
    """Whether a token calls itself a farewell; nothing is proved by that."""
    if len(token) > MAX_TOKEN_CHARS:
        return False
    try:
        return bool(jwt.get_unverified_header(token).get("typ") == FAREWELL_TYPE)
    except jwt.InvalidTokenError:
        return False


def current_claims() -> AccessClaims:
    """The claims of this request's bearer token; the database is not asked.

    Raises:
        Unauthenticated: There is no token, or it is not good.
    """
    claims: AccessClaims | None = g.get("claims")
    if claims is None:
        claims = g.claims = read_access_token(services().config, _bearer_token(), utc_now())
    return claims


def _bearer_token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token.strip()


def current_actor(session: Session) -> Actor:
    """Who asks, with role and scope as the database has them now, and allowed to by the operation's rule.

    Args:
        session: Open session of the token's tenant (``current_claims().tenant_id``).

    Raises:
        Unauthenticated: The token is not good, the user is gone or disabled, the device revoked.
        Forbidden: The operation's rule does not name the actor's role.
    """
    query = current_actor_query()
    return query.read(session.execute(query.statement, dict(query.values)).one_or_none())


def current_actor_query() -> ActorQuery:
    """``current_actor`` for who sends its statement in a round trip of their own; errors come of reading the row."""
    rule, claims = _rule(), current_claims()
    query = _askers[0](
        claims.tenant_id,
        claims.user_id,
        claims.device_id,
        utc_now(),
        password_may_be_due=rule.password_may_be_due,
    )
    return replace(query, read=lambda row, known=None: _allowed(rule, query.read(row, known)))


def _rule() -> Rule:
    rule: Rule | None = g.get("rule")
    if rule is None:
        raise RuntimeError("This operation declares no rule: put @blp.allow(...) above it.")
    return rule


def _allowed(rule: Rule, actor: Actor) -> Actor:
    structlog.contextvars.bind_contextvars(
        tenant_id=str(actor.tenant_id), user_id=str(actor.user_id), device_id=str(actor.device_id)
    )
    g.actor = actor
    g.rule_was_checked = True
    if actor.role not in rule.roles:
        raise Forbidden
    return actor
