"""Logging in, people, devices, units and territories over REST."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask import g, request
from flask.views import MethodView
from sqlalchemy.orm import Session

from app.core.clock import utc_now
from app.core.scope import Actor, Role
from app.http.api import EVERYBODY, Blueprint
from app.http.auth import FAREWELL_S, current_claims, issue_access_token, issue_farewell_token
from app.http.etag import require_version, set_version
from app.http.paging import PageQuery, page
from app.http.services import services
from app.http.transaction import transaction
from app.identity import service
from app.identity.models import Delegation, Device, OrgUnit, PermissionSet, Territory, TerritoryMember, User
from app.identity.schemas import (
    DelegationPageSchema,
    DelegationPatchSchema,
    DelegationQuery,
    DelegationSchema,
    DeviceSchema,
    LoginSchema,
    MeSchema,
    NewUserSchema,
    OneTimePasswordSchema,
    OrgUnitPageSchema,
    OrgUnitPatchSchema,
    OrgUnitSchema,
    PasswordChangeSchema,
    PermissionSetPageSchema,
    PermissionsSchema,
    RefreshSchema,
    TerritoryMemberPageSchema,
    TerritoryMemberPatchSchema,
    TerritoryMemberSchema,
    TerritoryPageSchema,
    TerritoryPatchSchema,
    TerritorySchema,
    TokensSchema,
    TreeQuery,
    UserPageSchema,
    UserPatchSchema,
    UserQuery,
    UserSchema,
)

PREFIX = "/api/v1"
auth_blp = Blueprint("auth", __name__, url_prefix=f"{PREFIX}/auth", description="Logging in and staying so")
devices_blp = Blueprint("devices", __name__, url_prefix=f"{PREFIX}/devices", description="Phones in use")
users_blp = Blueprint("users", __name__, url_prefix=f"{PREFIX}/users", description="People")
permissions_blp = Blueprint(
    "permission sets",
    __name__,
    url_prefix=f"{PREFIX}/permission-sets",
    description="What a person may do beyond their role",
)
units_blp = Blueprint(
    "org units", __name__, url_prefix=f"{PREFIX}/org-units", description="Parts of the company"
)
territories_blp = Blueprint(
    "territories", __name__, url_prefix=f"{PREFIX}/territories", description="Parts of the market"
)
delegations_blp = Blueprint(
    "delegations", __name__, url_prefix=f"{PREFIX}/delegations", description="Who stands in for whom"
)

USERS_SORT = {"login": User.login, "name": User.name}
UNITS_SORT = {"code": OrgUnit.code, "name": OrgUnit.name}
TERRITORIES_SORT = {"code": Territory.code, "name": Territory.name}
MEMBERS_SORT = {"valid_from": TerritoryMember.valid_from}
DELEGATIONS_SORT = {"valid_from": Delegation.valid_from}
PERMISSIONS_SORT = {"code": PermissionSet.code}


@contextmanager
def first_steps() -> Iterator[tuple[Session, Actor]]:
    """``transaction()`` for what a person may do before they have chosen a password of their own.

    The rule of the operation must name everybody: no role is compared here.
    """
    claims = current_claims()
    with services().db.session(
        claims.tenant_id, user_id=claims.user_id, device_id=claims.device_id
    ) as session:
        g.actor = service.actor_of(
            session, claims.tenant_id, claims.user_id, claims.device_id, utc_now(), password_may_be_due=True
        )
        g.rule_was_checked = True
        yield session, g.actor


@auth_blp.route("/login")
class LoginView(MethodView):
    @auth_blp.allow(anonymous=True)
    @auth_blp.arguments(LoginSchema)
    @auth_blp.response(200, TokensSchema)
    @auth_blp.alt_response(401, description="`auth.login_failed`, `auth.user_disabled`")
    @auth_blp.alt_response(429, description="`auth.too_many_tries`: 10 failed tries in 15 minutes")
    def post(self, values: dict[str, Any]) -> dict[str, Any]:
        """Log in and register the device"""
        device = values["device"]
        signed_in = service.log_in(
            services().db,
            services().config,
            tenant_code=values["tenant"],
            login=values["login"],
            password=values["password"],
            device=service.DeviceInfo(
                device["name"], device["platform"], device.get("app_version"), device.get("id")
            ),
            ip=request.remote_addr,
            now=utc_now(),
        )
        return tokens(signed_in)


@auth_blp.route("/refresh")
class RefreshView(MethodView):
    @auth_blp.allow(anonymous=True)
    @auth_blp.arguments(RefreshSchema)
    @auth_blp.response(200, TokensSchema)
    @auth_blp.alt_response(
        401,
        description="`auth.refresh_invalid`, `auth.refresh_expired`, `auth.refresh_reused`,"
        " `auth.session_ended`, `auth.device_revoked`, `auth.user_disabled`",
    )
    def post(self, values: dict[str, Any]) -> dict[str, Any]:
        """Exchange the refresh token for its successor

        The same token again within 60 seconds gives the same successor, so that a lost answer can be asked
        for again. Later it ends the session.

        The token of a dismissed person or a locked out device buys farewells: `farewell` is true, and the
        access token is good for `POST /sync` only, for 15 minutes. The device hands in what it has not
        sent, wipes itself and tells so by `client.wiped`; after that every answer is 401.
        """
        signed_in = service.refresh(
            services().db,
            services().config,
            values["refresh_token"],
            now=utc_now(),
            app_version=values.get("app_version"),
        )
        return tokens(signed_in)


@auth_blp.route("/logout")
class LogoutView(MethodView):
    @auth_blp.allow(*EVERYBODY)
    @auth_blp.response(204)
    def post(self) -> None:
        """End this device's session"""
        with first_steps() as (session, actor):
            service.log_out(session, actor, now=utc_now())


