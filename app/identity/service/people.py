"""People: who works here, in which role, unit and team."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.identity.models import (
    PERMISSION_SETS,
    OrgUnit,
    PasswordReset,
    PermissionSet,
    User,
    UserPermissionSet,
    UserStatus,
)
from app.identity.queries import sees_user, team_of
from app.identity.service import passwords
from app.identity.service.errors import LastAdmin, LoginInvalid, LoginTaken, ManagerLoop
from app.identity.service.logins import normal_login
from app.identity.service.office import person_of, require_admin
from app.identity.service.sessions import end_sessions
from app.identity.service.tenants import check_zone

ONE_TIME_PASSWORD_LIFE = timedelta(hours=72)
OWN_FIELDS = frozenset({"locale", "time_zone"})


@dataclass(frozen=True, slots=True)
class OneTimePassword:
    """Buys one login, at which the person chooses their own. Shown once, never stored readable."""

    user_id: UUID
    login: str
    password: str = field(repr=False)
    expires_at: datetime


def list_users(
    session: Session,
    actor: Actor,
    *,
    role: Role | None = None,
    status: UserStatus | None = None,
    org_unit_id: UUID | None = None,
    manager_id: UUID | None = None,
) -> Select[User]:
    """People whom the actor may know: themself, their units, managers also their team, administrators all."""
    statement = select(User).where(
        User.tenant_id == actor.tenant_id, User.deleted_at.is_(None), sees_user(actor)
    )
    wanted = {
        User.role: role,
        User.status: status,
        User.org_unit_id: org_unit_id,
        User.manager_id: manager_id,
    }
    return statement.where(*(column == value for column, value in wanted.items() if value is not None))


def get_user(session: Session, actor: Actor, user_id: UUID, *, lock: bool = False) -> User:
    """One of ``list_users``.

    Raises:
        NotFound: The actor may not know them.
    """
    statement = list_users(session, actor).where(User.id == user_id)
    user = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if user is None:
        raise NotFound("No such user.")
    return user


def create_user(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> User:
    """Take a person in. Without a ``password`` they cannot log in before a one-time password was issued.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An administrator.
        values: ``login, name, role``; optional ``id, org_unit_id, manager_id, locale, time_zone,
            password, must_change_password``.
        now: Server time, aware UTC.

    Raises:
        Forbidden: The actor is no administrator.
        IdTaken, LoginTaken, ReferenceNotFound, ZoneUnknown, PasswordWeak: As they say.
    """
    require_admin(actor)
    values = dict(values)
    password = values.pop("password", None)
    user = User(tenant_id=actor.tenant_id, id=values.pop("id", None) or new_id())
    if session.get(User, (actor.tenant_id, user.id)) is not None:
        raise IdTaken("This id is in use.")
    _check_references(session, actor.tenant_id, values)
    values["login"] = _free_login(session, actor.tenant_id, values["login"])
    for name, value in values.items():
        setattr(user, name, value)
    if password is not None:
        passwords.check_strength(password, user.login)
        user.password_hash = passwords.in_use.hashes.hash(password)
        user.password_changed_at = now
    session.add(user)
    session.flush()
    return user


def update_user(
    session: Session, actor: Actor, user_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> User:
    """Change a person. Everybody may set their own language and time zone; the rest is the office's.

    A disabled person loses every session at once; a new role counts from the next request on, because
    roles are read from the database each time.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: Who asks.
        user_id: Whom to change.
        changes: Any of ``login, name, role, status, org_unit_id, manager_id, locale, time_zone``.
        now: Server time, aware UTC.

    Raises:
        NotFound: The actor may not know the person.
        Forbidden: Only an administrator may change this.
        LastAdmin: Nobody could administer the tenant afterwards.
        LoginTaken, ManagerLoop, ReferenceNotFound, ZoneUnknown: As they say.
    """
    user = get_user(session, actor, user_id, lock=True)
    if not (user_id == actor.user_id and changes.keys() <= OWN_FIELDS):
        require_admin(actor)
    changes = dict(changes)
    _check_references(session, actor.tenant_id, changes)
    if "login" in changes:
        changes["login"] = _free_login(session, actor.tenant_id, changes["login"], user.id)
    if changes.get("manager_id") in _team(session, user):
        raise ManagerLoop("A person cannot be their own manager, nor report to someone who reports to them.")
    if changes.get("role", Role.ADMIN) is not Role.ADMIN or changes.get("status") is UserStatus.DISABLED:
        _keep_an_admin(session, user)
    for name, value in changes.items():
        setattr(user, name, value)
    if user.status is UserStatus.DISABLED:
        end_sessions(session, user.tenant_id, why="user_disabled", now=now, user_id=user.id)
    session.flush()
    return user


def disable_user(session: Session, actor: Actor, user_id: UUID, *, now: datetime) -> User:
    """Close a person's account: every session ends, their history stays."""
    require_admin(actor)
    return update_user(session, actor, user_id, {"status": UserStatus.DISABLED}, now=now)


