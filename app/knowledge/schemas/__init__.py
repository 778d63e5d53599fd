"""What the room says and hears over HTTP."""

from app.knowledge.schemas.articles import (
    ArticleReceiptSchema,
    ArticleSchema,
    ArticleVersionSchema,
    KnowledgePackSchema,
    NoArgsSchema,
)
from app.knowledge.schemas.diagnosis import (
    DiagnosisRunCreateSchema,
    DiagnosisRunSchema,
    DiagnosisTreeSchema,
    TreeVersionSchema,
)
from app.knowledge.schemas.field import (
    ArticleFeedbackSchema,
    ArticleProposalSchema,
    ArticleUseSchema,
    ExpertQuestionSchema,
)

__all__ = [
    "ArticleFeedbackSchema",
    "ArticleProposalSchema",
    "ArticleReceiptSchema",
    "ArticleSchema",
    "ArticleUseSchema",
    "ArticleVersionSchema",
    "DiagnosisRunCreateSchema",
    "DiagnosisRunSchema",
    "DiagnosisTreeSchema",
    "ExpertQuestionSchema",
    "KnowledgePackSchema",
    "NoArgsSchema",
    "TreeVersionSchema",
]
