"""What people read for each error code, in Korean and English."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_LOCALE = "en"
LOCALES = ("en", "ko")


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence in each language; ``{names}`` are filled from the error's details."""

    en: str
    ko: str


def text_of(code: str, locale: str = DEFAULT_LOCALE, details: Mapping[str, Any] | None = None) -> str:
    """The sentence for *code* in *locale*, with the details filled in where the sentence names them."""
    message = MESSAGES.get(code) or NOTICES.get(code)
    if message is None:
        return code
    text = message.ko if locale == "ko" else message.en
    return text.format_map(_Details({name: _plain(value) for name, value in (details or {}).items()}))


class _Details(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "…"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | set | frozenset) else str(value)


REQUEST = {
    "request_malformed": Message("The request is malformed.", "요청 형식이 올바르지 않습니다."),
    "request_invalid": Message("The request is malformed.", "요청 형식이 올바르지 않습니다."),
    "request_timeout": Message("The request took too long to arrive.", "요청이 제때 도착하지 않았습니다."),
    "body_empty": Message("A body is needed and there was none.", "본문이 비어 있습니다."),
    "body_not_list": Message("The body must be one JSON list.", "본문은 하나의 JSON 배열이어야 합니다."),
    "body_not_object": Message("The body must be one JSON object.", "본문은 하나의 JSON 객체여야 합니다."),
    "body_too_large": Message(
        "The body is larger than 8 MB, as sent or decompressed.",
        "본문이 8MB를 넘습니다(압축을 푼 크기 포함).",
    ),
    "encoding_invalid": Message(
        "The body is no UTF-8, or its compression is broken.",
        "본문이 UTF-8이 아니거나 압축이 손상되었습니다.",
    ),
    "json_invalid": Message("The body is no valid JSON.", "본문이 올바른 JSON이 아닙니다."),
    "json_duplicate_key": Message("An object has the same key twice.", "한 객체에 같은 키가 두 번 있습니다."),
    "json_too_deep": Message("The JSON is nested too deeply.", "JSON의 중첩이 너무 깊습니다."),
    "number_too_long": Message("A number has too many digits.", "숫자의 자릿수가 너무 많습니다."),
    "number_out_of_range": Message("A number is too large.", "숫자가 너무 큽니다."),
    "limit_exceeded": Message("A limit on size or number was exceeded.", "크기 또는 개수 제한을 넘었습니다."),
    "unsupported_media_type": Message(
        "Send application/json in UTF-8.", "UTF-8 application/json으로 보내십시오."
    ),
    "unsupported_encoding": Message(
        "Only one encoding, gzip or zstd, is taken.", "압축은 gzip 또는 zstd 하나만 쓸 수 있습니다."
    ),
    "uri_too_long": Message("The address is too long.", "주소가 너무 깁니다."),
    "header_too_large": Message("The headers are too large.", "헤더가 너무 큽니다."),
    "length_required": Message("Send the length of the body.", "본문의 길이를 함께 보내십시오."),
    "method_not_allowed": Message(
        "This address does not take that method.", "이 주소에서는 쓸 수 없는 메서드입니다."
    ),
    "not_acceptable": Message(
        "No form of the answer suits the request.", "요청한 형식으로는 답할 수 없습니다."
    ),
    "range_not_satisfiable": Message("There is no such range.", "요청한 범위가 없습니다."),
    "validation_failed": Message("Some fields are not as they must be.", "올바르지 않은 항목이 있습니다."),
    "checkpoint_invalid": Message(
        "This checkpoint is none that the server gave.", "서버가 준 체크포인트가 아닙니다."
    ),
    "cursor_invalid": Message(
        "The cursor is not one that this list gave you.", "이 목록에서 발급한 커서가 아닙니다."
    ),
    "sort_not_allowed": Message(
        "The list cannot be sorted like that; possible: {allowed}.",
        "그렇게 정렬할 수 없습니다. 가능한 항목: {allowed}",
    ),
    "version_required": Message(
        "Send If-Match with the version that you read.", "읽은 버전을 If-Match로 보내십시오."
    ),
    "events_elsewhere": Message(
        "Pings are given on another address; the sync answer names it.",
        "알림은 다른 주소에서 받습니다. 동기화 응답에 그 주소가 있습니다.",
    ),
    "internal_error": Message(
        "Something went wrong on our side; the request id helps us to find it.",
        "서버에서 문제가 생겼습니다. 요청 번호를 알려 주시면 찾을 수 있습니다.",
    ),
}

