"""How a command is made: beside its own parameters it gets the options that all have, and a `Context`."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from transfer_service_client.cli.context import Context
from transfer_service_client.cli.output import Options

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]
COMMON = {"as_json": AsJson, "quiet": Quiet, "debug": Debug}
SETTINGS = {"help_option_names": ["-h", "--help"]}
GOES_ON = "Stopped. What has arrived is kept: the same command goes on from there."
Command = Callable[..., None]


class Readable(TyperCommand):
    """A command whose help names arguments as its examples do, without types of a programming language."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands behind the command's name."""
        arguments = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        return [self.options_metavar or "", *(each.metavar or "" for each in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options."""
        rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is not None:
                name = each.metavar if each.param_type_name == "argument" else record[0]
                rows[each.param_type_name].append((name or "", record[1]))
        for title, found in (("Arguments", rows["argument"]), ("Options", rows["option"])):
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)


class Interrupted(Exception):
    """Somebody has asked for an end; the text says what is kept."""


class ReaderGone(Exception):
    """Nobody reads the results any more."""


def command(
    app: typer.Typer, name: str, *, examples: str = "", when_stopped: str = "Stopped.", panel: str | None = None
) -> Callable[[Command], Command]:
    """Register a function of a `Context` and its own parameters; its docstring is the help, `examples` close it."""

    def register(function: Command) -> Command:
        def run(ctx: typer.Context, **given: Any) -> None:
            options = note(ctx, **{key: given.pop(key) for key in COMMON})
            context = Context(options)
            try:
                function(context, **given)
            except KeyboardInterrupt as error:
                raise Interrupted(when_stopped) from error
            except BrokenPipeError as error:
                raise ReaderGone from error
            finally:
                context.close()

        hints = get_type_hints(function, include_extras=True)
        own = list(inspect.signature(function).parameters.values())[1:]
        parameters = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
        parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[each.name]) for each in own]
        parameters += [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
            for key, kind in COMMON.items()
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(
            name,
            cls=Readable,
            help=help_of(inspect.getdoc(function) or "", examples),
            short_help=(inspect.getdoc(function) or "").split("\n")[0].rstrip("."),
            context_settings=SETTINGS,
            rich_help_panel=panel,
        )(run)
        return function

    return register


def note(ctx: typer.Context, *, as_json: bool, quiet: bool, debug: bool) -> Options:
    """Take options that may stand before the command's name and behind it."""
    options = ctx.find_object(Options) or Options()
    options.json |= as_json
    options.quiet |= quiet
    options.debug |= debug
    return options


def help_of(text: str, examples: str) -> str:
    """A help text whose examples keep their lines."""
    return f"{text}\n\n\b\nExamples:\n{examples}" if examples else text
