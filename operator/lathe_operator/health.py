"""What kubelet and Prometheus ask: /healthz, /readyz, /metrics; the door to aiohttp's server."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

logger = logging.getLogger(__name__)

Check = Callable[[], str | None]
"""Says what is wrong; None when nothing is."""


@asynccontextmanager
async def served(host: str, port: int, *, readiness: Check) -> AsyncIterator[int]:
    """Answer as long as the block runs; gives the port.

    /healthz says ok as long as the event loop turns: whatever else fails ends the process.
    """
    app = web.Application()
    app.router.add_get("/healthz", _checked(lambda: None))
    app.router.add_get("/readyz", _checked(readiness))
    app.router.add_get("/metrics", _metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = int(runner.addresses[0][1])
        logger.info("serving /healthz, /readyz and /metrics on port %d", bound)
        yield bound
    finally:
        await runner.cleanup()


def _checked(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        fault = check()
        return web.Response(text=fault or "ok", status=503 if fault else 200)

    return answer


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
