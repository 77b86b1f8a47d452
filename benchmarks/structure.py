"""How the package is built: modules, lines, imports, functions and constructors in numbers. Runs nothing of it."""

import argparse
import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from benchmarks.measure import say_table

PACKAGE = Path(__file__).parents[1] / "transfer_service"
LONG_FUNCTION_LINES = 40
LONG_MODULE_LINES = 300


@dataclass
class Structure:
    """What was counted. `arrows` are pairs of modules of which the first imports the second."""

    module_lines: list[int] = field(default_factory=list)
    import_lines: int = 0
    arrows: set[tuple[str, str]] = field(default_factory=set)
    function_lines: list[int] = field(default_factory=list)
    constructor_parameters: list[int] = field(default_factory=list)


def measure(package: Path) -> Structure:
    """Count what is in a package."""
    structure = Structure()
    paths = {_name_of(path, package): path for path in sorted(package.rglob("*.py"))}
    for name, path in paths.items():
        text = path.read_text()
        if not text.strip():  # the empty __init__.py of a folder
            continue
        structure.module_lines.append(len(text.splitlines()))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                structure.import_lines += (node.end_lineno or node.lineno) - node.lineno + 1
                structure.arrows.update((name, target) for target in _imported(node, paths) if target != name)
            elif isinstance(node, ast.FunctionDef):
                structure.function_lines.append((node.end_lineno or node.lineno) - node.lineno + 1)
                if node.name == "__init__":
                    structure.constructor_parameters.append(len(node.args.args) - 1 + len(node.args.kwonlyargs))
    return structure


def _name_of(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def _imported(node: ast.Import | ast.ImportFrom, modules: Collection[str]) -> Iterator[str]:
    """The modules of the package that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)
        return
    for alias in node.names:
        inner = f"{node.module}.{alias.name}"
        if inner in modules:
            yield inner
        elif node.module in modules:
            yield str(node.module)


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Nothing can be chosen."""


def run(_arguments: argparse.Namespace) -> None:
    """Print the table."""
    structure = measure(PACKAGE)
    lines = sum(structure.module_lines)
    long_functions = sum(count > LONG_FUNCTION_LINES for count in structure.function_lines)
    rows = [
        ("modules", f"{len(structure.module_lines)}"),
        ("lines", f"{lines}"),
        ("lines of a module, median", f"{median(structure.module_lines):.0f}"),
        ("lines of a module, most", f"{max(structure.module_lines)}"),
        (f"modules over {LONG_MODULE_LINES} lines", f"{sum(n > LONG_MODULE_LINES for n in structure.module_lines)}"),
        ("import arrows between modules", f"{len(structure.arrows)}"),
        ("import arrows in 1 000 lines", f"{len(structure.arrows) / lines * 1000:.1f}"),
        ("lines that are imports", f"{structure.import_lines / lines:.1%}"),
        ("lines of a function, median", f"{median(structure.function_lines):.0f}"),
        (f"functions over {LONG_FUNCTION_LINES} lines", f"{long_functions / len(structure.function_lines):.1%}"),
        ("parameters of a constructor, 90 %", f"{quantiles(structure.constructor_parameters, n=10)[-1]:.0f}"),
        ("parameters of a constructor, most", f"{max(structure.constructor_parameters)}"),
    ]
    say_table("How transfer_service is built", ["", "measured"], rows)