@auth_blp.route("/me")
class MeView(MethodView):
    @auth_blp.allow(*EVERYBODY)
    @auth_blp.response(200, MeSchema)
    def get(self) -> dict[str, Any]:
        """Say who is logged in, and what they may see"""
        with first_steps() as (session, actor):
            user = service.get_user(session, actor, actor.user_id)
            return {
                "user": user,
                "tenant": service.get_tenant(session, actor.tenant_id),
                "device_id": actor.device_id,
                "shape": actor.scope.shape,
                "permissions": sorted(actor.permissions),
                "territory_ids": sorted(actor.scope.territory_ids),
                "unit_ids": sorted(actor.scope.unit_ids),
                "must_change_password": user.must_change_password,
            }


@auth_blp.route("/password")
class PasswordView(MethodView):
    @auth_blp.allow(*EVERYBODY)
    @auth_blp.arguments(PasswordChangeSchema)
    @auth_blp.response(204)
    @auth_blp.alt_response(422, description="`auth.password_wrong`, `auth.password_weak`")
    @auth_blp.alt_response(429, description="`auth.too_many_tries`")
    def post(self, values: dict[str, Any]) -> None:
        """Change one's own password; all other devices are logged out"""
        with first_steps() as (_, actor):
            pass  # hashing takes its time, so no connection is held meanwhile
        service.change_password(
            services().db,
            tenant_id=actor.tenant_id,
            user_id=actor.user_id,
            device_id=actor.device_id,
            current=values["current_password"],
            new=values["new_password"],
            ip=request.remote_addr,
            now=utc_now(),
        )


@devices_blp.route("/<uuid:device_id>")
class DeviceView(MethodView):
    @devices_blp.allow(*EVERYBODY)
    @devices_blp.response(204)
    def delete(self, device_id: UUID) -> None:
        """Lock a device out: its next request is refused"""
        with transaction() as (session, actor):
            service.revoke_device(session, actor, device_id, now=utc_now())


@devices_blp.route("/<uuid:device_id>/revoke")
class DeviceRevocationView(MethodView):
    @devices_blp.allow(*EVERYBODY)
    @devices_blp.response(200, DeviceSchema)
    def post(self, device_id: UUID) -> Device:
        """Lock a device out: it may only hand in its work and wipe itself"""
        with transaction() as (session, actor):
            return service.revoke_device(session, actor, device_id, now=utc_now())


