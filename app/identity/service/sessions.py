"""Logging in, staying logged in, logging out."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session, undefer

from app.config import Config
from app.core.db import Database, set_writer
from app.core.ids import new_id
from app.core.scope import Actor
from app.identity.models import Device, LoginAttempt, PasswordReset, RefreshFamily, User, UserStatus
from app.identity.service import passwords
from app.identity.service.actors import actor_of
from app.identity.service.errors import (
    DeviceRevoked,
    LoginFailed,
    PasswordWeak,
    PasswordWrong,
    RefreshExpired,
    RefreshInvalid,
    RefreshReused,
    SessionEnded,
    TooManyLoginTries,
    UserDisabled,
)
from app.identity.service.farewells import HANDING_IN, is_dismissed, is_farewell_due
from app.identity.service.logins import normal_login
from app.identity.service.tokens import RefreshToken, read_token, write_token
from sync.stores.support import forget_clones, is_cloned

NOBODYS_TENANT = UUID(int=0)
MAX_TRIES = 10
TRIES_WINDOW = timedelta(minutes=15)
UNKNOWN_ADDRESS = "unknown"


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What an app says of the phone that it runs on; ``device_id`` is the one it was given before, if any."""

    name: str
    platform: str
    app_version: str | None = None
    device_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that goes on: whose, on which device, and the token that renews it.

    A ``farewell`` only lets the device hand in its work, until it has wiped itself.
    """

    tenant_id: UUID
    user_id: UUID
    device_id: UUID
    refresh_token: str
    refresh_expires_at: datetime
    must_change_password: bool
    farewell: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What the password is compared with. A one-time password stands in where there is no other."""

    user_id: UUID | None = None
    status: UserStatus = UserStatus.ACTIVE
    password_hash: str | None = None
    reset_id: UUID | None = None


def log_in(
    database: Database,
    config: Config,
    *,
    tenant_code: str,
    login: str,
    password: str,
    device: DeviceInfo,
    ip: str | None,
    now: datetime,
) -> SignedIn:
    """Prove a person and register their device.

    The password is compared between two transactions, so that slow hashing holds no connection.
    Unknown tenants and logins take the same way and the same time as known ones.

    Args:
        database: Both transactions are opened and committed here: a failed try has to be counted.
        config: Secret and lifetimes.
        tenant_code: Code of the company.
        login: In any case and Unicode form.
        password: As typed.
        device: The phone. A ``device_id`` that is this person's is taken up again, unless the device was
            revoked, or two phones speak as it.
        ip: Address of the caller.
        now: Server time, aware UTC.

    Raises:
        LoginFailed: Tenant, login or password is wrong.
        TooManyLoginTries: 10 failed tries within 15 minutes, of the login or from the address.
        UserDisabled: All was right, but the person was disabled.
    """
    login = normal_login(login)
    address = ip or UNKNOWN_ADDRESS
    with database.session(None) as session:
        tenant_id = find_tenant_id(session, tenant_code) or NOBODYS_TENANT
        set_writer(session, tenant_id)
        attempt_id = _count_try(session, tenant_id, login, address, now)
        candidate = _candidate(session, tenant_id, login, now)
    if not passwords.in_use.hashes.verify(candidate.password_hash, password) or candidate.user_id is None:
        _note_failure(database, tenant_id, attempt_id)
        raise LoginFailed("The company, the login or the password is wrong.")
    if candidate.status is UserStatus.DISABLED:
        raise UserDisabled("This account is closed.")
    with database.session(tenant_id, user_id=candidate.user_id) as session:
        _forget_tries(session, tenant_id, login, attempt_id)
        _use_one_time_password(session, tenant_id, candidate.reset_id, now)
        user = _open_user(session, tenant_id, candidate.user_id)
        if candidate.reset_id is None and user.password_hash != candidate.password_hash:
            raise LoginFailed("The password was changed at this moment.")
        if passwords.in_use.hashes.is_outdated(candidate.password_hash or "") and candidate.reset_id is None:
            user.password_hash = passwords.in_use.hashes.hash(password)
        return _begin_session(session, config, user, _register_device(session, user, device, now), now)


