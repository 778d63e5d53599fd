"""What phones hold of searching: the synonyms of their class, to read only."""

from sync.policy import ALL_CLASSES, Kind, Priority, SyncEntity, read_only

# One shape a class, all of the same fields: whom a group is for is said by the shapes it is rendered in.
SYNONYM_GROUP = SyncEntity(
    "synonym_group",
    table="search_synonyms",
    fields={
        "words": read_only(Kind.TEXTS),
        "audience": read_only(Kind.TEXTS),
        "meaning": read_only(),
    },
    shapes=ALL_CLASSES,
    buckets="""
        SELECT DISTINCT s.id AS record_id, 'tenant' AS bucket, audience.shape
        FROM search_synonyms s, unnest(s.audience) AS audience (shape)
        WHERE s.tenant_id = :tenant AND s.id = ANY(:ids) AND s.deleted_at IS NULL
    """,
    priority=Priority.KNOWLEDGE,
    account_field=None,
    pushable=False,
)

ENTITIES = (SYNONYM_GROUP,)