def issue_one_time_password(
    session: Session, actor: Actor, user_id: UUID, *, now: datetime
) -> OneTimePassword:
    """Replace a person's password by a one-time password for the actor to hand out; all sessions end.

    Raises:
        Forbidden: The actor is no administrator.
        NotFound: No such person.
    """
    require_admin(actor)
    user = get_user(session, actor, user_id, lock=True)
    password = passwords.one_time_password()
    session.execute(
        delete(PasswordReset).where(
            PasswordReset.tenant_id == user.tenant_id, PasswordReset.user_id == user.id
        )
    )
    reset = PasswordReset(
        tenant_id=user.tenant_id,
        id=new_id(),
        user_id=user.id,
        password_hash=passwords.in_use.hashes.hash(password),
        issued_at=now,
        issued_by=person_of(actor),
        expires_at=now + ONE_TIME_PASSWORD_LIFE,
    )
    session.add(reset)
    user.password_hash = None
    user.must_change_password = True
    end_sessions(session, user.tenant_id, why="password_reset", now=now, user_id=user.id)
    session.flush()
    return OneTimePassword(user.id, user.login, password, reset.expires_at)


def ensure_first_admin(
    session: Session, actor: Actor, *, login: str, name: str, now: datetime
) -> OneTimePassword | None:
    """Make an administrator where the tenant has none that is active.

    Returns:
        Their one-time password; None where there is an administrator already.
    """
    require_admin(actor)
    if session.scalars(_active_admins(actor.tenant_id).limit(1)).first() is not None:
        return None
    admin = create_user(session, actor, {"login": login, "name": name, "role": Role.ADMIN}, now=now)
    return issue_one_time_password(session, actor, admin.id, now=now)


def list_permission_sets(session: Session, actor: Actor) -> Select[PermissionSet]:
    """What can be given beyond roles; the same for everybody of the tenant."""
    return select(PermissionSet).where(PermissionSet.tenant_id == actor.tenant_id)


