"""The command line: what becomes a program of its own, `serve`, `instance` and `worker`."""

import os
import sys

import click
from flask import Flask

from transfer_service.shipped import PACKAGE, shipped

PROGRAMS = {
    "serve": ("gevent.monkey", "--module", "transfer_service.serve"),
    "instance": ("gunicorn",),  # its configuration patches, before all else
    "worker": ("gevent.monkey", "--module", "transfer_service.worker"),
}
_OPEN = {"ignore_unknown_options": True, "help_option_names": ["--help"]}


@click.command("serve", context_settings=_OPEN)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Bring the database up to date, make the first account, and serve, with a worker, until SIGTERM or Ctrl-C.

    ARGUMENTS are those of gunicorn; what it listens on and all else are settings.
    """
    become("serve", *arguments)


@click.command("instance", context_settings=_OPEN)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def instance(arguments: tuple[str, ...]) -> None:
    """Serve and nothing else, on a database that is up to date: one of several instances.

    ARGUMENTS are those of gunicorn; what it listens on and all else are settings.
    """
    become("instance", *arguments)


@click.command("worker")
@click.option("--metrics", is_flag=True, help="Answer Prometheus too, where no service has the same address.")
def worker(metrics: bool) -> None:
    """Fetch remote downloads, and make one object of each file in pieces, until SIGTERM or Ctrl-C.

    Any number may run: wherever the service may.
    """
    become("worker", *(["--metrics"] if metrics else []))


def become(program: str, *arguments: str) -> None:
    """Be one of PROGRAMS in place of this process: gevent has to patch before anything is imported."""
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    if program != "worker":
        arguments = ("--config", str(shipped("gunicorn.conf.py")), *arguments)
    # Without the folder that it is started in (-P), where anything may lie.
    command = [sys.executable, "-P", "-m", *PROGRAMS[program], *arguments]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606 - nothing of it comes from outside


def init_programs(app: Flask) -> None:
    """Add the commands to `flask --app wsgi`."""
    for command in (serve, instance, worker):
        app.cli.add_command(command)
