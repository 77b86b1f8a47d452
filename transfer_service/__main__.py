"""`transfer-service`: the commands of `flask --app wsgi`, for an installation from the wheel, in any folder."""

import sys

from transfer_service.version import VERSION

PROGRAM = "transfer-service"
HELP = ("-h", "--help")


def main() -> None:
    """Run what the command line says."""
    words = sys.argv[1:]
    if words[:1] == ["--version"]:
        sys.stdout.write(f"{PROGRAM} {VERSION}\n")
    elif words == ["worker"] or (words[:1] in (["serve"], ["instance"]) and not set(words) & set(HELP)):
        from transfer_service.cli.programs import become

        become(*words)  # at once: it will build the app by itself
    else:
        from flask.cli import ScriptInfo

        from transfer_service.wsgi import app

        app.cli.help = "A self-hosted file-transfer backend. Settings are read from the environment and from ./.env."
        app.cli.main(prog_name=PROGRAM, obj=ScriptInfo(create_app=lambda: app))


if __name__ == "__main__":
    main()