GENERAL = {
    "error": Message("This is not possible.", "처리할 수 없습니다."),
    "unauthenticated": Message("Please log in.", "로그인이 필요합니다."),
    "token_expired": Message("The access token has run out.", "접속 토큰이 만료되었습니다."),
    "token_invalid": Message("The access token is not valid.", "접속 토큰이 올바르지 않습니다."),
    "forbidden": Message("You may not do this.", "권한이 없습니다."),
    "not_found": Message(
        "There is no such record, or you may not see it.", "자료가 없거나 볼 수 있는 권한이 없습니다."
    ),
    "reference_not_found": Message(
        "A field names a record that does not exist or that you may not see.",
        "존재하지 않거나 볼 수 없는 자료를 가리키는 항목이 있습니다.",
    ),
    "conflict": Message(
        "The record is in another state than this needs.", "자료의 현재 상태와 맞지 않습니다."
    ),
    "duplicate": Message("There is such a record already.", "이미 있는 자료입니다."),
    "id_taken": Message("The id is in use already.", "이미 쓰이고 있는 식별자입니다."),
    "transition_not_allowed": Message(
        "This step is not possible in the state {status}; possible now: {allowed}.",
        "{status} 상태에서는 할 수 없습니다. 지금 가능한 작업: {allowed}",
    ),
    "has_dependants": Message(
        "Other records still depend on this one.", "이 자료에 딸린 자료가 남아 있어 지울 수 없습니다."
    ),
    "version_stale": Message(
        "Somebody changed the record since you read it.", "읽은 뒤에 다른 사람이 자료를 바꾸었습니다."
    ),
    "rule_violation": Message("A business rule does not allow this.", "업무 규칙에 어긋납니다."),
    "too_many_requests": Message(
        "Too many requests; wait a moment.", "요청이 너무 많습니다. 잠시 기다리십시오."
    ),
    "unavailable": Message(
        "The server is busy or its database is away; try again soon.",
        "서버가 바쁘거나 데이터베이스에 연결할 수 없습니다. 잠시 뒤에 다시 시도하십시오.",
    ),
}

FIELDS = {
    "amount_invalid": Message("This is no amount.", "금액이 아닙니다."),
    "currency_unknown": Message("There is no such currency.", "없는 통화입니다."),
    "blank": Message("This must not be empty.", "비워 둘 수 없습니다."),
    "business_number_invalid": Message(
        "This is no business registration number.", "사업자등록번호가 올바르지 않습니다."
    ),
    "char_not_allowed": Message(
        "The text holds a character that cannot be stored.", "저장할 수 없는 문자가 있습니다."
    ),
    "choice_unknown": Message("This is none of the possible values.", "선택할 수 없는 값입니다."),
    "currency_invalid": Message("This is no currency code.", "통화 코드가 아닙니다."),
    "date_invalid": Message("This is no date like 2026-11-21.", "2026-11-21과 같은 날짜가 아닙니다."),
    "decimal_invalid": Message("This is no decimal number like 12.50.", "12.50과 같은 십진수가 아닙니다."),
    "duplicate_item": Message("The list holds a value twice.", "목록에 같은 값이 두 번 있습니다."),
    "id_invalid": Message("This is no id.", "식별자가 아닙니다."),
    "id_not_canonical": Message(
        "Write the id in lower case with hyphens.", "식별자는 하이픈을 넣어 소문자로 적어야 합니다."
    ),
    "null_not_allowed": Message("This must have a value.", "값이 있어야 합니다."),
    "phone_invalid": Message("This is no telephone number.", "전화번호가 아닙니다."),
    "read_only_field": Message("This field belongs to the server.", "서버만 바꿀 수 있는 항목입니다."),
    "required": Message("This field is needed.", "꼭 있어야 하는 항목입니다."),
    "timestamp_invalid": Message(
        "This is no time with a zone like 2026-11-21T09:00:00Z.",
        "2026-11-21T09:00:00Z와 같이 시간대가 있는 시각이 아닙니다.",
    ),
    "too_few_items": Message("The list is too short.", "목록의 항목이 너무 적습니다."),
    "too_long": Message("This is too long.", "너무 깁니다."),
    "too_many_decimals": Message("Too many digits after the point.", "소수점 아래 자릿수가 너무 많습니다."),
    "too_many_items": Message("The list is too long.", "목록의 항목이 너무 많습니다."),
    "too_short": Message("This is too short.", "너무 짧습니다."),
    "type_mismatch": Message("This is a value of another type.", "값의 형식이 다릅니다."),
    "unknown_field": Message("There is no such field.", "없는 항목입니다."),
    "value_invalid": Message("This value is not possible.", "쓸 수 없는 값입니다."),
    "value_out_of_range": Message("The value is too small or too large.", "값이 허용 범위를 벗어났습니다."),
}

