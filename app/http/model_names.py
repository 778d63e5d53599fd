"""Names of the schemas in the API document, which become the model names of the SDKs.

A class is named well enough inside its room (``HitSchema`` of search); in an SDK all rooms stand side by side, beside
the names of Swift, Kotlin and the browser (``Range``, ``Task``, ``Node``), so that such a class has another name here.
"""

import itertools
from typing import Any

import marshmallow as ma

NO_ARGUMENTS = "NoArguments"

MODEL_NAMES = {
    "accounts.AccountContact": "BuyingRole",
    "accounts.AccountContactCreate": "BuyingRoleCreate",
    "accounts.AccountsMove": "AccountBulkMove",
    "accounts.AccountsMoved": "AccountBulkMoveResult",
    "activity.Notification": "UserNotification",
    "activity.Task": "FieldTask",
    "activity.TaskCreate": "FieldTaskCreate",
    "approvals.Approval": "ApprovalRequest",
    "approvals.Decision": "ApprovalDecision",
    "approvals.Forward": "ApprovalForward",
    "approvals.Holiday": "CompanyHoliday",
    "approvals.HolidayCreate": "CompanyHolidayCreate",
    "approvals.Level": "ApprovalLevel",
    "approvals.Policy": "ApprovalPolicy",
    "approvals.PolicyCreate": "ApprovalPolicyCreate",
    "approvals.Refusal": "ApprovalRefusal",
    "catalog.Cost": "ProductCost",
    "catalog.Floor": "PriceFloor",
    "catalog.PriceRow": "PriceImportRow",
    "catalog.PriceTaken": "PriceImportRowResult",
    "catalog.PriceWrite": "Price",
    "catalog.PricesTaken": "PriceImportResult",
    "devices.Alarm": "SyncAlarm",
    "devices.Epoch": "SyncEpoch",
    "devices.Epochs": "SyncEpochList",
    "devices.Quarantine": "QuarantinedRecord",
    "devices.Settings": "SyncSettings",
    "devices.Trace": "SyncTrace",
    "devices.Traces": "SyncTraceList",
    "erp.Delivered": "ErpDeliveryResult",
    "erp.Delivery": "ErpDelivery",
    "erp.RowError": "ErpRowError",
    "erp.Taken": "ErpRowResult",
    "history.Entry": "HistoryEntry",
    "history.FieldChange": "HistoryFieldChange",
    "history.Rejection": "RejectedMutation",
    "identity.Device": "RegisteredDevice",
    "identity.NewUser": "UserCreate",
    "identity.Permissions": "UserPermissions",
    "identity.Refresh": "TokenRefresh",
    "inbox.Resolution": "ConflictResolution",
    "knowledge.Answer": "DiagnosisAnswer",
    "knowledge.AnswerQuestion": "ExpertQuestionAnswer",
    "knowledge.ArticleChange": "Article",
    "knowledge.Audience": "ArticleAudience",
    "knowledge.Decline": "ArticleProposalRefusal",
    "knowledge.DiagnosisRunChange": "DiagnosisRun",
    "knowledge.DiagnosisTreeChange": "DiagnosisTree",
    "knowledge.Diff": "ArticleVersionDiff",
    "knowledge.Due": "ArticleDueForReview",
    "knowledge.Html": "ArticleVersionHtml",
    "knowledge.Node": "DiagnosisNode",
    "knowledge.PackBudgets": "KnowledgePackBudgets",
    "knowledge.Part": "SparePart",
    "knowledge.Problem": "DiagnosisTreeProblem",
    "knowledge.Problems": "DiagnosisTreeProblemList",
    "knowledge.ProductView": "Product360",
    "knowledge.Promote": "NotePromotion",
    "knowledge.Promoted": "PromotedDraft",
    "knowledge.Publish": "Publication",
    "knowledge.Queue": "EditorQueue",
    "knowledge.Remedies": "DiagnosisRemedyList",
    "knowledge.Remedy": "DiagnosisRemedy",
    "knowledge.Report": "KnowledgeReport",
    "knowledge.Step": "DiagnosisStep",
    "knowledge.TreeVersion": "DiagnosisTreeVersion",
    "knowledge.TreeVersionChange": "DiagnosisTreeVersion",
    "knowledge.TreeVersionCreate": "DiagnosisTreeVersionCreate",
    "knowledge.Unread": "UnreadNotice",
    "knowledge.Version": "ArticleVersionForEditors",
    "knowledge.VersionChange": "ArticleVersion",
    "knowledge.VersionCreate": "ArticleVersionCreate",
    "knowledge.Waiting": "EditorQueueItem",
    "knowledge.WaitingCount": "EditorQueueCount",
    "knowledge.Withdraw": "Withdrawal",
    "orders.Comment": "OrderComment",
    "orders.Counted": "StockCountResult",
    "orders.DiscountLimitChange": "DiscountLimitPatch",
    "orders.InspectedLine": "ReturnInspectionLine",
    "orders.Inspection": "ReturnInspection",
    "orders.Margin": "OrderMargin",
    "orders.Place": "DeliveryPlace",
    "orders.Price": "OrderPrice",
    "orders.Proof": "DeliveryProof",
    "orders.Reason": "OrderReason",
    "orders.Settings": "OrderSettings",
    "orders.ShownLine": "ShownOrderLine",
    "orders.ShownPrice": "ShownOrderPrice",
    "orders.Stock": "StockLevel",
    "orders.Submit": "OrderSubmission",
    "receivables.Allocate": "PaymentAllocations",
    "receivables.Allocation": "PaymentAllocation",
    "receivables.CollectPayment": "PaymentCollection",
    "receivables.Confirm": "PaymentConfirmation",
    "receivables.Credit": "AccountCredit",
    "receivables.Reason": "ReceivablesReason",
    "receivables.Totals": "ReceivablesTotals",
    "search.Asked": "SearchedText",
    "search.Found": "SearchResult",
    "search.Hit": "SearchHit",
    "search.Range": "HighlightRange",
    "search.Report": "SearchReport",
    "search.Suggested": "SearchSuggestions",
    "sync_api.Because": "SyncExplanationReason",
    "sync_api.Budget": "SyncBudget",
    "sync_api.Change": "SyncChange",
    "sync_api.Changes": "WatermelonPullAnswer",
    "sync_api.Checkpoint": "RxdbCheckpoint",
    "sync_api.Client": "SyncClient",
    "sync_api.Digest": "SyncDigest",
    "sync_api.ExplainedDevice": "SyncExplanationDevice",
    "sync_api.Explanation": "SyncExplanation",
    "sync_api.Mutation": "SyncMutation",
    "sync_api.PullAnswer": "RxdbPullAnswer",
    "sync_api.PushRow": "RxdbPushRow",
    "sync_api.Pushed": "WatermelonPushAnswer",
    "sync_api.Removed": "SyncRemoval",
    "sync_api.Repair": "SyncRepair",
    "sync_api.RepairAnswer": "SyncRepairAnswer",
    "sync_api.SchemaDocument": "SyncSchema",
    "sync_api.SyncBody": "SyncRequest",
    "sync_api.Tables": "WatermelonSchema",
    "sync_api.Verdict": "SyncVerdict",
    "visits.Cancel": "VisitCancellation",
    "visits.Fix": "LocationFix",
    "visits.Flag": "VisitFlag",
    "visits.Presence": "VisitPresence",
    "visits.Reassign": "VisitReassignment",
    "visits.Reschedule": "VisitReschedule",
    "visits.Verify": "VisitVerification",
    "webhooks.Delivery": "WebhookDelivery",
    "webhooks.Replay": "WebhookReplay",
    "webhooks.Replayed": "WebhookReplayResult",
}


