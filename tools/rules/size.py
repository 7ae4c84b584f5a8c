"""Files and functions stay small enough to be read."""

import ast
from collections.abc import Collection, Iterator

from .workspace import NothingToCheckError, Source

FILE_LINES = 600
FUNCTION_LINES = 80
USUAL_FUNCTION_LINES = 40
USUAL_SHARE = 0.95
PARAMETERS = 7


def long_files(files: Collection[Source]) -> list[str]:
    """Find files past 600 lines."""
    _require(files)
    counted = [(file.path, len(file.text.splitlines())) for file in files]
    return [f"{path}: {lines} lines, {FILE_LINES} are the end" for path, lines in counted if lines > FILE_LINES]


def long_functions(files: Collection[Source]) -> list[str]:
    """Find functions past 80 lines, and whether more than one in twenty takes 40."""
    sizes = sorted((_lines(function), where) for where, function in _functions(files))
    _require(sizes)
    long = [f"{where}: {lines} lines, {FUNCTION_LINES} are the end" for lines, where in sizes if lines > FUNCTION_LINES]
    usual = sum(lines < USUAL_FUNCTION_LINES for lines, _ in sizes)
    if usual < USUAL_SHARE * len(sizes):
        long.append(f"{len(sizes) - usual} of {len(sizes)} functions take {USUAL_FUNCTION_LINES} lines or more")
    return long


def many_parameters(files: Collection[Source]) -> list[str]:
    """Find functions with more than seven parameters; what a method is bound to does not count."""
    _require(files)
    found = []
    for where, function in _functions(files):
        arguments = function.args
        names = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)} - {"self", "cls"}
        if len(names) > PARAMETERS:
            found.append(f"{where}: {len(names)} parameters, {PARAMETERS} are the most; use an options dataclass")
    return found


def _functions(files: Collection[Source]) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for file in files:
        for node in ast.walk(file.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{file.path}:{node.lineno} {node.name}", node


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _require(things: Collection[object]) -> None:
    if not things:
        raise NothingToCheckError("no files or functions to measure")