SYNC = {
    "base_version_unknown": Message(
        "The version that the change was based on is not known.", "변경의 바탕이 된 버전을 알 수 없습니다."
    ),
    "behind": Message(
        "The device lacks something; sync first, then ask again.",
        "기기가 최신 상태가 아닙니다. 먼저 동기화한 뒤 다시 요청하십시오.",
    ),
    "device_required": Message("Only a registered device can sync.", "등록된 기기만 동기화할 수 있습니다."),
    "schema_too_old": Message(
        "This version of the app is too old for the server. Bring it up to date.",
        "앱 버전이 너무 오래되어 서버와 통신할 수 없습니다. 앱을 업데이트하십시오.",
    ),
    "mutations_without_cursor": Message(
        "A first sync carries no changes.", "첫 동기화에는 변경을 함께 보낼 수 없습니다."
    ),
    "pull_first": Message(
        "The server does not know where this device stands: pull, then push again.",
        "서버가 이 기기의 동기화 위치를 모릅니다. 먼저 받은 뒤에 다시 보내십시오.",
    ),
    "outcome_unknown": Message(
        "The connection was lost while saving; send the same changes again.",
        "저장 중에 연결이 끊겼습니다. 같은 변경을 다시 보내십시오.",
    ),
    "sync.settings_contradict": Message(
        "These settings do not go together: people are warned below the cap, and work is kept for no longer"
        " than removals are.",
        "함께 쓸 수 없는 설정입니다. 경고 기준은 상한보다 클 수 없고, 재전송 보관 기간은 삭제 기록 보관 기간보다"
        " 길 수 없습니다.",
    ),
    "too_many_mutations": Message("Too many changes in one request.", "한 요청에 변경이 너무 많습니다."),
    "unknown_entity": Message("There is no such kind of record.", "없는 종류의 자료입니다."),
    "unknown_op": Message("The record has no such operation.", "이 자료에 없는 작업입니다."),
    "base_required": Message(
        "The old value is needed to merge this field.", "이 항목을 병합하려면 이전 값이 필요합니다."
    ),
    "group_failed": Message(
        "Another change of the same group was refused.", "같은 묶음의 다른 변경이 거부되었습니다."
    ),
    "group_member_twice": Message(
        "The group names a change twice.", "묶음에 같은 변경이 두 번 들어 있습니다."
    ),
    "group_not_consecutive": Message(
        "The changes of a group must follow each other without a gap.",
        "묶음의 변경은 번호가 이어져야 합니다.",
    ),
    "group_too_large": Message(
        "A group holds at most 50 changes.", "한 묶음에는 변경을 50개까지만 넣을 수 있습니다."
    ),
    "group_changed": Message(
        "The group was sent before with other members.", "이 묶음은 전에 다른 구성으로 보내졌습니다."
    ),
    "failed": Message(
        "The server could not apply this change; it is kept in the inbox.",
        "서버가 이 변경을 적용하지 못해 보관함에 남겨 두었습니다.",
    ),
    "edited_since": Message(
        "Others have changed the record since, so it was not deleted.",
        "그사이 다른 사람이 고친 자료라서 삭제하지 않았습니다.",
    ),
    "deleted": Message(
        "The record was deleted meanwhile; the change is kept in the inbox.",
        "그사이 삭제된 자료입니다. 변경은 보관함에 남겨 두었습니다.",
    ),
    "out_of_scope": Message(
        "The record is no longer in your care; the change is kept in the inbox.",
        "더 이상 담당하지 않는 자료입니다. 변경은 보관함에 남겨 두었습니다.",
    ),
    "depends_on": Message(
        "The record was not created, so this change has nothing to act on.",
        "자료가 생성되지 않아 이 변경을 적용할 수 없습니다.",
    ),
    "mutation_id_reused": Message(
        "The change's id was used before for something else.", "변경 식별자가 다른 내용에 이미 쓰였습니다."
    ),
    "quarantined": Message(
        "The device was locked out; a manager looks at this change.",
        "차단된 기기입니다. 이 변경은 관리자가 확인합니다.",
    ),
    "awaiting_record": Message(
        "The record is not known yet; the change waits for it.", "아직 없는 자료라서 변경이 대기 중입니다."
    ),
    "conflict_changed": Message(
        "The conflict changed since you looked at it.", "확인하신 뒤에 충돌 내용이 바뀌었습니다."
    ),
    "record_frozen": Message(
        "The record takes no more edits in its state.", "현재 상태에서는 더 이상 고칠 수 없습니다."
    ),
}

