"""Who can log in to the company that ``make demo`` has made on this machine."""

from app.cli.installation import find_installation
from app.config import ConfigInvalid
from app.demo.world import CAST, password_for
from localpg import LocalPostgresError

COMPANY = "demo"


def logins() -> list[tuple[str, str, str]]:
    """Login, role and password of each; none where this machine's demo does not run."""
    try:
        config = find_installation().config
    except (ConfigInvalid, LocalPostgresError):
        return []
    return [(one.login, one.role.value, password_for(config, f"{COMPANY}:{one.login}")) for one in CAST]
