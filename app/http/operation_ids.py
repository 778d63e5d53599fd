"""Names of the operations, which become the method names of the SDKs: ``listAccounts``, ``checkInVisit``."""

import re
from typing import Any

API = "/api/v1/"
VERBS = {"get": "get", "post": "create", "put": "replace", "patch": "update", "delete": "delete"}

# Nouns that the last segment of a path does not say by itself, by the path without its parameters.
NOUNS = {
    "approvals": "approvalRequest",
    "conflicts": "conflict",
    "knowledge/articles": "article",
    "knowledge/feedback": "articleFeedback",
    "knowledge/proposals": "articleProposal",
    "knowledge/questions": "expertQuestion",
    "knowledge/runs": "diagnosisRun",
    "knowledge/tree-versions": "diagnosisTreeVersion",
    "knowledge/trees": "diagnosisTree",
    "knowledge/uses": "articleUse",
    "knowledge/versions": "articleVersion",
    "search/synonyms": "synonymGroup",
    "territories/members": "territoryMember",
}
PLURALS = {"articleFeedback": "articleFeedback", "stock": "stock"}

# Where the rules below would speak badly.
SPECIAL = {
    "POST auth/login": "login",
    "POST auth/refresh": "refreshTokens",
    "POST auth/logout": "logout",
    "GET auth/me": "getMe",
    "POST auth/password": "changePassword",
    "GET devices/trace": "getDeviceTrace",
    "POST users/disablement": "disableUser",
    "POST users/password-reset": "resetUserPassword",
    "PUT users/permission-sets": "setUserPermissionSets",
    "POST territories/members": "addTerritoryMember",
    "DELETE territories/members": "removeTerritoryMember",
    "PATCH sync/settings": "updateSyncSettings",
    "GET sync/alarms": "listSyncAlarms",
    "GET sync/quarantine": "listQuarantinedRecords",
    "GET sync/epochs": "listSyncEpochs",
    "POST webhooks/rotate-secret": "rotateWebhookSecret",
    "POST webhooks/replay": "replayWebhook",
    "POST accounts/moves": "moveManyAccounts",
    "POST prices/import": "importPrices",
    "GET prices/floors": "listPriceFloors",
    "POST products/cost": "setProductCost",
    "POST exchange-rates": "setExchangeRate",
    "POST visits/start-travel": "startTravelToVisit",
    "POST visits/check-in": "checkInAtVisit",
    "POST visits/check-out": "checkOutOfVisit",
    "POST visits/collect-payment": "collectPaymentAtVisit",
    "POST notifications/mark-read": "markNotificationRead",
    "GET accounts/timeline": "listAccountTimeline",
    "GET receivables/totals": "getReceivablesTotals",
    "POST accounts/credit/hold": "holdAccountCredit",
    "POST accounts/credit/release": "releaseAccountCredit",
    "POST accounts/credit/request-release": "requestAccountCreditRelease",
    "POST payments/allocate": "allocatePayment",
    "POST orders/request-release": "requestOrderRelease",
    "POST orders/close-remaining": "closeRemainingOrder",
    "GET order-settings": "getOrderSettings",
    "PATCH order-settings": "updateOrderSettings",
    "GET stock": "listStock",
    "POST stock": "recordStockCount",
    "POST erp/orders": "deliverErpOrders",
    "POST erp/shipments": "deliverErpShipments",
    "POST erp/invoices": "deliverErpInvoices",
    "POST erp/payments": "deliverErpPayments",
    "POST erp/stock": "deliverErpStock",
    "GET knowledge/articles/keeping": "getArticleKeeping",
    "GET knowledge/articles/text": "readArticle",
    "POST knowledge/articles/versions": "createNextArticleVersion",
    "GET knowledge/versions/html": "getArticleVersionHtml",
    "GET knowledge/versions/diff": "compareArticleVersions",
    "POST knowledge/versions/submit-for-review": "submitArticleVersionForReview",
    "POST knowledge/tree-versions/submit-for-review": "submitDiagnosisTreeVersionForReview",
    "GET knowledge/tree-versions/problems": "listDiagnosisTreeVersionProblems",
    "GET knowledge/trees/keeping": "getDiagnosisTreeKeeping",
    "GET knowledge/trees/remedies": "listDiagnosisTreeRemedies",
    "GET knowledge/receipts": "listArticleReceipts",
    "GET knowledge/unread": "listUnreadNotices",
    "GET knowledge/packs": "listKnowledgePacks",
    "GET knowledge/pack-budgets": "getKnowledgePackBudgets",
    "POST knowledge/pack-budgets": "setKnowledgePackBudgets",
    "GET knowledge/queue": "getEditorQueue",
    "GET knowledge/due": "listArticlesDueForReview",
    "GET knowledge/report": "getKnowledgeReport",
    "GET products/360": "getProduct360",
    "POST knowledge/questions/answer": "answerExpertQuestion",
    "POST knowledge/questions/publish": "publishExpertQuestion",
    "POST knowledge/promote": "promoteNoteToArticle",
    "GET search": "search",
    "GET search/suggest": "suggestSearch",
    "GET search/report": "getSearchReport",
    "POST sync": "sync",
    "GET sync/schema": "getSyncSchema",
    "POST conflicts/resolution": "resolveConflict",
    "GET accounts/history": "listAccountHistory",
    "GET rejections": "listRejections",
    "GET sync/rxdb/pull": "pullRxdb",
    "POST sync/rxdb/push": "pushRxdb",
    "GET sync/digest": "getSyncDigest",
    "POST sync/repair": "repairSync",
    "GET sync/explain": "explainSyncRecord",
    "GET sync/watermelon": "pullWatermelon",
    "POST sync/watermelon": "pushWatermelon",
    "GET sync/watermelon/schema": "getWatermelonSchema",
    "GET sync/events": "listenToSyncEvents",
    "GET sync/rxdb/events": "listenToRxdbEvents",
}


