"""What can go wrong with people, sessions and territories."""

from app.core.errors import Conflict, Forbidden, RuleViolation, TooManyRequests, Unauthenticated


class LoginFailed(Unauthenticated):
    """Tenant, login or password is wrong; which of them is not told."""

    code = "auth.login_failed"


class TooManyLoginTries(TooManyRequests):
    """Too many failed tries of one login or from one address. ``details``: ``retry_after_s``."""

    code = "auth.too_many_tries"


class UserDisabled(Unauthenticated):
    """The account of this person was closed."""

    code = "auth.user_disabled"


class DeviceRevoked(Unauthenticated):
    """This device was locked out."""

    code = "auth.device_revoked"


class SessionEnded(Unauthenticated):
    """The session was ended: logged out, or the password was changed elsewhere.

    ``details``: ``directives``, which says ``reauth``: log in again, keep what the phone holds.
    """

    code = "auth.session_ended"

    def __init__(self, message: str = "") -> None:
        """Say what a phone is to do."""
        super().__init__(message, directives=["reauth"])


class RefreshInvalid(Unauthenticated):
    """The refresh token is none of ours, or is not known any more."""

    code = "auth.refresh_invalid"


class RefreshExpired(Unauthenticated):
    """The refresh token was not used for too long."""

    code = "auth.refresh_expired"


class RefreshReused(Unauthenticated):
    """A refresh token came a second time, so somebody else may hold it; the session was ended."""

    code = "auth.refresh_reused"


class PasswordChangeDue(Forbidden):
    """A one-time password only buys the right to choose one's own."""

    code = "auth.password_change_due"


class PasswordWrong(RuleViolation):
    """The present password, asked for before a change, is wrong."""

    code = "auth.password_wrong"


class PasswordWeak(RuleViolation):
    """The new password breaks a rule.

    ``details``: ``rule``, one of ``too_short, too_long, too_simple, contains_login, same``.
    """

    code = "auth.password_weak"


class LoginInvalid(RuleViolation):
    """A login is empty or has white space in it."""

    code = "user.login_invalid"


class LoginTaken(Conflict):
    """Another person of the tenant has this login."""

    code = "user.login_taken"


class LastAdmin(Conflict):
    """The tenant's last active administrator cannot be disabled or demoted."""

    code = "user.last_admin"


class ManagerLoop(RuleViolation):
    """A person cannot be, directly or not, their own manager."""

    code = "user.manager_loop"


class CodeTaken(Conflict):
    """Another live record of this kind has the code."""

    code = "identity.code_taken"


class CodeInvalid(RuleViolation):
    """The code has characters or a length that codes may not have."""

    code = "identity.code_invalid"


class TreeLoop(RuleViolation):
    """A unit or territory cannot lie below itself."""

    code = "identity.tree_loop"


class MembershipTaken(Conflict):
    """The person is a member of this kind on some of these days already."""

    code = "territory.member_taken"


class DelegationSelf(RuleViolation):
    """Nobody stands in for themself."""

    code = "delegation.self"


class DelegationUnfit(RuleViolation):
    """Partners and integrations neither stand in for anybody nor are stood in for."""

    code = "delegation.unfit"


class DelegationPast(RuleViolation):
    """A delegation begins today or later, and what has begun keeps its first day."""

    code = "delegation.past"


class DelegationTaken(Conflict):
    """The same person stands in for this work on some of these days already."""

    code = "delegation.taken"


class DelegationCycle(Conflict):
    """On some of these days the person to stand in is stood in for, directly or not, by the other."""

    code = "delegation.cycle"


class DatesReversed(RuleViolation):
    """The last day lies before the first."""

    code = "identity.dates_reversed"


class ZoneUnknown(RuleViolation):
    """No such time zone in the IANA list."""

    code = "identity.zone_unknown"


class TenantUnknown(RuleViolation):
    """No tenant has this code."""

    code = "tenant.unknown"


class ColumnsUnknown(RuleViolation):
    """The head of a staff list lacks a column or has one too many. ``details``: ``missing``, ``unknown``."""

    code = "staff_list.columns_unknown"


class RowInvalid(RuleViolation):
    """A cell of a staff list cannot be used. ``details``: ``column``."""

    code = "staff_list.row_invalid"


class RoleNameInvalid(RuleViolation):
    """A database role cannot have this name."""

    code = "sql_user.name_invalid"


class RoleNameTaken(Conflict):
    """The database cluster has a role of this name."""

    code = "sql_user.name_taken"