IDENTITY = {
    "auth.login_failed": Message(
        "Company, login or password is wrong.", "회사, 아이디 또는 비밀번호가 올바르지 않습니다."
    ),
    "auth.too_many_tries": Message(
        "Too many failed tries; wait {retry_after_s} seconds.",
        "로그인 시도가 너무 많습니다. {retry_after_s}초 뒤에 다시 시도하십시오.",
    ),
    "auth.user_disabled": Message("This person's access was closed.", "사용이 중지된 사용자입니다."),
    "auth.device_revoked": Message("This device was locked out.", "차단된 기기입니다."),
    "auth.session_ended": Message(
        "The session has ended; log in again.", "세션이 끝났습니다. 다시 로그인하십시오."
    ),
    "auth.refresh_invalid": Message(
        "The session is not known; log in again.", "알 수 없는 세션입니다. 다시 로그인하십시오."
    ),
    "auth.refresh_expired": Message(
        "The session was not used for too long; log in again.",
        "오랫동안 쓰지 않아 세션이 끝났습니다. 다시 로그인하십시오.",
    ),
    "auth.refresh_reused": Message(
        "The session was ended because its token was used twice; log in again.",
        "같은 토큰이 두 번 쓰여 세션을 끝냈습니다. 다시 로그인하십시오.",
    ),
    "auth.password_change_due": Message(
        "Choose a password of your own first.", "먼저 비밀번호를 새로 정하십시오."
    ),
    "auth.password_wrong": Message("The present password is wrong.", "현재 비밀번호가 올바르지 않습니다."),
    "auth.password_weak": Message(
        "The new password is not good enough ({rule}).", "새 비밀번호가 규칙에 맞지 않습니다({rule})."
    ),
    "user.login_invalid": Message(
        "A login has no blanks and is not empty.", "아이디는 빈칸 없이 적어야 합니다."
    ),
    "user.login_taken": Message("Another person has this login.", "이미 쓰이고 있는 아이디입니다."),
    "user.last_admin": Message(
        "The last administrator must stay.", "마지막 관리자는 중지하거나 바꿀 수 없습니다."
    ),
    "user.manager_loop": Message(
        "Nobody can be their own manager, also not by others.", "자신의 상급자를 자신으로 할 수 없습니다."
    ),
    "identity.code_taken": Message("Another record has this code.", "이미 쓰이고 있는 코드입니다."),
    "identity.code_invalid": Message("The code is not well formed.", "코드 형식이 올바르지 않습니다."),
    "identity.tree_loop": Message("Nothing can lie below itself.", "자기 자신의 아래에 둘 수 없습니다."),
    "territory.member_taken": Message(
        "The person is a member already on some of these days.",
        "이 기간에 이미 구성원으로 등록되어 있습니다.",
    ),
    "delegation.self": Message("Nobody stands in for themself.", "자기 자신에게 위임할 수 없습니다."),
    "delegation.unfit": Message(
        "Partners and integrations take no part in delegations.",
        "파트너와 연동 계정은 위임에 참여할 수 없습니다.",
    ),
    "delegation.past": Message(
        "A delegation cannot begin or be changed in the past.",
        "위임은 과거 날짜로 시작하거나 변경할 수 없습니다.",
    ),
    "delegation.taken": Message(
        "This person stands in on some of these days already.", "같은 기간에 이미 위임된 사람입니다."
    ),
    "delegation.cycle": Message(
        "These people would stand in for each other on some of these days.",
        "같은 기간에 서로에게 위임하는 순환이 생깁니다.",
    ),
    "identity.dates_reversed": Message(
        "The last day lies before the first.", "종료일이 시작일보다 빠릅니다."
    ),
    "identity.zone_unknown": Message("There is no such time zone.", "없는 시간대입니다."),
    "tenant.unknown": Message("There is no such company.", "없는 회사입니다."),
    "staff_list.columns_unknown": Message(
        "The columns are not as they must be; missing: {missing}; unknown: {unknown}.",
        "열 구성이 올바르지 않습니다. 빠진 열: {missing}, 알 수 없는 열: {unknown}",
    ),
    "staff_list.row_invalid": Message(
        "The column {column} has a value that cannot be used.", "{column} 열의 값을 쓸 수 없습니다."
    ),
    "sql_user.name_invalid": Message(
        "A database role cannot have this name.", "데이터베이스 역할 이름으로 쓸 수 없습니다."
    ),
    "sql_user.name_taken": Message(
        "There is a database role of this name.", "같은 이름의 데이터베이스 역할이 있습니다."
    ),
}

