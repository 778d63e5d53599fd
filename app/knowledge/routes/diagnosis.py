"""Diagnosis trees, their versions and runs over REST."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.core.scope import Role
from app.http.api import EVERYBODY, Blueprint
from app.http.resources import Resource
from app.http.transaction import transaction
from app.knowledge import service
from app.knowledge.models import DiagnosisRun, DiagnosisTree, TreeVersion
from app.knowledge.schemas.diagnosis import (
    TREE_COMMAND_SCHEMAS,
    DiagnosisRunChangeSchema,
    DiagnosisRunCreateSchema,
    DiagnosisRunQuery,
    DiagnosisRunSchema,
    DiagnosisTreeChangeSchema,
    DiagnosisTreeCreateSchema,
    DiagnosisTreeKeepingSchema,
    DiagnosisTreeQuery,
    DiagnosisTreeSchema,
    ProblemsSchema,
    RemediesSchema,
    TreeVersionChangeSchema,
    TreeVersionCreateSchema,
    TreeVersionQuery,
    TreeVersionSchema,
)
from app.knowledge.sync import DIAGNOSIS_RUN, TREE_VERSION

blp = Blueprint(
    "diagnosis",
    __name__,
    url_prefix="/api/v1",
    description="From a symptom to its remedy, and what came of it",
)

STAFF = (Role.REP, Role.TECHNICIAN, Role.MANAGER, Role.ADMIN, Role.INTEGRATION)

TREES = Resource(blp=blp, model=DiagnosisTree, schema=DiagnosisTreeSchema, get=service.get_tree)


@blp.route("/knowledge/trees")
class Trees(MethodView):
    """The trees of one's scope."""

    get = TREES.lists(
        "List the trees that are for you; as an editor all",
        EVERYBODY,
        service.list_trees,
        DiagnosisTreeQuery,
        sorts=("code", "updated_at"),
        default_sort="code",
    )
    post = TREES.creates(
        "Begin a tree, without nodes yet", EVERYBODY, service.create_tree, DiagnosisTreeCreateSchema
    )


@blp.route("/knowledge/trees/<uuid:tree_id>")
class TreeById(MethodView):
    """One tree."""

    get = TREES.shows("Get a tree, without its nodes", EVERYBODY)
    patch = TREES.changes(
        "Change what a tree is about and for whom",
        EVERYBODY,
        service.update_tree,
        DiagnosisTreeChangeSchema(partial=True),
    )
    delete = TREES.deletes("Delete a tree that has nothing out", EVERYBODY, service.delete_tree)


KEEPING = Resource(blp=blp, model=DiagnosisTree, schema=DiagnosisTreeKeepingSchema, get=service.get_kept_tree)


@blp.route("/knowledge/trees/<uuid:tree_id>/keeping")
class TreeKeeping(MethodView):
    """How a tree is kept."""

    get = KEEPING.shows("See as an editor whom a tree is for", EVERYBODY)


@blp.route("/knowledge/trees/<uuid:tree_id>/remedies")
class Remedies(MethodView):
    """What helped."""

    @blp.allow(*EVERYBODY)
    @blp.response(200, RemediesSchema)
    def get(self, tree_id: UUID) -> Any:
        """See as an editor how often each remedy was tried, and what came of it

        Readers find the share of success, in quarters, in the `rates` of the version.
        """
        with transaction() as (session, actor):
            return {"items": service.list_remedies(session, actor, tree_id)}


VERSIONS = Resource(
    blp=blp,
    model=TreeVersion,
    schema=TreeVersionSchema,
    entity=TREE_VERSION,
    noted=False,
    get=service.get_tree_version,
)


@blp.route("/knowledge/tree-versions")
class TreeVersions(MethodView):
    """The versions of one's scope."""

    get = VERSIONS.lists(
        "List the versions of trees that are or were for you; as an editor all",
        EVERYBODY,
        service.list_tree_versions,
        TreeVersionQuery,
        sorts=("n", "published_at"),
        default_sort="-n",
    )
    post = VERSIONS.creates(
        "Begin the next version of a tree", EVERYBODY, service.create_tree_version, TreeVersionCreateSchema
    )


@blp.route("/knowledge/tree-versions/<uuid:tree_version_id>")
class TreeVersionById(MethodView):
    """One version."""

    get = VERSIONS.shows("Get a version of a tree with its nodes", EVERYBODY)
    patch = VERSIONS.changes(
        "Change the nodes of a draft, as a whole list",
        EVERYBODY,
        service.update_tree_version,
        TreeVersionChangeSchema(partial=True),
    )
    delete = VERSIONS.deletes("Throw a draft away", EVERYBODY, service.delete_tree_version)


@blp.route("/knowledge/tree-versions/<uuid:tree_version_id>/problems")
class Problems(MethodView):
    """What is wrong with a draft."""

    @blp.allow(*EVERYBODY)
    @blp.response(200, ProblemsSchema)
    def get(self, tree_version_id: UUID) -> Any:
        """See what keeps a version from its review, with the ids of the nodes"""
        with transaction() as (session, actor):
            return {"problems": service.find_problems(session, actor, tree_version_id)}


publish = VERSIONS.commands(
    "/knowledge/tree-versions/<uuid:tree_version_id>",
    service.TREE_COMMANDS,
    TREE_COMMAND_SCHEMAS,
    dated=False,
)
publish("submit_for_review", "Ask a second person to walk a tree", EVERYBODY)
publish("approve", "Answer for a tree that others drew", EVERYBODY)
publish("reject", "Give a tree back to be drawn better", EVERYBODY)
publish("publish", "Give a tree to the phones of its audience", EVERYBODY)
publish("withdraw", "Take a tree off the phones", EVERYBODY)


RUNS = Resource(
    blp=blp, model=DiagnosisRun, schema=DiagnosisRunSchema, entity=DIAGNOSIS_RUN, get=service.get_run
)


@blp.route("/knowledge/runs")
class Runs(MethodView):
    """The ways that were taken at the accounts of one's scope."""

    get = RUNS.lists(
        "List the diagnoses made at the accounts of your scope",
        STAFF,
        service.list_runs,
        DiagnosisRunQuery,
        sorts=("ran_at",),
        default_sort="-ran_at",
    )
    post = RUNS.creates(
        "Note the way that was taken through a tree", STAFF, service.create_run, DiagnosisRunCreateSchema
    )


@blp.route("/knowledge/runs/<uuid:run_id>")
class RunById(MethodView):
    """One of them. The way itself stays as it was taken."""

    get = RUNS.shows("Get a diagnosis with the way that was taken", STAFF)
    patch = RUNS.changes(
        "Correct what came of a diagnosis",
        STAFF,
        service.update_run,
        DiagnosisRunChangeSchema(partial=True),
    )
