"""Policies as text around a call, put together to one function.

A layer of its own costs a call about 0.4 µs for each policy: a coroutine, its arguments packed and unpacked. A
policy of this package therefore says in a few lines of Python, its *fragment*, what it does around `{inner}`. The
fragments of a pipeline are indented into each other and compiled once, so that four policies share one frame. They are
constants of this package: nothing that a user gives ever becomes part of the text.

In a fragment, `{p}` stands for the policy, `{t}` for a variable of its own; `deadline` is the deadline that holds,
`traits_here()` returns the current `Traits`, `function`, `args` and `kwargs` are the call, `result` is what it
returned. The text of the synchronous twin is the same with `await` left out and `_async(` replaced by `_sync(`.
"""

from __future__ import annotations

from functools import lru_cache
from types import CoroutineType, MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from ._deadline import deadline_here
from ._traits import traits_here

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType
    from typing import Any

_INDENT = "    "
_CALL = "result = await function(*args, **kwargs)"
_CHECK = "if type(result) is Coroutine:\n    refuse(function, result)"
_NESTED = "result = await within(function, *args, **kwargs)"


def weave(fragments: Sequence[str], *, asynchronous: bool, nested: bool = False, method: bool = False) -> str:
    """Write the source of the function that several fragments make.

    Args:
        fragments: From the outside to the inside.
        asynchronous: Whether the function is a coroutine.
        nested: Whether it calls `within(function, …)`, which holds further policies, instead of the function.
        method: Whether it is a method of the one policy, instead of a function that knows its policies.
    """
    body = _NESTED if nested else _CALL if asynchronous else f"{_CALL}\n{_CHECK}"
    for index, fragment in reversed(list(enumerate(fragments))):
        body = _surround(fragment.strip("\n").format(p=f"p{index}", t=f"t{index}", n=index, inner="{inner}"), body)
    policies = [f"p{index}" for index in range(len(fragments))]
    known, bound = ([], "p0, ") if method else (policies, "")
    lines = [
        f"def weave({', '.join([*known, 'within'])}):",
        f"    async def call({bound}function, /, *args, **kwargs):",
        "        deadline = deadline_here()",
        "        if deadline is not None:",
        "            deadline.check()",
        *(2 * _INDENT + line for line in body.splitlines()),
        "        return result",
        "    return call",
    ]
    text = "\n".join(lines) + "\n"
    return text if asynchronous else text.replace("async def", "def").replace("await ", "").replace("_async(", "_sync(")


def _surround(fragment: str, body: str) -> str:
    lines = []
    for line in fragment.splitlines():
        before, found, _ = line.partition("{inner}")
        lines += [before + part for part in body.splitlines()] if found else [line]
    return "\n".join(lines)


@lru_cache(maxsize=256)
def _compiled(
    fragments: tuple[str, ...], *, asynchronous: bool, nested: bool = False, method: bool = False
) -> CodeType:
    import linecache  # noqa: PLC0415 (only the first call of a shape pays for it)

    source = weave(fragments, asynchronous=asynchronous, nested=nested, method=method)
    name = f"<hxp_resilience {abs(hash(source)):x}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # tracebacks show the lines
    return compile(source, name, "exec", dont_inherit=True)


def fuse(
    policies: Sequence[tuple[Any, str]], *, asynchronous: bool, within: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """Make one function of several policies.

    Args:
        policies: Each policy with its fragment, from the outside to the inside.
        asynchronous: Whether the function is a coroutine.
        within: What holds further policies, called with the function and its arguments.

    Returns:
        A function that takes another one with its arguments, and calls it.
    """
    code = _compiled(tuple(text for _, text in policies), asynchronous=asynchronous, nested=within is not None)
    return _run(code)(*(policy for policy, _ in policies), within)


def as_method(fragment: str, *, asynchronous: bool) -> Callable[..., Any]:
    """Make the method with which one policy alone calls a function."""
    return _run(_compiled((fragment,), asynchronous=asynchronous, method=True))(None)


def _refuse(function: object, result: CoroutineType[Any, Any, Any]) -> NoReturn:
    result.close()  # nobody will await it
    raise TypeError(f"{function!r} is a coroutine function: await `call` instead of `call_sync`")


_KNOWN = MappingProxyType(
    {"Coroutine": CoroutineType, "deadline_here": deadline_here, "refuse": _refuse, "traits_here": traits_here}
)


def _run(code: CodeType) -> Callable[..., Callable[..., Any]]:
    space: dict[str, Any] = dict(_KNOWN)
    exec(code, space)  # noqa: S102 (the text is ours, see above)
    woven: Callable[..., Callable[..., Any]] = space["weave"]
    return woven