ACCOUNTS = {
    "account.code_taken": Message("Another account has this code.", "이미 쓰이고 있는 거래처 코드입니다."),
    "account.parent_cycle": Message(
        "An account cannot lie below itself.", "거래처를 자기 아래에 둘 수 없습니다."
    ),
    "account.reassign_not_allowed": Message(
        "Only managers and administrators move accounts, within what they see.",
        "거래처의 담당 구역과 담당자는 관리자가 자기 범위 안에서만 바꿀 수 있습니다.",
    ),
    "account.move_unbounded": Message(
        "Say which accounts are to be moved.", "이동할 거래처를 지정해야 합니다."
    ),
    "account.invalid": Message("Some values break a rule.", "규칙에 어긋나는 값이 있습니다."),
    "account.relation_taken": Message(
        "The two accounts have this relation.", "두 거래처는 이미 이 관계입니다."
    ),
    "account.relation_to_itself": Message(
        "An account has no relation to itself.", "거래처는 자신과 관계를 맺을 수 없습니다."
    ),
}

VISITS = {
    "assignment_not_allowed": Message(
        "Only managers and dispatchers plan work for others.",
        "다른 사람의 일정은 관리자와 배차 담당자만 정할 수 있습니다.",
    ),
    "visit.already_made": Message(
        "Somebody has been there, so the visit stays.", "이미 다녀온 방문이라 지울 수 없습니다."
    ),
    "visit.assignee_out_of_scope": Message(
        "The person is not of your team, or does not see the customer.",
        "내 팀의 사람이 아니거나 이 거래처를 볼 수 없는 사람입니다.",
    ),
    "visit.ends_before_start": Message("The visit ends before it starts.", "방문 종료가 시작보다 빠릅니다."),
    "visit.not_yours": Message("The visit is another person's.", "다른 사람의 방문입니다."),
    "reassigned": Message(
        "The record was given to somebody else meanwhile.", "그사이 다른 사람에게 배정된 기록입니다."
    ),
    "visit.reassigned": Message(
        "The visit was given to somebody else meanwhile.", "그사이 다른 사람에게 배정된 방문입니다."
    ),
    "visit.review_own": Message("Nobody reviews their own visit.", "자신의 방문은 검토할 수 없습니다."),
    "visit.tasks_open": Message("Required tasks are not done yet.", "필수 과업이 끝나지 않았습니다."),
}

ACTIVITY = {
    "append_only": Message(
        "What was written down stays as it is.", "한번 남긴 기록은 고치거나 지울 수 없습니다."
    ),
    "task.assignee_out_of_scope": Message(
        "The person is not of your team, or does not see the customer.",
        "내 팀의 사람이 아니거나 이 거래처를 볼 수 없는 사람입니다.",
    ),
    "task.not_yours": Message("The task is another person's.", "다른 사람의 할 일입니다."),
    "task.reassigned": Message(
        "The task was given to somebody else meanwhile.", "그사이 다른 사람에게 배정된 할 일입니다."
    ),
}

