"""`flask search`: make the index anew, and see how far it is behind."""

import click
from flask.cli import with_appcontext

from app.cli.accounts import progress
from app.cli.users import tenant_id_of, tenant_option
from app.core.clock import utc_now
from app.http.services import services
from app.identity import service as identity
from app.jobs.search_index import ANALYZE
from app.search import service

ACTOR = "cli:search"


@click.group("search")
def search() -> None:
    """The search index."""


@search.command("rebuild")
@tenant_option
@with_appcontext
def rebuild(tenant_code: str | None) -> None:
    """Index every record of a company anew.

    Searches go on meanwhile, over what is indexed. Broken off, the job of the scheduler does the rest.
    """
    tenant_id, db = tenant_id_of(tenant_code), services().db
    with db.session(tenant_id, actor=ACTOR) as session:
        waiting = service.begin_again(session, tenant_id)
    total, done = waiting, 0
    with progress("search index") as report:
        while True:
            with db.session(tenant_id, actor=ACTOR) as session:
                indexed = service.index_changes(session, tenant_id, now=utc_now())
            done += indexed
            report(min(done, total), total, f"{done:,} records")
            if indexed < service.BATCH:
                break
    with db.engine.begin() as connection:
        connection.execute(ANALYZE)
    click.echo(f"{done:,} records indexed.")


@search.command("starter")
@tenant_option
@with_appcontext
def starter(tenant_code: str | None) -> None:
    """Add the synonyms that come with the product.

    Some 920 groups of spoken words, trade words and English for machines, oils, insurance and medicine. Groups of which
    the company has a word already are left out; editors change and delete the others like their own.
    """
    tenant_id, db = tenant_id_of(tenant_code), services().db
    now = utc_now()
    with db.session(tenant_id, actor=ACTOR) as session:
        added = service.add_starter_groups(session, identity.console_actor(tenant_id, now), now=now)
    click.echo(f"{added} groups of synonyms added.")


COMMANDS = (search,)