@devices_blp.route("/<uuid:device_id>/wipe")
class DeviceWipeView(MethodView):
    @devices_blp.allow(*EVERYBODY)
    @devices_blp.response(200, DeviceSchema)
    def post(self, device_id: UUID) -> Device:
        """Have your own device wiped, for administrators any; `wiped_at` tells when it was"""
        with transaction() as (session, actor):
            return service.wipe_device(session, actor, device_id, now=utc_now())


@users_blp.route("")
class UsersView(MethodView):
    @users_blp.allow(*EVERYBODY)
    @users_blp.arguments(UserQuery, location="query")
    @users_blp.response(200, UserPageSchema)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """List the people of one's units and team"""
        with transaction() as (session, actor):
            filters = {name: args.get(name) for name in ("role", "status", "org_unit_id", "manager_id")}
            found = service.list_users(session, actor, **filters)
            return page(session, found, model=User, sortable=USERS_SORT, args=args)

    @users_blp.allow(Role.ADMIN)
    @users_blp.arguments(NewUserSchema)
    @users_blp.response(201, UserSchema)
    @users_blp.alt_response(409, description="`id_taken`, `user.login_taken`")
    def post(self, values: dict[str, Any]) -> User:
        """Take a person in"""
        with transaction() as (session, actor):
            user = service.create_user(session, actor, values, now=utc_now())
            set_version(user.version)
            return user


@users_blp.route("/<uuid:user_id>")
class UserView(MethodView):
    @users_blp.allow(*EVERYBODY)
    @users_blp.etag
    @users_blp.response(200, UserSchema)
    def get(self, user_id: UUID) -> User:
        """Show a person"""
        with transaction() as (session, actor):
            user = service.get_user(session, actor, user_id)
            set_version(user.version)
            return user

    @users_blp.allow(*EVERYBODY)
    @users_blp.etag
    @users_blp.arguments(UserPatchSchema)
    @users_blp.response(200, UserSchema)
    @users_blp.alt_response(409, description="`user.login_taken`, `user.last_admin`")
    def patch(self, changes: dict[str, Any], user_id: UUID) -> User:
        """Change a person; everybody may set their own language and time zone"""
        with transaction() as (session, actor):
            require_version(service.get_user(session, actor, user_id, lock=True).version)
            user = service.update_user(session, actor, user_id, changes, now=utc_now())
            set_version(user.version)
            return user


@users_blp.route("/<uuid:user_id>/disablement")
class UserDisablementView(MethodView):
    @users_blp.allow(Role.ADMIN)
    @users_blp.etag
    @users_blp.response(200, UserSchema)
    @users_blp.alt_response(409, description="`user.last_admin`")
    def post(self, user_id: UUID) -> User:
        """Close a person's account; every session ends, their history stays"""
        with transaction() as (session, actor):
            require_version(service.get_user(session, actor, user_id, lock=True).version)
            user = service.disable_user(session, actor, user_id, now=utc_now())
            set_version(user.version)
            return user


@users_blp.route("/<uuid:user_id>/password-reset")
class PasswordResetView(MethodView):
    @users_blp.allow(Role.ADMIN)
    @users_blp.response(201, OneTimePasswordSchema)
    def post(self, user_id: UUID) -> service.OneTimePassword:
        """Replace a person's password by a one-time password; all their sessions end"""
        with transaction() as (session, actor):
            return service.issue_one_time_password(session, actor, user_id, now=utc_now())


