"""`scripts/serve`: bring the database up to date, make the first account, then be gunicorn, all in one start of Python.

It needs gevent's patches: `python -m gevent.monkey --module transfer_service.serve [arguments of gunicorn]`.
"""

import os
import sys

import click
from gevent.monkey import get_original
from gunicorn.app.wsgiapp import WSGIApplication

from transfer_service.cli.accounts import make_first_admin
from transfer_service.cli.upkeep import bring_up_to_date
from wsgi import app

PREPARED = "PREPARED_FD"
"""The environment's name for a descriptor that is closed when the database is up to date: then the worker may begin."""


def main() -> None:
    """Serve until a signal comes."""
    status = _prepare_in_a_child()
    if status:
        sys.exit(status)
    descriptor = os.environ.pop(PREPARED, None)
    if descriptor is not None:
        os.close(int(descriptor))
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").run()


def _prepare_in_a_child() -> int:
    """Prepare, and give the exit code: what is forked from here later has no connection, thread or memory of that."""
    child = get_original("os", "fork")()
    try:
        if child == 0:
            os._exit(_prepare())
        _, status = get_original("os", "waitpid")(child, 0)
    except KeyboardInterrupt:
        return 130
    return 0 if status == 0 else 1


def _prepare() -> int:
    """What the commands `database upgrade` and `accounts create-first-admin` do, and an exit code."""
    try:
        with app.app_context():
            bring_up_to_date()
            make_first_admin()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    finally:
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    main()
