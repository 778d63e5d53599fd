"""Wire forms of accounts and what hangs on them; the fields stand in the order of the feed."""

from app.accounts.models import AccountKind, BuyingRole, RelationKind, Stance
from app.accounts.service.rules import (
    CODE_MAX,
    EMAIL_MAX,
    INFLUENCE_MAX,
    LINE_MAX,
    NAME_MAX,
    RADIUS_M,
    SHORT_MAX,
    TAG_MAX,
    TAGS_MAX,
    TEXT_MAX,
)
from app.http.fields import (
    BusinessNumber,
    Choice,
    Currency,
    Day,
    Id,
    Integer,
    ListOf,
    Money,
    Phone,
    Point,
    Text,
    Texts,
    Time,
    WireSchema,
)
from app.http.paging import PageQuery


def _text(longest: int, example: str) -> Text:
    return Text(max=longest, allow_none=True, nfc=True, metadata={"example": example})


class AccountSchema(WireSchema):
    """An account; a technician sees it without sales terms."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    code = Text(max=CODE_MAX, blank=False, allow_none=True, nfc=True, metadata={"example": "S00012"})
    name = Text(max=NAME_MAX, blank=False, required=True, nfc=True, metadata={"example": "(주)한빛에너지"})
    legal_name = _text(NAME_MAX, "한빛에너지 주식회사")
    business_number = BusinessNumber(allow_none=True, metadata={"example": "123-45-67891"})
    kinds = ListOf(
        Choice(AccountKind), max_items=len(AccountKind), unique=True, metadata={"example": ["customer"]}
    )
    subtype = _text(SHORT_MAX, "AC")
    parent_id = Id(allow_none=True)
    owner_id = Id(allow_none=True)
    territory_id = Id(allow_none=True)
    tier = _text(SHORT_MAX, "A")
    lifecycle_stage = _text(SHORT_MAX, "retention")
    phone = Phone(allow_none=True)
    email = Text(max=EMAIL_MAX, allow_none=True, metadata={"example": "office@example.com"})
    website = _text(LINE_MAX, "https://www.example.com")
    postcode = _text(SHORT_MAX, "04524")
    sido = _text(SHORT_MAX, "서울특별시")
    sigungu = _text(SHORT_MAX, "중구")
    address = _text(LINE_MAX, "세종대로 110")
    location = Point(allow_none=True)
    time_zone = Text(max=SHORT_MAX, metadata={"example": "Asia/Seoul"})
    opening_hours = _text(LINE_MAX, "월-금 09:00-18:00")
    credit_limit = Money(min=0, allow_none=True)
    credit_currency = Currency(allow_none=True)
    payment_terms = _text(NAME_MAX, "익월 말일")
    risk_class = _text(SHORT_MAX, "2")
    estimated_wallet = Money(min=0, allow_none=True)
    estimated_wallet_currency = Currency(allow_none=True)
    tags = Texts(max=TAG_MAX, max_items=TAGS_MAX)
    notes = _text(TEXT_MAX, "오전 방문 선호")
    last_visited_at = Time(allow_none=True)
    profile_stage = Integer(dump_only=True, metadata={"example": 1})
    completeness = Integer(dump_only=True, metadata={"example": 64, "description": "Per cent"})


class AccountCreateSchema(AccountSchema):
    """A new account; its id may be minted by the caller."""

    id = Id()


class AccountQuery(PageQuery):
    """Filters of the list of accounts."""

    territory_id = Id(metadata={"description": "Of this territory, without those below it"})
    owner_id = Id()
    kind = Choice(AccountKind)
    tier = Text(max=SHORT_MAX)
    q = Text(max=NAME_MAX, metadata={"description": "Beginning of the name or of the code"})
    updated_since = Time()


class AccountMoveSchema(WireSchema):
    """Where an account goes; what is not named stays."""

    territory_id = Id(allow_none=True)
    owner_id = Id(allow_none=True)


class AccountsMoveSchema(WireSchema):
    """Which accounts go to a territory: those named, or all that fit; at least one filter is needed."""

    ids = ListOf(Id(), max_items=500, unique=True)
    from_territory_id = Id(metadata={"description": "Of this territory, without those below it"})
    owner_id = Id()
    kind = Choice(AccountKind)
    tier = Text(max=SHORT_MAX)
    to_territory_id = Id(required=True)
    limit = Integer(min=1, max=500, load_default=500)


class AccountsMovedSchema(WireSchema):
    """What one request moved. Ask again in the same words until nothing remains."""

    moved = Integer(metadata={"example": 500})
    remaining = Integer(metadata={"example": 1500})
    refused_ids = ListOf(Id(), metadata={"description": "Named, and not yours to move"})


class SiteSchema(WireSchema):
    """A place of an account."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True)
    name = Text(max=NAME_MAX, blank=False, required=True, nfc=True, metadata={"example": "제2공장"})
    postcode = _text(SHORT_MAX, "04524")
    sido = _text(SHORT_MAX, "서울특별시")
    sigungu = _text(SHORT_MAX, "중구")
    address = _text(LINE_MAX, "세종대로 110")
    location = Point(allow_none=True)
    radius_m = Integer(
        min=RADIUS_M[0],
        max=RADIUS_M[1],
        metadata={"example": 100, "description": "Of the geofence, in metres"},
    )
    opening_hours = _text(LINE_MAX, "월-금 09:00-18:00")


class SiteCreateSchema(SiteSchema):
    """A new site; its id may be minted by the caller."""

    id = Id()


class ContactSchema(WireSchema):
    """A person, at home in one account."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True)
    name = Text(max=NAME_MAX, blank=False, required=True, nfc=True, metadata={"example": "뷔람담"})
    job_title = _text(NAME_MAX, "구매팀장")
    phone = Phone(allow_none=True)
    email = Text(max=EMAIL_MAX, allow_none=True, metadata={"example": "buyer@example.com"})


class ContactCreateSchema(ContactSchema):
    """A new contact; its id may be minted by the caller."""

    id = Id()


class AccountRelationSchema(WireSchema):
    """What one account does to another."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True)
    to_account_id = Id(required=True)
    kind = Choice(RelationKind, required=True)


class AccountRelationCreateSchema(AccountRelationSchema):
    """A new relation; its id may be minted by the caller."""

    id = Id()


class AccountContactSchema(WireSchema):
    """What a person does in the buying of an account."""

    id = Id(dump_only=True)
    version = Integer(dump_only=True)
    account_id = Id(required=True)
    contact_id = Id(required=True)
    role = Choice(BuyingRole, required=True)
    stance = Choice(Stance, allow_none=True)
    influence = Integer(min=0, max=INFLUENCE_MAX, allow_none=True, metadata={"example": 80})
    valid_from = Day(allow_none=True)
    valid_to = Day(allow_none=True)


class AccountContactCreateSchema(AccountContactSchema):
    """A new buying role; its id may be minted by the caller."""

    id = Id()