@users_blp.route("/<uuid:user_id>/permission-sets")
class UserPermissionsView(MethodView):
    @users_blp.allow(Role.ADMIN)
    @users_blp.response(200, PermissionsSchema)
    def get(self, user_id: UUID) -> dict[str, Any]:
        """Show the permission sets that a person holds"""
        with transaction() as (session, actor):
            user = service.get_user(session, actor, user_id)
            return {"codes": service.permission_codes(session, actor.tenant_id, [user.id])[user.id]}

    @users_blp.allow(Role.ADMIN)
    @users_blp.arguments(PermissionsSchema)
    @users_blp.response(200, PermissionsSchema)
    def put(self, values: dict[str, Any], user_id: UUID) -> dict[str, Any]:
        """Let a person hold exactly these permission sets"""
        with transaction() as (session, actor):
            return {"codes": service.set_permissions(session, actor, user_id, values["codes"])}


@permissions_blp.route("")
class PermissionSetsView(MethodView):
    @permissions_blp.allow(*EVERYBODY)
    @permissions_blp.arguments(PageQuery, location="query")
    @permissions_blp.response(200, PermissionSetPageSchema)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """List the permission sets of the company"""
        with transaction() as (session, actor):
            found = service.list_permission_sets(session, actor)
            return page(session, found, model=PermissionSet, sortable=PERMISSIONS_SORT, args=args)


@units_blp.route("")
class OrgUnitsView(MethodView):
    @units_blp.allow(*EVERYBODY)
    @units_blp.arguments(TreeQuery, location="query")
    @units_blp.response(200, OrgUnitPageSchema)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """List the org units of one's scope"""
        with transaction() as (session, actor):
            found = service.list_org_units(session, actor, parent_id=args.get("parent_id"))
            return page(session, found, model=OrgUnit, sortable=UNITS_SORT, args=args)

    @units_blp.allow(Role.ADMIN)
    @units_blp.arguments(OrgUnitSchema)
    @units_blp.response(201, OrgUnitSchema)
    @units_blp.alt_response(409, description="`id_taken`, `identity.code_taken`")
    def post(self, values: dict[str, Any]) -> OrgUnit:
        """Add an org unit"""
        with transaction() as (session, actor):
            unit = service.create_org_unit(session, actor, values, now=utc_now())
            set_version(unit.version)
            return unit


@units_blp.route("/<uuid:unit_id>")
class OrgUnitView(MethodView):
    @units_blp.allow(*EVERYBODY)
    @units_blp.etag
    @units_blp.response(200, OrgUnitSchema)
    def get(self, unit_id: UUID) -> OrgUnit:
        """Show an org unit"""
        with transaction() as (session, actor):
            unit = service.get_org_unit(session, actor, unit_id)
            set_version(unit.version)
            return unit

    @units_blp.allow(Role.ADMIN)
    @units_blp.etag
    @units_blp.arguments(OrgUnitPatchSchema)
    @units_blp.response(200, OrgUnitSchema)
    @units_blp.alt_response(409, description="`identity.code_taken`")
    def patch(self, changes: dict[str, Any], unit_id: UUID) -> OrgUnit:
        """Change or move an org unit"""
        with transaction() as (session, actor):
            require_version(service.get_org_unit(session, actor, unit_id, lock=True).version)
            unit = service.update_org_unit(session, actor, unit_id, changes, now=utc_now())
            set_version(unit.version)
            return unit

    @units_blp.allow(Role.ADMIN)
    @units_blp.etag
    @units_blp.response(204)
    @units_blp.alt_response(409, description="`has_dependants`")
    def delete(self, unit_id: UUID) -> None:
        """Close an org unit that nobody works in"""
        with transaction() as (session, actor):
            require_version(service.get_org_unit(session, actor, unit_id, lock=True).version)
            service.delete_org_unit(session, actor, unit_id, now=utc_now())


@territories_blp.route("")
class TerritoriesView(MethodView):
    @territories_blp.allow(*EVERYBODY)
    @territories_blp.arguments(TreeQuery, location="query")
    @territories_blp.response(200, TerritoryPageSchema)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """List the territories of one's scope"""
        with transaction() as (session, actor):
            found = service.list_territories(session, actor, parent_id=args.get("parent_id"))
            return page(session, found, model=Territory, sortable=TERRITORIES_SORT, args=args)

    @territories_blp.allow(Role.ADMIN)
    @territories_blp.arguments(TerritorySchema)
    @territories_blp.response(201, TerritorySchema)
    @territories_blp.alt_response(409, description="`id_taken`, `identity.code_taken`")
    def post(self, values: dict[str, Any]) -> Territory:
        """Add a territory"""
        with transaction() as (session, actor):
            territory = service.create_territory(session, actor, values, now=utc_now())
            set_version(territory.version)
            return territory