class SchemaNames:
    """Names schemas in one document: by class and how it was narrowed; two rooms' namesakes by room."""

    def __init__(self) -> None:
        self._owners: dict[str, tuple[Any, ...]] = {}

    def __call__(self, schema: Any) -> str:
        """The name of a schema class or instance, the same at each call."""
        made = schema if isinstance(schema, ma.Schema) else schema()
        room = type(made).__module__.removeprefix("app.").split(".")[0]
        name = model_name(room, type(made).__name__.removesuffix("Schema"))
        if not made.fields:  # commands that take nothing; app.http.finishing makes one of all rooms'
            name = NO_ARGUMENTS
        if made.partial and not name.endswith("Patch"):
            name += "Patch"
        key = (type(made), bool(made.partial), tuple(made.fields))
        narrowed = name + "Part" if made.only or made.exclude else name
        own = room.title().replace("_", "") + name
        tries = itertools.chain((name, narrowed, own), (f"{own}{n}" for n in itertools.count(2)))
        return next(found for found in tries if self._owners.setdefault(found, key) == key)


def model_name(room: str, name: str) -> str:
    """The name of a class of *room*; a page is named after what stands on it."""
    if name.endswith("Page") and f"{room}.{name}" not in MODEL_NAMES:
        return model_name(room, name.removesuffix("Page")) + "Page"
    return MODEL_NAMES.get(f"{room}.{name}", name)
