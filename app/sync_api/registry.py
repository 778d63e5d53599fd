"""Every synced entity in one visible place: policy + schema + service verbs."""

from app.accounts import schemas as account_schemas
from app.accounts import service as accounts
from app.accounts import sync as account_sync
from app.activity import schemas as activity_schemas
from app.activity import service as activity
from app.activity import sync as activity_sync
from app.identity import schemas as identity_schemas
from app.identity import service as identity
from app.identity import sync as identity_sync
from app.inbox import schemas as inbox_schemas
from app.inbox import service as inbox
from app.inbox import sync as inbox_sync
from app.sync_api.synced import Many, Synced
from app.visits import schemas as visit_schemas
from app.visits import service as visits
from app.visits import sync as visit_sync
from sync.registry import Registry

# In the order in which the sequencer renders them: parents before children, the inbox last.
SYNCED = (
    Synced(identity_sync.USER, identity_schemas.UserSchema, identity.list_users),
    Synced(identity_sync.TERRITORY, identity_schemas.TerritorySchema, identity.list_territories),
    Synced(
        account_sync.ACCOUNT,
        account_schemas.AccountSchema,
        accounts.list_accounts,
        accounts.create_account,
        accounts.update_account,
        accounts.delete_account,
        Many(
            accounts.update_accounts,
            accounts.update_account,
            accounts.BOUND_FIELDS,
            accounts.hold_account,
            accounts.held_account,
        ),
        masked=accounts.masked_fields,
    ),
    Synced(
        account_sync.SITE,
        account_schemas.SiteSchema,
        accounts.list_sites,
        accounts.create_site,
        accounts.update_site,
        accounts.delete_site,
        Many(
            accounts.update_sites,
            accounts.update_site,
            accounts.CHILD_BOUND_FIELDS,
            accounts.hold_site,
            accounts.held_site,
        ),
        masked=accounts.masked_fields,
    ),
    Synced(
        account_sync.CONTACT,
        account_schemas.ContactSchema,
        accounts.list_contacts,
        accounts.create_contact,
        accounts.update_contact,
        accounts.delete_contact,
        Many(
            accounts.update_contacts,
            accounts.update_contact,
            accounts.CHILD_BOUND_FIELDS,
            accounts.hold_contact,
            accounts.held_contact,
        ),
        masked=accounts.masked_fields,
    ),
    Synced(
        account_sync.ACCOUNT_RELATION,
        account_schemas.AccountRelationSchema,
        accounts.list_account_relations,
        accounts.create_account_relation,
        accounts.update_account_relation,
        accounts.delete_account_relation,
    ),
    Synced(
        account_sync.ACCOUNT_CONTACT,
        account_schemas.AccountContactSchema,
        accounts.list_account_contacts,
        accounts.create_account_contact,
        accounts.update_account_contact,
        accounts.delete_account_contact,
    ),
    Synced(
        visit_sync.VISIT,
        visit_schemas.VisitSchema,
        visits.list_visits,
        visits.create_visit,
        visits.update_visit,
        visits.delete_visit,
        commands={
            name: (getattr(visits, name), schema) for name, schema in visit_schemas.COMMAND_SCHEMAS.items()
        },
        masked=visits.masked_fields,
        creation=visit_schemas.VisitCreateSchema,
        takes_at=True,
    ),
    Synced(
        activity_sync.ACTIVITY,
        activity_schemas.ActivitySchema,
        activity.list_activities,
        activity.create_activity,
        masked=activity.masked_fields,
        moment="happened_at",
    ),
    Synced(
        activity_sync.TASK,
        activity_schemas.TaskSchema,
        activity.list_tasks,
        activity.create_task,
        activity.update_task,
        activity.delete_task,
        commands={
            name: (getattr(activity, name), schema)
            for name, schema in activity_schemas.COMMAND_SCHEMAS.items()
        },
        masked=activity.masked_fields,
    ),
    Synced(
        inbox_sync.CONFLICT,
        inbox_schemas.ConflictSchema,
        inbox.list_conflicts,
        commands={"resolve": (inbox.resolve_conflict, inbox_schemas.ResolutionSchema)},
        shown=inbox.list_shown_conflicts,
    ),
)

BY_NAME = {one.policy.name: one for one in SYNCED}

REGISTRY = Registry.of((one.policy for one in SYNCED), identity_sync.SUBSCRIPTIONS_NOW_SQL)