@territories_blp.route("/<uuid:territory_id>")
class TerritoryView(MethodView):
    @territories_blp.allow(*EVERYBODY)
    @territories_blp.etag
    @territories_blp.response(200, TerritorySchema)
    def get(self, territory_id: UUID) -> Territory:
        """Show a territory"""
        with transaction() as (session, actor):
            territory = service.get_territory(session, actor, territory_id)
            set_version(territory.version)
            return territory

    @territories_blp.allow(Role.ADMIN)
    @territories_blp.etag
    @territories_blp.arguments(TerritoryPatchSchema)
    @territories_blp.response(200, TerritorySchema)
    @territories_blp.alt_response(409, description="`identity.code_taken`")
    def patch(self, changes: dict[str, Any], territory_id: UUID) -> Territory:
        """Change or move a territory"""
        with transaction() as (session, actor):
            require_version(service.get_territory(session, actor, territory_id, lock=True).version)
            territory = service.update_territory(session, actor, territory_id, changes, now=utc_now())
            set_version(territory.version)
            return territory

    @territories_blp.allow(Role.ADMIN)
    @territories_blp.etag
    @territories_blp.response(204)
    @territories_blp.alt_response(409, description="`has_dependants`")
    def delete(self, territory_id: UUID) -> None:
        """Give up a territory that is empty"""
        with transaction() as (session, actor):
            require_version(service.get_territory(session, actor, territory_id, lock=True).version)
            service.delete_territory(session, actor, territory_id, now=utc_now())


@territories_blp.route("/<uuid:territory_id>/members")
class TerritoryMembersView(MethodView):
    @territories_blp.allow(*EVERYBODY)
    @territories_blp.arguments(PageQuery, location="query")
    @territories_blp.response(200, TerritoryMemberPageSchema)
    def get(self, args: dict[str, Any], territory_id: UUID) -> dict[str, Any]:
        """List who works, worked and will work a territory"""
        with transaction() as (session, actor):
            found = service.list_members(session, actor, territory_id)
            return page(session, found, model=TerritoryMember, sortable=MEMBERS_SORT, args=args)

    @territories_blp.allow(Role.ADMIN)
    @territories_blp.arguments(TerritoryMemberSchema)
    @territories_blp.response(201, TerritoryMemberSchema)
    @territories_blp.alt_response(409, description="`id_taken`, `territory.member_taken`")
    def post(self, values: dict[str, Any], territory_id: UUID) -> TerritoryMember:
        """Let a person work a territory"""
        with transaction() as (session, actor):
            member = service.add_member(session, actor, territory_id, values, now=utc_now())
            set_version(member.version)
            return member


@territories_blp.route("/<uuid:territory_id>/members/<uuid:member_id>")
class TerritoryMemberView(MethodView):
    @territories_blp.allow(*EVERYBODY)
    @territories_blp.etag
    @territories_blp.response(200, TerritoryMemberSchema)
    def get(self, territory_id: UUID, member_id: UUID) -> TerritoryMember:
        """Show a membership"""
        with transaction() as (session, actor):
            member = service.get_member(session, actor, territory_id, member_id)
            set_version(member.version)
            return member

    @territories_blp.allow(Role.ADMIN)
    @territories_blp.etag
    @territories_blp.arguments(TerritoryMemberPatchSchema)
    @territories_blp.response(200, TerritoryMemberSchema)
    @territories_blp.alt_response(409, description="`territory.member_taken`")
    def patch(self, changes: dict[str, Any], territory_id: UUID, member_id: UUID) -> TerritoryMember:
        """Change the kind or the days of a membership"""
        with transaction() as (session, actor):
            member = service.get_member(session, actor, territory_id, member_id, lock=True)
            require_version(member.version)
            member = service.update_member(session, actor, territory_id, member_id, changes, now=utc_now())
            set_version(member.version)
            return member

    @territories_blp.allow(Role.ADMIN)
    @territories_blp.etag
    @territories_blp.response(204)
    def delete(self, territory_id: UUID, member_id: UUID) -> None:
        """Take back a membership that was a mistake"""
        with transaction() as (session, actor):
            member = service.get_member(session, actor, territory_id, member_id, lock=True)
            require_version(member.version)
            service.remove_member(session, actor, territory_id, member_id, now=utc_now())


