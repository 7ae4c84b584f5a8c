"""An `__init__.py` lists what a package offers, once for each reader, and does nothing else."""

import ast
from collections.abc import Collection, Iterable

from .workspace import NothingToCheckError, Source

LAZY = "__getattr__, __dir__ = lazy_"


def busy_inits(files: Collection[Source]) -> list[str]:
    """Find statements in an `__init__.py` that are neither imports, nor one lazy export, nor `__all__`."""
    return [
        f"{file.path}:{node.lineno}: {ast.unparse(node).splitlines()[0]!r} belongs in a module"
        for file in _inits(files)
        for node in file.tree.body
        if not (_is_docstring(node) or _is_import(node) or _listed([node]) is not None or _is_lazy_export(node))
    ]


def untrue_lists(files: Collection[Source]) -> list[str]:
    """Find an `__all__` that is unsorted, or that differs from what is imported or lazily exported."""
    found = []
    for file in _inits(files):
        listed = _listed(file.tree.body) or []
        if listed != sorted(set(listed), key=_order):
            found.append(f"{file.path}: `__all__` is not sorted (constants, classes, the rest) or holds a name twice")
        if different := set(listed) ^ _offered(file.tree.body):
            found.append(f"{file.path}: `__all__` and the imports differ in {sorted(different)}")
    return found


def split_lists(files: Collection[Source]) -> list[str]:
    """Find a lazy export that differs from the imports under `if TYPE_CHECKING`."""
    found = []
    for file in _inits(files):
        for node in file.tree.body:
            if not (isinstance(node, ast.If) and _is_lazy_export(node)):
                continue
            if different := _imported(node.body) ^ _mapped(node.orelse[0]):
                found.append(f"{file.path}: type checkers and the import system see different names: {different}")
    return found


def _inits(files: Collection[Source]) -> list[Source]:
    inits = [file for file in files if file.path.name == "__init__.py"]
    if not inits:
        raise NothingToCheckError("no __init__.py to check")
    return inits


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _is_lazy_export(node: ast.stmt) -> bool:
    """Tell whether a statement pairs imports for type checkers with one lazy export for the import system."""
    return (
        isinstance(node, ast.If)
        and ast.unparse(node.test) == "TYPE_CHECKING"
        and all(_is_import(child) or (isinstance(child, ast.AnnAssign) and not child.value) for child in node.body)
        and len(node.orelse) == 1
        and ast.unparse(node.orelse[0]).replace("(", "", 1).replace(")", "", 1).startswith(LAZY)
    )


def _listed(body: Iterable[ast.stmt]) -> list[str] | None:
    """Read `__all__`, if the statements hold it as a plain list."""
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def _offered(body: Iterable[ast.stmt]) -> set[str]:
    """Collect the names that eager imports and a lazy export hand on."""
    offered: set[str] = set()
    for node in body:
        if isinstance(node, ast.If) and _is_lazy_export(node):
            offered |= {name for _, name in _imported(node.body)}
            offered |= {ast.unparse(child.target) for child in node.body if isinstance(child, ast.AnnAssign)}
        elif isinstance(node, ast.ImportFrom) and not _is_tool(node):
            offered |= {name for _, name in _imported([node])}
    return offered


def _is_tool(node: ast.ImportFrom) -> bool:
    """Tell whether an import only serves the `__init__.py` itself."""
    return node.module in {"typing", "__future__"} or (node.module or "").rpartition(".")[2] == "_lazy"


def _imported(body: Iterable[ast.stmt]) -> set[tuple[str, str]]:
    """Collect the pairs of module and name that imports bind; a module bound whole stands for itself."""
    pairs: set[tuple[str, str]] = set()
    for node in body:
        if isinstance(node, ast.Import):
            pairs |= {(alias.name, alias.asname or alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            pairs |= {(node.module or "", alias.asname or alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            pairs |= {(f"{node.module}.{alias.name}", alias.asname or alias.name) for alias in node.names}
    return pairs


def _mapped(node: ast.stmt) -> set[tuple[str, str]]:
    """Collect the pairs of module and name of a lazy export, in any of its three forms."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return set()
    names = ast.literal_eval(node.value.args[1])
    if isinstance(names, list):  # of submodules
        return {("", name) for name in names}
    if all(isinstance(value, str) for value in names.values()):  # name: package
        return {(module, name) for name, module in names.items()}
    return {(module, name) for module, values in names.items() for name in values}


def _order(name: str) -> tuple[int, str]:
    if len(name) > 1 and name.isupper():
        return 0, name
    return (1 if name[:1].isupper() else 2), name