def operation_id(method: str, path: str, operation: dict[str, Any]) -> str:
    """The name of an operation, by its form and, where that speaks badly, from ``SPECIAL``."""
    steps = path.removeprefix(API).split("/")
    words = [step for step in steps if not step.startswith("{")]
    special = SPECIAL.get(f"{method.upper()} {'/'.join(words)}")
    if special:
        return special
    if steps[-1].startswith("{"):
        return _joined(VERBS[method], _noun(words))
    if method == "get":
        return (
            _joined("list", _plural(_owned(steps))) if _is_list(operation) else _joined("get", _said(steps))
        )
    if (
        method == "post"
        and len(steps) > 1
        and steps[-2].startswith("{")
        and "201" not in _statuses(operation)
    ):
        return _joined(_camel(words[-1]), _noun(words[:-1]))
    return _joined(VERBS[method], _owned(steps))


def _is_list(operation: dict[str, Any]) -> bool:
    answer = operation["responses"].get("200", operation["responses"].get(200, {}))
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith("Page")


def _statuses(operation: dict[str, Any]) -> set[str]:
    return {str(status) for status in operation["responses"]}


def _owned(steps: list[str]) -> str:
    """The noun of a collection, with its owner's before it: ``accountSite``."""
    words = [step for step in steps if not step.startswith("{")]
    if len(steps) > 2 and steps[-2].startswith("{"):
        return _joined(_noun(words[:-1]), _singular(_camel(words[-1])))
    return _noun(words)


def _said(steps: list[str]) -> str:
    """The noun of what is only one: ``orderPrice``."""
    words = [step for step in steps if not step.startswith("{")]
    if len(steps) > 2 and steps[-2].startswith("{"):
        return _joined(_noun(words[:-1]), _camel(words[-1]))
    return _camel("-".join(words))


def _noun(words: list[str]) -> str:
    return NOUNS.get("/".join(words)) or _singular(_camel(words[-1]))


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("houses") or not word.endswith(("ses", "xes")):
        return word.removesuffix("s") if not word.endswith("ss") else word
    return word[:-2] if not word.endswith("ases") else word[:-1]


def _plural(word: str) -> str:
    if word in PLURALS:
        return PLURALS[word]
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _camel(word: str) -> str:
    first, *rest = re.split(r"[-_.]", word)
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _joined(verb: str, noun: str) -> str:
    return verb + noun[:1].upper() + noun[1:]