def permission_codes(session: Session, tenant_id: UUID, user_ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """Codes of the permission sets that each of these people holds, sorted."""
    found: dict[UUID, list[str]] = {user_id: [] for user_id in user_ids}
    rows = session.execute(
        select(UserPermissionSet.user_id, PermissionSet.code)
        .join(
            PermissionSet,
            (PermissionSet.tenant_id == UserPermissionSet.tenant_id)
            & (PermissionSet.id == UserPermissionSet.permission_set_id),
        )
        .where(UserPermissionSet.tenant_id == tenant_id, UserPermissionSet.user_id.in_(found))
        .order_by(PermissionSet.code)
    )
    for user_id, code in rows:
        found[user_id].append(code)
    return found


def set_permissions(session: Session, actor: Actor, user_id: UUID, codes: Iterable[str]) -> list[str]:
    """Let a person hold exactly these permission sets.

    Raises:
        Forbidden: The actor is no administrator, or names themself.
        NotFound: No such person.
        ReferenceNotFound: No such permission set.
    """
    require_admin(actor)
    if user_id == actor.user_id:
        raise Forbidden("Nobody extends their own permissions.")
    user = get_user(session, actor, user_id, lock=True)
    wanted = set(codes)
    # A company that is older than a set gets it with its first holder.
    ensure_permission_sets(
        session, actor, {code: PERMISSION_SETS[code] for code in wanted if code in PERMISSION_SETS}
    )
    sets = session.scalars(list_permission_sets(session, actor).where(PermissionSet.code.in_(wanted))).all()
    if unknown := wanted - {found.code for found in sets}:
        raise ReferenceNotFound("No such permission set.", field="permission_sets", unknown=sorted(unknown))
    session.execute(
        delete(UserPermissionSet).where(
            UserPermissionSet.tenant_id == user.tenant_id, UserPermissionSet.user_id == user.id
        )
    )
    session.add_all(
        UserPermissionSet(tenant_id=user.tenant_id, id=new_id(), user_id=user.id, permission_set_id=found.id)
        for found in sets
    )
    session.flush()
    return sorted(wanted)


def ensure_permission_sets(session: Session, actor: Actor, names: Mapping[str, str]) -> None:
    """Make the permission sets that are missing, given as code and name."""
    require_admin(actor)
    known = set(session.scalars(list_permission_sets(session, actor).with_only_columns(PermissionSet.code)))
    session.add_all(
        PermissionSet(tenant_id=actor.tenant_id, id=new_id(), code=code, name=name)
        for code, name in names.items()
        if code not in known
    )
    session.flush()


def reference_user(session: Session, actor: Actor, user_id: UUID, field: str) -> User:
    """The active person that *field* of another record names; for the services of other rooms.

    Anybody of the tenant may be named: who may give work to whom is the other room's rule.

    Raises:
        ReferenceNotFound: No such person, or disabled.
    """
    user = session.scalars(
        select(User).where(User.tenant_id == actor.tenant_id, User.id == user_id, User.deleted_at.is_(None))
    ).one_or_none()
    if user is None or user.status is UserStatus.DISABLED:
        raise ReferenceNotFound("No such user.", field=field)
    return user


def user_names(session: Session, tenant_id: UUID, user_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Names for a history, also of people who left."""
    rows = session.execute(
        select(User.id, User.name).where(User.tenant_id == tenant_id, User.id.in_(set(user_ids)))
    )
    return {row.id: row.name for row in rows}


def admin_ids(session: Session, tenant_id: UUID) -> list[UUID]:
    """The active administrators, whom other rooms tell of what waits for nobody else."""
    return list(
        session.scalars(
            select(User.id)
            .where(
                User.tenant_id == tenant_id,
                User.role == Role.ADMIN,
                User.status == UserStatus.ACTIVE,
                User.deleted_at.is_(None),
            )
            .order_by(User.id)
        )
    )


def is_in_team(session: Session, tenant_id: UUID, manager_id: UUID, user_id: UUID) -> bool:
    """Whether *user_id* reports to *manager_id*, directly or not (nobody is of their own team)."""
    if user_id == manager_id:
        return False
    team = team_of(tenant_id, manager_id).subquery()
    return session.scalar(select(team.c.id).where(team.c.id == user_id)) is not None


def _free_login(session: Session, tenant_id: UUID, login: str, own_id: UUID | None = None) -> str:
    login = normal_login(login)
    if not login or any(letter.isspace() for letter in login):
        raise LoginInvalid("A login has no white space in it.")
    owner = session.scalar(select(User.id).where(User.tenant_id == tenant_id, User.login == login))
    if owner is not None and owner != own_id:
        raise LoginTaken(f"The login {login} is in use.")
    return login


def _check_references(session: Session, tenant_id: UUID, values: Mapping[str, Any]) -> None:
    check_zone(values.get("time_zone"))
    models: dict[str, type[OrgUnit] | type[User]] = {"org_unit_id": OrgUnit, "manager_id": User}
    for name, model in models.items():
        reference = values.get(name)
        if reference is None:
            continue
        found = session.scalar(
            select(model.id).where(
                model.tenant_id == tenant_id, model.id == reference, model.deleted_at.is_(None)
            )
        )
        if found is None:
            raise ReferenceNotFound("No such record.", field=name)


def _team(session: Session, user: User) -> set[UUID]:
    return set(session.scalars(team_of(user.tenant_id, user.id)))


def _active_admins(tenant_id: UUID) -> Select[User]:
    return select(User).where(
        User.tenant_id == tenant_id,
        User.role == Role.ADMIN,
        User.status == UserStatus.ACTIVE,
        User.deleted_at.is_(None),
    )


def _keep_an_admin(session: Session, user: User) -> None:
    """Lock all administrators, so that two who disable each other do not both succeed."""
    admins = session.scalars(_active_admins(user.tenant_id).order_by(User.id).with_for_update()).all()
    if [admin.id for admin in admins] == [user.id]:
        raise LastAdmin("Name another administrator first.")
