"""The command line: what becomes a program of its own, `serve` and `worker`."""

import os
import sys

import click
from flask import Flask

from transfer_service.shipped import PACKAGE, shipped


@click.command("serve", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Bring the database up to date, make the first account, and serve, with a worker, until SIGTERM or Ctrl-C.

    ARGUMENTS are those of gunicorn; what it listens on and all else are settings.
    """
    become("serve", *arguments)


@click.command("worker")
@click.option("--metrics", is_flag=True, help="Answer Prometheus too, where no service has the same address.")
def worker(metrics: bool) -> None:
    """Fetch remote downloads, and make one object of each file in pieces, until SIGTERM or Ctrl-C.

    Any number may run: wherever the service may.
    """
    become("worker", *(["--metrics"] if metrics else []))


def become(program: str, *arguments: str) -> None:
    """Be `serve` or `worker` in place of this process: gevent has to patch before anything is imported."""
    path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    if program == "serve":
        arguments = ("--config", str(shipped("gunicorn.conf.py")), *arguments)
    # Without the folder that it is started in (-P), where anything may lie.
    command = [sys.executable, "-P", "-m", "gevent.monkey", "--module", f"transfer_service.{program}", *arguments]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606 - nothing of it comes from outside


def init_programs(app: Flask) -> None:
    """Add the commands to `flask --app wsgi`."""
    for command in (serve, worker):
        app.cli.add_command(command)