@delegations_blp.route("")
class DelegationsView(MethodView):
    @delegations_blp.allow(*EVERYBODY)
    @delegations_blp.arguments(DelegationQuery, location="query")
    @delegations_blp.response(200, DelegationPageSchema)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """List who stands in for whom: your own, for managers also the team's"""
        with transaction() as (session, actor):
            found = service.list_delegations(session, actor, args.get("user_id"))
            return page(session, found, model=Delegation, sortable=DELEGATIONS_SORT, args=args)

    @delegations_blp.allow(*EVERYBODY)
    @delegations_blp.arguments(DelegationSchema)
    @delegations_blp.response(201, DelegationSchema)
    @delegations_blp.alt_response(409, description="`id_taken`, `delegation.taken`, `delegation.cycle`")
    def post(self, values: dict[str, Any]) -> Delegation:
        """Let somebody stand in for you, or for one of your team"""
        with transaction() as (session, actor):
            made = service.create_delegation(session, actor, values, now=utc_now())
            set_version(made.version)
            return made


@delegations_blp.route("/<uuid:delegation_id>")
class DelegationView(MethodView):
    @delegations_blp.allow(*EVERYBODY)
    @delegations_blp.etag
    @delegations_blp.response(200, DelegationSchema)
    def get(self, delegation_id: UUID) -> Delegation:
        """Show a delegation"""
        with transaction() as (session, actor):
            found = service.get_delegation(session, actor, delegation_id)
            set_version(found.version)
            return found

    @delegations_blp.allow(*EVERYBODY)
    @delegations_blp.etag
    @delegations_blp.arguments(DelegationPatchSchema)
    @delegations_blp.response(200, DelegationSchema)
    @delegations_blp.alt_response(409, description="`delegation.taken`, `delegation.cycle`")
    def patch(self, changes: dict[str, Any], delegation_id: UUID) -> Delegation:
        """Change the days of a delegation"""
        with transaction() as (session, actor):
            require_version(service.get_delegation(session, actor, delegation_id, lock=True).version)
            found = service.update_delegation(session, actor, delegation_id, changes, now=utc_now())
            set_version(found.version)
            return found

    @delegations_blp.allow(*EVERYBODY)
    @delegations_blp.etag
    @delegations_blp.response(204)
    def delete(self, delegation_id: UUID) -> None:
        """Take a delegation back; it ends at once"""
        with transaction() as (session, actor):
            require_version(service.get_delegation(session, actor, delegation_id, lock=True).version)
            service.delete_delegation(session, actor, delegation_id, now=utc_now())


def tokens(signed_in: service.SignedIn) -> dict[str, Any]:
    """The body of a login or refresh."""
    config, now = services().config, utc_now()
    issue = issue_farewell_token if signed_in.farewell else issue_access_token
    return {
        "access_token": issue(config, signed_in.tenant_id, signed_in.user_id, signed_in.device_id, now),
        "token_type": "Bearer",
        "expires_in": FAREWELL_S if signed_in.farewell else config.access_token_s,
        "refresh_token": signed_in.refresh_token,
        "refresh_expires_at": signed_in.refresh_expires_at,
        "tenant_id": signed_in.tenant_id,
        "user_id": signed_in.user_id,
        "device_id": signed_in.device_id,
        "must_change_password": signed_in.must_change_password,
        "farewell": signed_in.farewell,
    }
