"""The command line: `flask --app wsgi cleanup | database | verify`."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import make_url

from transfer_service.cli.accounts import plain_errors
from transfer_service.config import known_database
from transfer_service.db.database import failures_named
from transfer_service.db.moving import Moved, move_database
from transfer_service.db.schema import check, upgrade
from transfer_service.errors import SchemaOutdated
from transfer_service.services.upkeep.cleanup import Report
from transfer_service.services.upkeep.installation import Survey
from transfer_service.services.upkeep.orphans import Tally
from transfer_service.services.upkeep.verification import Fault, Verdict
from transfer_service.shipped import COMMAND
from transfer_service.web.admin.cleanup import message_of, report_json
from transfer_service.web.context import services

database = AppGroup("database", help="The database: its schema, and where it is.")


@database.command("upgrade")
def upgrade_database() -> None:
    """Bring the schema up to date. Run it before the service starts."""
    bring_up_to_date()


@plain_errors
def bring_up_to_date() -> None:
    """See `upgrade_database`, without a command line."""
    try:
        check(services().database)
    except SchemaOutdated:
        if services().database.is_read_only:
            raise
        with failures_named():
            upgrade(services().database.url)
    services().installation.ensure()
    services().database.take_reserve()
    click.echo("Database is up to date")


@database.command("adopt")
@click.option("--yes", is_flag=True, help="Do not ask.")
@plain_errors
def adopt(yes: bool) -> None:
    """Join this database and this store on purpose, whatever they belonged to. Stop the service before."""
    survey = services().installation.survey()
    _show_survey(survey)
    if survey.are_joined:
        click.echo("They belong together already")
    else:
        if not yes:
            click.confirm("Join them?", abort=True)
        services().installation.adopt()
        click.echo("They belong together now")
    _adopt_key(yes)


def _adopt_key(yes: bool) -> None:
    """Take a key that was changed on purpose for the installation's."""
    if not services().signing_key.is_another():
        return
    click.echo(
        "SECRET_KEY is another one than that of the installation: instances with the other one refuse its tokens"
    )
    if not yes:
        click.confirm("Is it the one that all instances have from now on?", abort=True)
    services().signing_key.adopt()
    click.echo("The key is the installation's now")


@database.command("move")
@click.argument("from_url")
@click.argument("to_url")
@plain_errors
def move(from_url: str, to_url: str) -> None:
    """Carry the database at FROM_URL over to TO_URL, which must be empty; - reads the URL from standard input.

    Killed, it goes on where it was when it is called again. The service must be stopped or in read-only mode.
    """
    source, target = read_urls(known_database, from_url, to_url)
    moved = move_database(source, target, tell=_show_progress)
    click.echo(f"Moved and compared: {len(moved)} tables, {sum(each.rows for each in moved)} rows")
    if not services().core.settings.read_only:
        click.echo(
            "What a service that still runs writes to the old database from now on is not in the new one: if it was "
            "neither stopped nor in read-only mode, do that now, empty the new database, and call this again"
        )
    shown = make_url(target).set(drivername=make_url(target).get_backend_name())
    click.echo(f"Set TRANSFER_DATABASE_URL={shown.render_as_string(hide_password=True)} and start the service")


def read_urls(known: Callable[[str], str | None], from_url: str, to_url: str) -> list[str]:
    """URLs as `known` has them, a line of standard input in the place of each `-`. Raises ClickException."""
    urls = []
    for name, given in (("FROM_URL", from_url), ("TO_URL", to_url)):
        try:
            url = known(sys.stdin.readline().strip() if given == "-" else given)
        except ValueError as error:
            raise click.ClickException(f"{name} {error}") from error
        urls.append(url or "")
    return urls


def _show_progress(moved: Moved) -> None:
    click.echo(f"{moved.table}: {moved.rows} rows", err=True)


def _show_survey(survey: Survey) -> None:
    click.echo(f"The database belongs to {survey.database_id or 'no installation'}")
    for name, census in survey.census.items():
        click.echo(f"{name[0].upper()}{name[1:]} belongs to {survey.ids[name] or 'no installation'}")
        click.echo(f"  the database knows {census.records}, of which {census.lacking} are not there")
        click.echo(f"  there are {census.stored}, of which {census.unknown} are unknown to the database")


@click.command("cleanup")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--yes-remove-many", is_flag=True, help="Take orphans away even where they are very many.")
@with_appcontext
@plain_errors
def cleanup(dry_run: bool, as_json: bool, yes_remove_many: bool) -> None:
    """Remove stale uploads, leftovers and spent sign-ins; set orphaned files aside.

    Orphans of more than 10 % of all files or 1 GiB stay where they are: the exit code is 1 then.
    """
    services().recovery.ensure()  # it may run before the service does, after a power loss
    report = services().cleanup.run(dry_run=dry_run, even_many=yes_remove_many)
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "message": message_of(report), **report_json(report)}))
    else:
        _show(report, dry_run=dry_run)
        click.echo(message_of(report), err=bool(report.left.count))
    if report.left.count:
        sys.exit(1)


def _show(report: Report, *, dry_run: bool) -> None:
    verb = "would remove" if dry_run else "removed"
    for kind in report.removed.__slots__:
        tally: Tally = getattr(report.removed, kind)
        click.echo(f"{_plain(kind)}: {verb} {tally.count}, {tally.bytes} bytes")
    restored = "would restore" if dry_run else "restored"
    click.echo(f"quarantine: {restored} {report.restored.count}, {report.restored.bytes} bytes")
    click.echo(f"quarantine: holds {report.in_quarantine.count}, {report.in_quarantine.bytes} bytes")
    if report.missing:
        click.echo(f"missing: {report.missing} finished files have no bytes; `{COMMAND} verify` names them")


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@with_appcontext
@plain_errors
def verify(as_json: bool) -> None:
    """Compare every stored byte with its digest. The service may run meanwhile.

    Names every damaged and missing file; the exit code is 1 where there is one.
    """
    restored = 0 if services().database.is_read_only else services().orphans.restore()
    verdict = services().verification.run(on_fault=_do_nothing if as_json else show_fault)
    if as_json:
        checked = {kind.value: asdict(tally) for kind, tally in verdict.checked.items()}
        faults = [asdict(fault) for fault in verdict.faults]
        click.echo(json.dumps({"checked": checked, "restored": restored, "faults": faults}))
    else:
        show_verdict(verdict, restored)
    if verdict.faults:
        sys.exit(1)


def _plain(word: str) -> str:
    return word.replace("_", " ")


def _do_nothing(_fault: Fault) -> None:
    """All of them come at the end."""


def show_fault(fault: Fault) -> None:
    """One line for what is damaged or missing."""
    click.echo(f"{fault.problem}: {_plain(fault.kind)} {fault.name} ({fault.id}) of {fault.account or 'nobody'}")


def show_verdict(verdict: Verdict, restored: int) -> None:
    """What was looked at, and what came of it."""
    for kind, tally in verdict.checked.items():
        click.echo(f"{_plain(kind)}s: {tally.count} checked, {tally.bytes} bytes read")
    if restored:
        click.echo(f"{restored} came back from the quarantine")
    click.echo(f"{len(verdict.faults)} damaged or missing" if verdict.faults else "All is well")


def init_upkeep_commands(app: Flask) -> None:
    """Add the commands to `flask --app wsgi`."""
    for command in (database, cleanup, verify):
        app.cli.add_command(command)