APPROVALS = {
    "approval.own": Message(
        "Nobody decides on their own request.", "자신이 올린 결재는 스스로 처리할 수 없습니다."
    ),
    "approval.not_yours": Message("Somebody else is asked to decide.", "다른 사람이 처리할 결재입니다."),
    "approval.moved_on": Message(
        "The decision went to somebody else meanwhile.", "그사이 다른 사람에게 넘어간 결재입니다."
    ),
    "approval.approver_unfit": Message(
        "This person cannot be asked: the requester, no manager, or away.",
        "결재할 수 없는 사람입니다(요청자 본인, 관리자 아님 또는 부재).",
    ),
    "approval.document_changed": Message(
        "The document changed since you saw it; look at it again.",
        "확인하신 뒤에 문서가 바뀌었습니다. 다시 확인해 주십시오.",
    ),
    "approval.policy_invalid": Message(
        "A level of the policy names nobody ({field}).", "결재 단계에 결재자가 지정되지 않았습니다({field})."
    ),
    "holiday.taken": Message("The day is a company holiday already.", "이미 회사 휴일로 등록된 날입니다."),
    "absence.past": Message(
        "An absence cannot be entered for the past.", "지난 날짜의 부재는 등록하거나 바꿀 수 없습니다."
    ),
}

ORDERS = {
    "disputed": Message(
        "Both sides reckoned differently; somebody has to decide.",
        "양쪽 계산이 다릅니다. 확인이 필요합니다.",
    ),
    "order.not_yours": Message("The order is another person's.", "다른 사람의 주문입니다."),
    "order.empty": Message("The order has no lines.", "주문에 품목이 없습니다."),
    "order.not_priced": Message("Some lines have no price.", "가격이 없는 품목이 있습니다."),
    "order.price_differs": Message(
        "The price differs from the one that was shown; look at both.",
        "보여 드린 가격과 서버의 가격이 다릅니다. 두 가격을 확인해 주십시오.",
    ),
    "order.numbered": Message(
        "Order {number} was submitted once: cancel it instead.",
        "주문 {number}은(는) 제출된 적이 있어 삭제할 수 없습니다. 취소해 주십시오.",
    ),
    "order.line_invalid": Message("A line lacks something ({field}).", "품목에 빠진 값이 있습니다({field})."),
    "order.no_approval_policy": Message(
        "No approval policy says who decides on this.", "이 건을 결재할 기준이 등록되어 있지 않습니다."
    ),
    "order.nothing_to_release": Message(
        "The order's credit asks for no approval.", "여신 승인이 필요한 주문이 아닙니다."
    ),
    "order.release_pending": Message(
        "An approval of this order is being asked for already.", "이미 결재가 진행 중인 주문입니다."
    ),
    "order.credit_exceeded": Message(
        "The account is over its credit; the goods stay here.", "여신 한도를 넘어 출고할 수 없습니다."
    ),
    "order.quantity_not_open": Message(
        "More than is open of an item ({open}).", "남은 수량({open})보다 많습니다."
    ),
    "order_return.inspection_incomplete": Message(
        "The inspection does not say of each item how many were good.",
        "모든 품목의 검수 수량을 입력해 주십시오.",
    ),
    "discount_limit.taken": Message(
        "The person or role has a limit already.", "이미 할인 한도가 등록되어 있습니다."
    ),
    "discount_limit.whose": Message(
        "A limit is either a person's or a role's.", "할인 한도는 사람이나 역할 중 하나에만 등록합니다."
    ),
    "warehouse.code_taken": Message("Another warehouse has this code.", "같은 코드의 창고가 이미 있습니다."),
}

SEARCH = {
    "search.synonyms_alike": Message(
        "Search tells fewer than two of these words apart: {words}.",
        "검색에서 서로 다른 단어로 구분되는 것이 두 개 이상이어야 합니다: {words}.",
    ),
    "search.too_many_synonyms": Message(
        "A company has at most {limit} groups of synonyms.", "동의어 그룹은 회사당 {limit}개까지입니다."
    ),
}