def refresh(
    database: Database, config: Config, token_text: str, *, now: datetime, app_version: str | None = None
) -> SignedIn:
    """Exchange a refresh token for its successor.

    The same token again within ``config.refresh_grace_s`` gives the same successor, because the
    answer may have been lost on the way. Later it means that two parties hold it: the session ends.

    A dismissed person's or a revoked device's token goes on in the same way, but buys farewells only,
    until the device has told that it wiped itself.

    Raises:
        RefreshInvalid: Not ours, or its session is not known any more.
        RefreshExpired: Its session was idle for too long.
        RefreshReused: It was used before.
        DeviceRevoked, UserDisabled: So it is, and the device has wiped itself or owes nothing.
        SessionEnded: Logged out, or the password was changed.
    """
    token = read_token(config, token_text)
    with database.session(token.tenant_id) as session:
        family = session.get(RefreshFamily, (token.tenant_id, token.family_id), with_for_update=True)
        if family is None:
            raise RefreshInvalid("Log in again.")
        user, device = _parties(session, family)
        farewell = _check_family(family, user, device, now)
        reused = not _rotate(family, token.generation, config, now)
        if reused:
            family.revoked_at, family.revoked_why = now, "reused"
        else:
            device.last_seen_at = now
            device.app_version = app_version or device.app_version
        session.flush()
    if reused:  # told only after the session's end is committed
        raise RefreshReused("This session was ended for safety. Log in again.")
    return replace(_signed_in(config, family, user), farewell=farewell)


def log_out(session: Session, actor: Actor, *, now: datetime) -> None:
    """End the session of the actor's device; the device stays registered."""
    if actor.device_id is not None:
        end_sessions(session, actor.tenant_id, why="logged_out", now=now, device_id=actor.device_id)


def change_password(
    database: Database,
    *,
    tenant_id: UUID,
    user_id: UUID,
    device_id: UUID | None,
    current: str,
    new: str,
    ip: str | None,
    now: datetime,
) -> None:
    """Replace one's own password and end the sessions of all other devices.

    Opens its own transactions, because a wrong present password is counted like a failed login.

    Raises:
        PasswordWrong: The present password is wrong.
        PasswordWeak: The new one breaks a rule, or is the present one.
        TooManyLoginTries: Too many wrong ones.
        Unauthenticated: The session has ended meanwhile.
    """
    with database.session(tenant_id, user_id=user_id, device_id=device_id) as session:
        actor_of(session, tenant_id, user_id, device_id, now, password_may_be_due=True)
        login = session.scalars(
            select(User.login).where(User.tenant_id == tenant_id, User.id == user_id)
        ).one()
        attempt_id = _count_try(session, tenant_id, login, ip or UNKNOWN_ADDRESS, now)
        candidate = _candidate(session, tenant_id, login, now, also_used=True)
    if not passwords.in_use.hashes.verify(candidate.password_hash, current):
        _note_failure(database, tenant_id, attempt_id)
        raise PasswordWrong("The present password is wrong.")
    if new == current:
        raise PasswordWeak("Choose another password than the present one.", rule="same")
    passwords.check_strength(new, login)
    new_hash = passwords.in_use.hashes.hash(new)
    with database.session(tenant_id, user_id=user_id, device_id=device_id) as session:
        _forget_tries(session, tenant_id, login, attempt_id)
        user = _open_user(session, tenant_id, user_id)
        user.password_hash = new_hash
        user.password_changed_at = now
        user.must_change_password = False
        session.execute(
            delete(PasswordReset).where(
                PasswordReset.tenant_id == tenant_id, PasswordReset.user_id == user_id
            )
        )
        end_sessions(
            session, tenant_id, why="password_changed", now=now, user_id=user_id, except_device_id=device_id
        )


def find_tenant_id(session: Session, code: str) -> UUID | None:
    """The id of the tenant with this code; works before any tenant is set."""
    found: UUID | None = session.scalar(select(func.find_tenant(code.strip().lower())))
    return found


def end_sessions(
    session: Session,
    tenant_id: UUID,
    *,
    why: str,
    now: datetime,
    family_id: UUID | None = None,
    device_id: UUID | None = None,
    user_id: UUID | None = None,
    except_device_id: UUID | None = None,
) -> None:
    """End live sessions: one, those of a device, or those of a user. Access tokens end with them."""
    statement = update(RefreshFamily).where(
        RefreshFamily.tenant_id == tenant_id, RefreshFamily.revoked_at.is_(None)
    )
    if family_id is None and device_id is None and user_id is None:
        raise ValueError("say whose sessions end")
    if family_id is not None:
        statement = statement.where(RefreshFamily.id == family_id)
    if device_id is not None:
        statement = statement.where(RefreshFamily.device_id == device_id)
    if user_id is not None:
        statement = statement.where(RefreshFamily.user_id == user_id)
    if except_device_id is not None:
        statement = statement.where(RefreshFamily.device_id != except_device_id)
    session.execute(statement.values(revoked_at=now, revoked_why=why))


