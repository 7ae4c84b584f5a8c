"""Ways of doing things that are known to hurt."""

import ast
from collections.abc import Callable, Collection

from .workspace import NothingToCheckError, Source

POLL_INTERVAL = 0.1
FOR_EVER = 60.0
SLEEPS = frozenset({"time.sleep", "asyncio.sleep", "anyio.sleep", "sleep"})
BANNED_IMPORTS = {
    "pickle": "a pickle runs code; send JSON",
    "BaseHTTPMiddleware": "it hides disconnects and costs two thirds of the throughput; write plain ASGI",
}


def hopeful_sleeps(files: Collection[Source]) -> list[str]:
    """Find tests that wait for luck.

    A constant up to 0.1 s is the interval of a poll with a deadline, one from 60 s on stands for "for ever"; what lies
    between hopes that something has happened by then. An event or an injected clock knows.
    """
    return _found(files, _hopeful)


def banned_imports(files: Collection[Source]) -> list[str]:
    """Find imports of what the project keeps out."""
    return _found(files, _banned)


def _found(files: Collection[Source], reason: Callable[[ast.AST], str | None]) -> list[str]:
    if not files:
        raise NothingToCheckError("no files to read")
    return [
        f"{file.path}:{getattr(node, 'lineno', 0)}: {why}"
        for file in files
        for node in ast.walk(file.tree)
        if (why := reason(node)) is not None
    ]


def _hopeful(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call) or ast.unparse(node.func) not in SLEEPS or not node.args:
        return None
    argument = node.args[0]
    if not isinstance(argument, ast.Constant) or not isinstance(argument.value, int | float):
        return None
    if POLL_INTERVAL < argument.value < FOR_EVER:
        return f"{ast.unparse(node)} hopes; wait for an event, or poll with a deadline"
    return None


def _banned(node: ast.AST) -> str | None:
    names: set[str] = set()
    if isinstance(node, ast.Import):
        names = {alias.name.partition(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
        names = {(node.module or "").partition(".")[0], *(alias.name for alias in node.names)}
    return next((f"no {name}: {why}" for name, why in BANNED_IMPORTS.items() if name in names), None)