# Sentences of notifications; their values are those that the room gives.
NOTICES = {
    "approval.notice_asked": Message("Please decide on {title}.", "{title} 결재를 처리해 주십시오."),
    "approval.notice_approved": Message("Your {title} was approved.", "{title}이(가) 승인되었습니다."),
    "approval.notice_rejected": Message("Your {title} was rejected.", "{title}이(가) 반려되었습니다."),
    "approval.notice_returned": Message(
        "Your {title} was returned to be changed.", "{title}이(가) 보완 요청으로 되돌아왔습니다."
    ),
    "approval.notice_superseded": Message(
        "Nothing is to be decided on {title} any more; it changed.",
        "{title}의 내용이 바뀌어 결재가 취소되었습니다.",
    ),
    "approval.notice_stuck": Message(
        "Nobody can decide on {title}; please name somebody.",
        "{title}을(를) 결재할 사람이 없습니다. 결재자를 지정해 주십시오.",
    ),
    "knowledge.notice_answered": Message(
        "Your question was answered: {question}", "질문에 답변이 등록되었습니다: {question}"
    ),
    "knowledge.notice_proposal_accepted": Message(
        "Your correction of {title} was taken up.", "{title}에 대한 수정 제안이 채택되었습니다."
    ),
    "knowledge.notice_proposal_declined": Message(
        "Your correction of {title} was declined.", "{title}에 대한 수정 제안이 반려되었습니다."
    ),
    "knowledge.notice_unread": Message(
        "{name} began a visit without having read {count} safety notice(s).",
        "{name} 님이 안전 공지 {count}건을 읽지 않고 방문을 시작했습니다.",
    ),
}

KNOWLEDGE = {
    "diagnosis.code_taken": Message("Another tree has this code.", "같은 코드의 진단 트리가 이미 있습니다."),
    "diagnosis.outcome_impossible": Message(
        "A run that reached no remedy solved nothing.", "조치에 이르지 못한 진단은 해결로 기록할 수 없습니다."
    ),
    "diagnosis.path_impossible": Message(
        "Nobody can have walked so in this version of the tree.",
        "이 버전의 진단 트리에서 나올 수 없는 경로입니다.",
    ),
    "diagnosis.run_not_yours": Message(
        "Only who made a diagnosis, and the office, may correct it.",
        "진단은 수행한 사람과 관리자만 정정할 수 있습니다.",
    ),
    "diagnosis.tree_unsound": Message(
        "The nodes make no tree that can be walked; the problems name them.",
        "진단 트리로 사용할 수 없는 노드가 있습니다. problems를 확인하십시오.",
    ),
    "knowledge.already_promoted": Message("The note is an article already.", "이미 문서로 만든 기록입니다."),
    "knowledge.nothing_to_promote": Message("The note has no words.", "기록에 내용이 없습니다."),
    "knowledge.proposal_empty": Message(
        "The correction is what the passage says.", "제안한 내용이 원문과 같습니다."
    ),
    "markdown_image_not_allowed": Message("Pictures cannot be shown here.", "그림은 넣을 수 없습니다."),
    "markdown_link_not_allowed": Message(
        "Links lead to http, https, mailto and existing articles only.",
        "링크는 http, https, mailto와 등록된 문서만 가리킬 수 있습니다.",
    ),
    "markdown_too_deep": Message("The text is nested too deeply.", "글의 중첩이 너무 깊습니다."),
    "markdown_too_many_links": Message("The text has too many links.", "글에 링크가 너무 많습니다."),
    "too_many_lines": Message("The text has too many lines.", "글의 줄 수가 너무 많습니다."),
    "knowledge.slug_taken": Message("Another article has this slug.", "같은 슬러그의 문서가 이미 있습니다."),
    "knowledge.invalid": Message("Some values break a rule.", "규칙에 맞지 않는 값이 있습니다."),
    "knowledge.review_own": Message(
        "Somebody else has to approve what you wrote.", "본인이 작성한 내용은 다른 사람이 승인해야 합니다."
    ),
    "knowledge.newer_published": Message(
        "Version {n} is published already.", "{n}번째 버전이 이미 게시되어 있습니다."
    ),
}

CATALOG = {
    "catalog.code_taken": Message(
        "Another record of the catalogue has this code or key.", "같은 코드나 키가 이미 카탈로그에 있습니다."
    ),
    "catalog.invalid": Message("Some values break a rule.", "규칙에 맞지 않는 값이 있습니다."),
    "promotion.budget_spent": Message(
        "What is left of the promotion's budget does not cover the order.",
        "남은 판촉 예산이 주문을 감당하지 못합니다.",
    ),
    "rate_missing": Message(
        "No exchange rate of {currency} is known for {day}.",
        "{day}의 {currency} 환율이 등록되어 있지 않습니다.",
    ),
}

