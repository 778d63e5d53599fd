"""Every synced entity in one visible place: policy + schema + service verbs."""

from app.accounts import schemas as account_schemas
from app.accounts import service as accounts
from app.accounts import sync as account_sync
from app.activity import schemas as activity_schemas
from app.activity import service as activity
from app.activity import sync as activity_sync
from app.approvals import schemas as approval_schemas
from app.approvals import service as approvals
from app.approvals import sync as approval_sync
from app.catalog import schemas as catalog_schemas
from app.catalog import service as catalog
from app.catalog import sync as catalog_sync
from app.identity import schemas as identity_schemas
from app.identity import service as identity
from app.identity import sync as identity_sync
from app.inbox import schemas as inbox_schemas
from app.inbox import service as inbox
from app.inbox import sync as inbox_sync
from app.knowledge import schemas as knowledge_schemas
from app.knowledge import service as knowledge
from app.knowledge import sync as knowledge_sync
from app.orders import schemas as order_schemas
from app.orders import service as orders
from app.orders import sync as order_sync
from app.receivables import schemas as receivable_schemas
from app.receivables import service as receivables
from app.receivables import sync as receivable_sync
from app.search import schemas as search_schemas
from app.search import service as search
from app.search import sync as search_sync
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
    Synced(catalog_sync.CURRENCY, catalog_schemas.CurrencySchema, catalog.CURRENCIES.list),
    Synced(catalog_sync.TAX_CODE, catalog_schemas.TaxCodeSchema, catalog.TAX_CODES.list),
    Synced(catalog_sync.PRODUCT, catalog_schemas.ProductSchema, catalog.PRODUCTS.list),
    Synced(catalog_sync.PRICE_LIST, catalog_schemas.PriceListSchema, catalog.PRICE_LISTS.list),
    Synced(
        catalog_sync.PRICE_LIST_ASSIGNMENT,
        catalog_schemas.PriceListAssignmentSchema,
        catalog.ASSIGNMENTS.list,
    ),
    Synced(catalog_sync.PRICE, catalog_schemas.PriceSchema, catalog.PRICES.list),
    Synced(catalog_sync.PROMOTION, catalog_schemas.PromotionSchema, catalog.PROMOTIONS.list),
    Synced(
        catalog_sync.PROMOTION_ACCOUNT,
        catalog_schemas.PromotionAccountSchema,
        catalog.PROMOTION_ACCOUNTS.list,
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
        }
        | {"collect_payment": (receivables.collect_payment, receivable_schemas.CollectPaymentSchema)},
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
    Synced(receivable_sync.INVOICE, receivable_schemas.InvoiceSchema, receivables.list_invoices),
    Synced(receivable_sync.PAYMENT, receivable_schemas.PaymentSchema, receivables.list_payments),
    Synced(
        receivable_sync.ACCOUNT_BALANCE,
        receivable_schemas.AccountBalanceSchema,
        receivables.list_account_balances,
    ),
    Synced(
        activity_sync.NOTIFICATION,
        activity_schemas.NotificationSchema,
        activity.list_notifications,
        commands={"mark_read": (activity.mark_read, activity_schemas.NoArgsSchema)},
    ),
    Synced(knowledge_sync.ARTICLE, knowledge_schemas.ArticleSchema, knowledge.list_articles),
    Synced(
        knowledge_sync.ARTICLE_VERSION,
        knowledge_schemas.ArticleVersionSchema,
        knowledge.list_versions,
        commands={"acknowledge": (knowledge.acknowledge, knowledge_schemas.NoArgsSchema)},
    ),
    Synced(knowledge_sync.ARTICLE_RECEIPT, knowledge_schemas.ArticleReceiptSchema, knowledge.list_receipts),
    Synced(knowledge_sync.KNOWLEDGE_PACK, knowledge_schemas.KnowledgePackSchema, knowledge.list_packs),
    Synced(knowledge_sync.DIAGNOSIS_TREE, knowledge_schemas.DiagnosisTreeSchema, knowledge.list_trees),
    Synced(knowledge_sync.TREE_VERSION, knowledge_schemas.TreeVersionSchema, knowledge.list_tree_versions),
    Synced(
        knowledge_sync.DIAGNOSIS_RUN,
        knowledge_schemas.DiagnosisRunSchema,
        knowledge.list_runs,
        knowledge.create_run,
        knowledge.update_run,
        masked=knowledge.masked_fields,
        moment="ran_at",
    ),
    Synced(
        knowledge_sync.ARTICLE_FEEDBACK,
        knowledge_schemas.ArticleFeedbackSchema,
        knowledge.list_feedback,
        knowledge.give_feedback,
        masked=knowledge.masked_fields,
        moment="given_at",
    ),
    Synced(
        knowledge_sync.ARTICLE_PROPOSAL,
        knowledge_schemas.ArticleProposalSchema,
        knowledge.list_proposals,
        knowledge.propose,
        masked=knowledge.masked_fields,
        moment="proposed_at",
    ),
    Synced(
        knowledge_sync.EXPERT_QUESTION,
        knowledge_schemas.ExpertQuestionSchema,
        knowledge.list_questions,
        knowledge.ask,
        masked=knowledge.masked_fields,
        moment="asked_at",
    ),
    Synced(
        knowledge_sync.ARTICLE_USE,
        knowledge_schemas.ArticleUseSchema,
        knowledge.list_uses,
        knowledge.note_use,
        moment="used_at",
    ),
    Synced(
        approval_sync.APPROVAL,
        approval_schemas.ApprovalSchema,
        approvals.list_requests,
        commands={
            name: (approvals.COMMANDS[name], schema)
            for name, schema in approval_schemas.COMMAND_SCHEMAS.items()
        },
    ),
    Synced(order_sync.WAREHOUSE, order_schemas.WarehouseSchema, orders.list_warehouses),
    Synced(order_sync.DISCOUNT_LIMIT, order_schemas.DiscountLimitSchema, orders.list_discount_limits),
    Synced(
        order_sync.ORDER,
        order_schemas.OrderSchema,
        orders.list_orders,
        orders.create_order,
        orders.update_order,
        orders.delete_order,
        commands={
            name: (orders.COMMANDS[name], schema) for name, schema in order_schemas.COMMAND_SCHEMAS.items()
        },
        masked=orders.masked_fields,
        creation=order_schemas.OrderCreateSchema,
        takes_at=True,
    ),
    Synced(
        order_sync.SHIPMENT,
        order_schemas.ShipmentSchema,
        orders.list_shipments,
        commands={
            name: (orders.SHIPMENT_COMMANDS[name], schema)
            for name, schema in order_schemas.SHIPMENT_COMMAND_SCHEMAS.items()
        },
    ),
    Synced(
        order_sync.ORDER_RETURN,
        order_schemas.OrderReturnSchema,
        orders.list_order_returns,
        orders.create_order_return,
        commands={
            name: (orders.RETURN_COMMANDS[name], schema)
            for name, schema in order_schemas.RETURN_COMMAND_SCHEMAS.items()
        },
        masked=orders.masked_fields,
        creation=order_schemas.OrderReturnCreateSchema,
    ),
    Synced(search_sync.SYNONYM_GROUP, search_schemas.SynonymGroupSchema, search.list_synonym_groups),
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
