"""What speaks to Redis: the strategies of `limits`, over redis-py. Only this file needs the extra `redis`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    HitAsync: TypeAlias = Callable[[int, int, tuple[str, str], int], Awaitable[bool]]
    HitSync: TypeAlias = Callable[[int, int, tuple[str, str], int], bool]

_MISSING = 'a shared rate limit needs `pip install "hxp-resilience[redis]"`'


def connect_async(url: str, patience: float) -> HitAsync:
    """Return what takes so many of a limit in a task: limit, seconds, key and cost; it tells whether it could.

    Args:
        url: `redis://…`.
        patience: Seconds that connecting and answering may take.

    Raises:
        ModuleNotFoundError: The extra is not installed.
    """
    try:
        from limits import RateLimitItemPerSecond  # noqa: PLC0415 (an optional dependency)
        from limits.aio.storage import RedisStorage  # noqa: PLC0415 (as above)
        from limits.aio.strategies import MovingWindowRateLimiter  # noqa: PLC0415 (as above)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(_MISSING, name=error.name) from error
    storage = RedisStorage(
        f"async+{url}",
        implementation="redispy",
        socket_timeout=patience,
        socket_connect_timeout=patience,
    )
    limiter = MovingWindowRateLimiter(storage)

    async def hit(limit: int, seconds: int, key: tuple[str, str], cost: int) -> bool:
        return await limiter.hit(RateLimitItemPerSecond(limit, seconds, namespace="hxp"), *key, cost=cost)

    return hit


def connect_sync(url: str, patience: float) -> HitSync:
    """Return the same for a thread.

    Args:
        url: `redis://…`.
        patience: Seconds that connecting and answering may take.

    Raises:
        ModuleNotFoundError: The extra is not installed.
    """
    try:
        from limits import RateLimitItemPerSecond  # noqa: PLC0415 (an optional dependency)
        from limits.storage import RedisStorage  # noqa: PLC0415 (as above)
        from limits.strategies import MovingWindowRateLimiter  # noqa: PLC0415 (as above)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(_MISSING, name=error.name) from error
    storage = RedisStorage(url, socket_timeout=patience, socket_connect_timeout=patience)
    limiter = MovingWindowRateLimiter(storage)

    def hit(limit: int, seconds: int, key: tuple[str, str], cost: int) -> bool:
        return limiter.hit(RateLimitItemPerSecond(limit, seconds, namespace="hxp"), *key, cost=cost)

    return hit