def forget_old_sessions(session: Session, tenant_id: UUID, *, now: datetime) -> int:
    """Delete sessions that nobody can go on with since a month, and tries that count no more; for a job.

    A session that somebody else ended may still buy a farewell as long as it would have lived.
    """
    old = now - timedelta(days=30)
    ended = RefreshFamily.revoked_why.not_in(HANDING_IN) & (RefreshFamily.revoked_at < old)
    gone = session.execute(
        delete(RefreshFamily)
        .where(RefreshFamily.tenant_id == tenant_id)
        .where(ended | (RefreshFamily.expires_at < old))
        .returning(RefreshFamily.id)
    ).all()
    session.execute(
        delete(LoginAttempt).where(
            LoginAttempt.tenant_id == tenant_id, LoginAttempt.attempted_at < now - TRIES_WINDOW
        )
    )
    session.execute(
        delete(PasswordReset).where(PasswordReset.tenant_id == tenant_id, PasswordReset.expires_at < old)
    )
    return len(gone)


def _count_try(session: Session, tenant_id: UUID, login: str, address: str, now: datetime) -> UUID:
    """Note a try before its password is compared, so that tries at the same moment count each other."""
    for name in sorted((f"login:{login}", f"ip:{address}")):
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_key(tenant_id, name)})
    since = now - TRIES_WINDOW
    tries = select(func.count(), func.min(LoginAttempt.attempted_at)).where(
        LoginAttempt.tenant_id == tenant_id, LoginAttempt.attempted_at > since
    )
    of_address = (LoginAttempt.ip == address) & LoginAttempt.failed
    for condition in (LoginAttempt.login == login, of_address):
        count, first = session.execute(tries.where(condition)).one()
        if count >= MAX_TRIES:
            raise TooManyLoginTries(
                "Too many tries. Wait, then try again.",
                retry_after_s=max(1, ceil((first - since).total_seconds())),
            )
    attempt = LoginAttempt(tenant_id=tenant_id, id=new_id(), login=login, ip=address, attempted_at=now)
    session.add(attempt)
    session.flush()
    return attempt.id


def _note_failure(database: Database, tenant_id: UUID, attempt_id: UUID) -> None:
    with database.session(tenant_id) as session:
        session.execute(
            update(LoginAttempt)
            .where(LoginAttempt.tenant_id == tenant_id, LoginAttempt.id == attempt_id)
            .values(failed=True)
        )


def _forget_tries(session: Session, tenant_id: UUID, login: str, attempt_id: UUID) -> None:
    session.execute(
        delete(LoginAttempt).where(
            LoginAttempt.tenant_id == tenant_id,
            (LoginAttempt.login == login) | (LoginAttempt.id == attempt_id),
        )
    )


