"""`flask --app wsgi webhooks`."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import update

from transfer_service.bootstrap import Services
from transfer_service.models.webhooks import WebhookDelivery

NOBODY = "00000000-0000-0000-0000-000000000000"
URL = "https://hook.example/"
Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    return lambda *words: app.test_cli_runner().invoke(args=["webhooks", *words])


def added(run: Run, *options: str) -> str:
    """The id of a new webhook."""
    result = run("add", URL, *options)
    assert result.exit_code == 0, result.output
    _, webhook_id, _, _, secret = result.output.split()
    assert secret.startswith("whsec_")
    return webhook_id


def test_one_is_added_listed_and_removed(run: Run) -> None:
    webhook_id = added(run, "--event", "file.deleted", "--event", "file.completed", "--account", "bob")
    assert run("list").output == f"{webhook_id}\tactive\tbob\tfile.completed,file.deleted\t{URL}\n"
    (listed,) = json.loads(run("list", "--json").output)["webhooks"]
    assert (listed["id"], listed["url"], "secret" in listed) == (webhook_id, URL, False)
    assert run("remove", webhook_id).output == f"Webhook {webhook_id} removed\n"
    assert run("list").output == ""


def test_what_has_failed_is_shown_and_redelivered(run: Run, services: Services) -> None:
    webhook_id = added(run)
    assert run("test", webhook_id).output == "A test is on its way\n"
    with services.database.write() as session:
        session.execute(update(WebhookDelivery).values(failed_at=services.core.now(), error="timeout", tries=8))
    failed_id, *rest = run("failed").output.rstrip("\n").split("\t")
    assert rest[:4] == [webhook_id, "webhook.test", "8", "timeout"]
    assert json.loads(run("failed", "--json").output)["failed"][0]["id"] == failed_id
    assert run("failed", "--redeliver", failed_id).output == "It is tried again\n"
    assert run("failed").output == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "hook.example"], "url must be"),
        (["add", URL, "--event", "file.renamed"], "events must be some of"),
        (["add", URL, "--account", "nobody"], "No account has this name"),
        (["remove", NOBODY], "Webhook not found"),
        (["remove", "x"], "Webhook not found"),
        (["test", NOBODY], "Webhook not found"),
        (["failed", "--redeliver", NOBODY], "Failed delivery not found"),
    ],
)
def test_what_cannot_be_is_a_sentence(run: Run, words: list[str], message: str) -> None:
    result = run(*words)
    assert (result.exit_code, message in result.output, "Traceback" in result.output) == (1, True, False)