RECEIVABLES = {
    "credit.already_on_hold": Message(
        "The account's credit is on hold already.", "이미 여신이 보류된 거래처입니다."
    ),
    "credit.no_approval_policy": Message(
        "No approval policy covers the release of this hold.",
        "여신 보류 해제에 해당하는 승인 정책이 없습니다.",
    ),
    "credit.release_pending": Message(
        "Its release waits for an approval already.", "이미 해제 승인을 기다리고 있습니다."
    ),
    "credit.not_on_hold": Message("The account's credit is not on hold.", "여신이 보류된 거래처가 아닙니다."),
    "invoice.number_taken": Message(
        "Another invoice has this number.", "이미 쓰이고 있는 청구서 번호입니다."
    ),
    "invoice.overpaid": Message(
        "More is allocated than the invoice still owes.", "배분액이 청구서의 미수금보다 많습니다."
    ),
    "payment.currency_differs": Message(
        "A payment settles invoices of its own currency only.",
        "수금과 같은 통화의 청구서만 정산할 수 있습니다.",
    ),
    "payment.not_good": Message("The payment bounced or was cancelled.", "부도나거나 취소된 수금입니다."),
    "payment.receipt_taken": Message(
        "Another payment has this receipt number.", "이미 쓰인 영수증 번호입니다."
    ),
    "payment.spent": Message(
        "More is allocated than is left of the payment.", "배분액이 수금의 남은 금액보다 많습니다."
    ),
    "receivable.invalid": Message("Some values break a rule.", "규칙에 어긋나는 값이 있습니다."),
}

ERP = {
    "erp.row_changed": Message(
        "A row names what was delivered before, with another {field}.",
        "이미 보낸 자료와 {field} 값이 다릅니다.",
    ),
    "erp.never_told": Message(
        "The first row about it has to name it ({field}).", "처음 보내는 자료에는 {field} 값이 있어야 합니다."
    ),
}

SANDBOXES = {
    "sandbox.none": Message("This company is no sandbox.", "샌드박스 회사가 아닙니다."),
    "sandbox.busy": Message(
        "The sandbox is being reset; try again in a moment.",
        "샌드박스를 초기화하는 중입니다. 잠시 후 다시 시도하세요.",
    ),
    "sandbox.rhythm": Message(
        "A sandbox resets itself at most once a minute and at least once a year.",
        "샌드박스 자동 초기화 간격은 1분 이상 1년 이하여야 합니다.",
    ),
}

WEBHOOKS = {
    "webhook.delivery_pending": Message(
        "The delivery is still being tried.", "아직 전송을 시도하고 있습니다."
    ),
    "webhook.event_unknown": Message(
        "No event and no room of events is named {event}.", "{event}은(는) 이벤트 이름이 아닙니다."
    ),
    "webhook.too_many_endpoints": Message(
        "A company has at most {limit} endpoints.", "엔드포인트는 회사당 최대 {limit}개입니다."
    ),
    "webhook.url_refused": Message(
        "Events cannot go to this address: {reason}.", "이 주소로는 이벤트를 보낼 수 없습니다: {reason}"
    ),
}

INBOX = {
    "choice_not_possible": Message(
        "This item cannot be decided like that.", "이 항목은 그렇게 결정할 수 없습니다."
    ),
    "reassign_not_possible": Message(
        "This person cannot take the item.", "이 사람에게는 항목을 넘길 수 없습니다."
    ),
    "too_many_undecided": Message(
        "So many values of this field wait in the inbox that they have to be decided on first.",
        "이 항목에 결정을 기다리는 값이 너무 많습니다. 먼저 받은함에서 결정해 주십시오.",
    ),
    "conflict_closed": Message("The item was decided already.", "이미 결정된 항목입니다."),
}

MESSAGES: dict[str, Message] = (
    REQUEST | GENERAL | FIELDS | SYNC | IDENTITY | ACCOUNTS | CATALOG | VISITS | ACTIVITY | APPROVALS
    | RECEIVABLES | SANDBOXES | WEBHOOKS | ORDERS | ERP | KNOWLEDGE | SEARCH | INBOX
)  # fmt: skip
