"""Create feedback, proposals, questions and use of articles

New tables only: nothing is locked or rewritten.

Revision ID: 0026
Revises: 0025
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

KEY = """
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
"""
SYNCED = f"""{KEY}
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid,
    deleted_at timestamptz,
    stamps jsonb NOT NULL DEFAULT '{{}}',
"""

TABLES = """
CREATE TABLE article_feedback (@synced
    article_id uuid NOT NULL,
    version_id uuid NOT NULL,
    user_id uuid NOT NULL,
    helpful boolean NOT NULL,
    comment text,
    given_at timestamptz NOT NULL,
    CONSTRAINT pk_article_feedback PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_article_feedback_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_feedback_tenant_id_version_id FOREIGN KEY (tenant_id, version_id)
        REFERENCES article_versions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_feedback_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_article_feedback_version ON article_feedback (tenant_id, version_id, user_id, given_at);
CREATE INDEX ix_article_feedback_user ON article_feedback (tenant_id, user_id, given_at);
CREATE INDEX ix_article_feedback_given ON article_feedback (tenant_id, given_at);

CREATE TABLE article_proposals (@synced
    article_id uuid NOT NULL,
    version_id uuid NOT NULL,
    author_id uuid NOT NULL,
    passage text,
    correction text NOT NULL,
    reason text,
    said text COLLATE "C" NOT NULL,
    status varchar(40) NOT NULL DEFAULT 'open' CONSTRAINT ck_article_proposals_status
        CHECK (status IN ('open', 'accepted', 'declined', 'duplicate')),
    duplicate_of_id uuid,
    proposed_at timestamptz NOT NULL,
    decided_by uuid,
    decided_at timestamptz,
    decline_reason text,
    draft_id uuid,
    CONSTRAINT ck_article_proposals_draft CHECK ((status = 'accepted') = (draft_id IS NOT NULL)),
    CONSTRAINT ck_article_proposals_duplicate CHECK ((status = 'duplicate') = (duplicate_of_id IS NOT NULL)),
    CONSTRAINT pk_article_proposals PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_article_proposals_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_proposals_tenant_id_version_id FOREIGN KEY (tenant_id, version_id)
        REFERENCES article_versions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_proposals_tenant_id_author_id FOREIGN KEY (tenant_id, author_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_proposals_tenant_id_duplicate_of_id FOREIGN KEY (tenant_id, duplicate_of_id)
        REFERENCES article_proposals (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_proposals_tenant_id_decided_by FOREIGN KEY (tenant_id, decided_by)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_proposals_tenant_id_draft_id FOREIGN KEY (tenant_id, draft_id)
        REFERENCES article_versions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_article_proposals_open ON article_proposals (tenant_id, version_id, author_id, said)
    WHERE status = 'open';
CREATE INDEX ix_article_proposals_status ON article_proposals (tenant_id, status, proposed_at);
CREATE INDEX ix_article_proposals_article ON article_proposals (tenant_id, article_id);
CREATE INDEX ix_article_proposals_author ON article_proposals (tenant_id, author_id, proposed_at);
CREATE INDEX ix_article_proposals_decided ON article_proposals (tenant_id, decided_at)
    WHERE decided_at IS NOT NULL;

CREATE TABLE expert_questions (@synced
    author_id uuid NOT NULL,
    product_id uuid,
    language varchar(40) NOT NULL DEFAULT 'ko'
        CONSTRAINT ck_expert_questions_language CHECK (language IN ('ko', 'en')),
    question text NOT NULL,
    asked_at timestamptz NOT NULL,
    status varchar(40) NOT NULL DEFAULT 'asked'
        CONSTRAINT ck_expert_questions_status CHECK (status IN ('asked', 'answered', 'published')),
    answer text,
    answered_by uuid,
    answered_at timestamptz,
    article_id uuid,
    CONSTRAINT ck_expert_questions_answer CHECK ((status = 'asked') = (answer IS NULL)),
    CONSTRAINT ck_expert_questions_article CHECK ((status = 'published') = (article_id IS NOT NULL)),
    CONSTRAINT pk_expert_questions PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_expert_questions_tenant_id_author_id FOREIGN KEY (tenant_id, author_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_expert_questions_tenant_id_product_id FOREIGN KEY (tenant_id, product_id)
        REFERENCES products (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_expert_questions_tenant_id_answered_by FOREIGN KEY (tenant_id, answered_by)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_expert_questions_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_expert_questions_status ON expert_questions (tenant_id, status, asked_at);
CREATE INDEX ix_expert_questions_author ON expert_questions (tenant_id, author_id, asked_at);
CREATE INDEX ix_expert_questions_product ON expert_questions (tenant_id, product_id, asked_at)
    WHERE product_id IS NOT NULL;
CREATE INDEX ix_expert_questions_answered ON expert_questions (tenant_id, answered_at)
    WHERE answered_at IS NOT NULL;

CREATE TABLE article_uses (@synced
    visit_id uuid NOT NULL,
    article_id uuid NOT NULL,
    version_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind varchar(40) NOT NULL CONSTRAINT ck_article_uses_kind CHECK (kind IN ('read', 'used', 'solved')),
    used_at timestamptz NOT NULL,
    CONSTRAINT pk_article_uses PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_article_uses_tenant_id_visit_id FOREIGN KEY (tenant_id, visit_id)
        REFERENCES visits (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_uses_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_uses_tenant_id_version_id FOREIGN KEY (tenant_id, version_id)
        REFERENCES article_versions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_article_uses_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX ix_article_uses_version ON article_uses (tenant_id, version_id, user_id);
CREATE INDEX ix_article_uses_visit ON article_uses (tenant_id, visit_id);
CREATE INDEX ix_article_uses_user ON article_uses (tenant_id, user_id, used_at);
CREATE INDEX ix_article_uses_used ON article_uses (tenant_id, used_at);

CREATE TABLE promoted_notes (@key
    kind varchar(40) NOT NULL CONSTRAINT ck_promoted_notes_kind CHECK (kind IN ('activity', 'visit')),
    record_id uuid NOT NULL,
    article_id uuid NOT NULL,
    promoted_by uuid NOT NULL,
    promoted_at timestamptz NOT NULL,
    CONSTRAINT pk_promoted_notes PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_promoted_notes_tenant_id_article_id FOREIGN KEY (tenant_id, article_id)
        REFERENCES articles (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_promoted_notes_tenant_id_promoted_by FOREIGN KEY (tenant_id, promoted_by)
        REFERENCES users (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX uq_promoted_notes_record ON promoted_notes (tenant_id, kind, record_id);
"""

# Feedback and uses are append-only: nobody but the engine (erasure, merges) may change one.
WRITTEN = "SELECT, INSERT, UPDATE"
ONCE = "SELECT, INSERT"
# table -> rights of the app role, rights of SQL people
PROTECTED = {
    "article_feedback": (ONCE, "SELECT"),
    "article_proposals": (WRITTEN, "SELECT"),
    "expert_questions": (WRITTEN, "SELECT"),
    "article_uses": (ONCE, "SELECT"),
    "promoted_notes": (ONCE, "SELECT"),
}
# table -> arguments of sync_capture
CAPTURED = {
    "article_feedback": "'article_feedback'",
    "article_proposals": "'article_proposal', ignored => 'said'",
    "expert_questions": "'expert_question'",
    # Who used a version in a visit keeps it.
    "article_uses": "'article_use', rebuckets => 'article_version:version_id,article:article_id'",
}


def upgrade() -> None:
    op.execute(TABLES.replace("@synced", SYNCED).replace("@key", KEY))
    for table, (app_rights, sql_rights) in PROTECTED.items():
        op.execute(f"SELECT tenant_protect('{table}', '{app_rights}', '{sql_rights}')")
    for table, arguments in CAPTURED.items():
        op.execute(f"SELECT sync_capture('{table}', {arguments})")


def downgrade() -> None:
    op.execute(
        "DROP TABLE promoted_notes, article_uses, expert_questions, article_proposals, article_feedback"
    )