def _lock_key(tenant_id: UUID, name: str) -> int:
    digest = hashlib.sha256(tenant_id.bytes + name.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _candidate(
    session: Session, tenant_id: UUID, login: str, now: datetime, *, also_used: bool = False
) -> _Candidate:
    """The hash to compare with: the person's own, else their newest open one-time password's."""
    resets = (
        select(PasswordReset.id, PasswordReset.password_hash)
        .join(User, (User.tenant_id == PasswordReset.tenant_id) & (User.id == PasswordReset.user_id))
        .where(User.tenant_id == tenant_id, User.login == login, PasswordReset.expires_at > now)
        .order_by(PasswordReset.issued_at.desc(), PasswordReset.id.desc())
        .limit(1)
    )
    if not also_used:
        resets = resets.where(PasswordReset.used_at.is_(None))
    user = session.execute(
        select(User.id, User.status, User.password_hash).where(
            User.tenant_id == tenant_id, User.login == login, User.deleted_at.is_(None)
        )
    ).one_or_none()
    reset = session.execute(resets).one_or_none()
    if user is None:
        return _Candidate()
    if user.password_hash is None and reset is not None:
        return _Candidate(user.id, user.status, reset.password_hash, reset.id)
    return _Candidate(user.id, user.status, user.password_hash)


def _use_one_time_password(session: Session, tenant_id: UUID, reset_id: UUID | None, now: datetime) -> None:
    """Take it, once: of two logins at the same moment one finds it gone."""
    if reset_id is None:
        return
    taken = session.execute(
        update(PasswordReset)
        .where(
            PasswordReset.tenant_id == tenant_id,
            PasswordReset.id == reset_id,
            PasswordReset.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(PasswordReset.id)
    ).one_or_none()
    if taken is None:
        raise LoginFailed("The company, the login or the password is wrong.")


def _open_user(session: Session, tenant_id: UUID, user_id: UUID) -> User:
    return session.scalars(
        select(User)
        .where(User.tenant_id == tenant_id, User.id == user_id)
        .options(undefer(User.password_hash))
        .with_for_update(key_share=True)
    ).one()


def _register_device(session: Session, user: User, info: DeviceInfo, now: datetime) -> Device:
    device = None
    if info.device_id is not None:
        device = session.get(Device, (user.tenant_id, info.device_id), with_for_update=True)
    if (
        device is None
        or device.user_id != user.id
        or device.revoked_at is not None
        or device.wiped_at is not None
        or is_cloned(session.connection(), user.tenant_id, device.id)
    ):
        device = Device(tenant_id=user.tenant_id, id=new_id(), user_id=user.id, registered_at=now)
        session.add(device)
        forget_clones(session.connection(), user.tenant_id, user.id)
    device.name = info.name
    device.platform = info.platform
    device.app_version = info.app_version
    device.last_seen_at = now
    session.flush()
    end_sessions(session, user.tenant_id, why="new_login", now=now, device_id=device.id)
    return device


def _begin_session(session: Session, config: Config, user: User, device: Device, now: datetime) -> SignedIn:
    family = RefreshFamily(
        tenant_id=user.tenant_id,
        id=new_id(),
        user_id=user.id,
        device_id=device.id,
        generation=1,
        started_at=now,
        rotated_at=now,
        expires_at=now + timedelta(seconds=config.refresh_idle_s),
    )
    session.add(family)
    session.flush()
    return _signed_in(config, family, user)


def _signed_in(config: Config, family: RefreshFamily, user: User) -> SignedIn:
    token = RefreshToken(family.tenant_id, family.id, family.generation)
    return SignedIn(
        tenant_id=family.tenant_id,
        user_id=user.id,
        device_id=family.device_id,
        refresh_token=write_token(config, token),
        refresh_expires_at=family.expires_at,
        must_change_password=user.must_change_password,
    )


def _parties(session: Session, family: RefreshFamily) -> tuple[User, Device]:
    user = session.get_one(User, (family.tenant_id, family.user_id))
    return user, session.get_one(Device, (family.tenant_id, family.device_id))


def _check_family(family: RefreshFamily, user: User, device: Device, now: datetime) -> bool:
    """Refuse a session that has ended; whether what goes on is a farewell."""
    if family.revoked_why == "reused":
        raise RefreshReused("This session was ended for safety. Log in again.")
    if family.expires_at <= now and family.revoked_at is None:
        raise RefreshExpired("This session was not used for too long. Log in again.")
    handing_in = family.expires_at > now and family.revoked_why in (None, *HANDING_IN)
    if is_farewell_due(user, device) and handing_in:
        return True
    if is_dismissed(user):
        raise UserDisabled("This account is closed.")
    if device.revoked_at is not None:
        raise DeviceRevoked("This device was locked out.")
    if family.revoked_at is not None:
        raise SessionEnded("Log in again.")
    return False


def _rotate(family: RefreshFamily, generation: int, config: Config, now: datetime) -> bool:
    """Step the family past *generation*; False where that token was used up before.

    A generation from the future is ours all the same: the database was restored from a backup.
    """
    if generation >= family.generation:
        family.generation = generation + 1
        family.rotated_at = now
        family.expires_at = now + timedelta(seconds=config.refresh_idle_s)
        return True
    within_grace = now - family.rotated_at <= timedelta(seconds=config.refresh_grace_s)
    return generation == family.generation - 1 and within_grace
