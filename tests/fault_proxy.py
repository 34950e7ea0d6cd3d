"""A proxy before an API server: it refuses, breaks off, loses answers and cuts watches to order."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web


class Cut(Enum):
    """Where a connection ends without an answer."""

    BEFORE = auto()
    """The server never heard of the request."""
    AFTER = auto()
    """The server has done what was asked."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request does not reach the server, and is answered like this."""

    code: int
    reason: str = ""
    retry_after: int | None = None


Trouble = Cut | Refuse
Choose = Callable[[str, str], Trouble | None]
"""Says what happens to a request of that method, for that path."""
HOP = frozenset({"host", "content-length", "transfer-encoding", "connection", "keep-alive"})
"""Headers that are about one connection."""


@dataclass
class FaultProxy:
    """A proxy that runs.

    Attributes:
        upstream: The URL of the API server.
        context: How it is trusted.
        choose: What happens to which request.
        endpoint: Where the proxy listens, without TLS.
        met: What has happened to whom.
    """

    upstream: str
    context: ssl.SSLContext
    choose: Choose = lambda _, __: None
    endpoint: str = ""
    met: list[tuple[Trouble, str, str]] = field(default_factory=list)
    _watches: set[asyncio.Task[Any]] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def cut_watches(self) -> int:
        """End every watch that is open now; say how many there were."""

        async def cut() -> int:
            watches = list(self._watches)
            for watch in watches:
                watch.cancel()
            return len(watches)

        return asyncio.run_coroutine_threadsafe(cut(), self._loop).result(10)

    async def serve(self, started: threading.Event, ended: asyncio.Event) -> None:
        """Serve until `ended`."""
        connector = aiohttp.TCPConnector(ssl=self.context, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            app = web.Application(client_max_size=2**24)
            app.router.add_route("*", "/{path:.*}", partial(self._answer, session))
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
            started.set()
            await ended.wait()
            for watch in self._watches:
                watch.cancel()
            await runner.cleanup()

    async def _answer(
        self, session: aiohttp.ClientSession, request: web.Request
    ) -> web.StreamResponse:
        trouble = self.choose(request.method, request.path)
        if trouble is not None:
            self.met.append((trouble, request.method, request.path))
        if isinstance(trouble, Refuse):
            return _refusal(trouble)
        if trouble is Cut.BEFORE:
            return _broken(request)
        headers = {name: each for name, each in request.headers.items() if name.lower() not in HOP}
        async with session.request(
            request.method,
            self.upstream + request.path_qs,
            data=await request.read() or None,
            headers=headers,
            skip_auto_headers={"content-type", "accept", "accept-encoding", "user-agent"},
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            if trouble is Cut.AFTER:
                await answer.read()
                return _broken(request)
            return await self._passed_on(request, answer)

    async def _passed_on(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        headers = {name: each for name, each in answer.headers.items() if name.lower() not in HOP}
        if request.query.get("watch") != "true":
            return web.Response(status=answer.status, body=await answer.read(), headers=headers)
        told = web.StreamResponse(status=answer.status, headers=headers)
        await told.prepare(request)
        watch = asyncio.ensure_future(_pumped(answer, told))
        self._watches.add(watch)
        try:
            await watch
        except (asyncio.CancelledError, aiohttp.ClientError, ConnectionError):
            _broken(request)
        finally:
            self._watches.discard(watch)
        return told


async def _pumped(answer: aiohttp.ClientResponse, told: web.StreamResponse) -> None:
    async for chunk in answer.content.iter_any():
        await told.write(chunk)


def _broken(request: web.Request) -> web.Response:
    """End the connection as a crash would."""
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()
    return web.Response()


def _refusal(trouble: Refuse) -> web.Response:
    told = {"kind": "Status", "code": trouble.code, "reason": trouble.reason, "message": "to order"}
    later = trouble.retry_after
    return web.json_response(
        {"apiVersion": "v1", "status": "Failure", **told},
        status=trouble.code,
        headers={"Retry-After": str(later)} if later is not None else {},
    )


async def _quiet() -> None:
    """Let everything end that was told to: a transport that is aborted is closed a moment later."""
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(tasks)
    await asyncio.sleep(0)


@contextmanager
def fault_proxy(upstream: str, context: ssl.SSLContext) -> Iterator[FaultProxy]:
    """Start a proxy in a thread of its own, and end it."""
    proxy, started, ended = FaultProxy(upstream, context), threading.Event(), asyncio.Event()

    def run() -> None:
        asyncio.set_event_loop(proxy._loop)
        proxy._loop.run_until_complete(proxy.serve(started, ended))
        proxy._loop.run_until_complete(_quiet())

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(30), "the proxy does not start"
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(ended.set)
        thread.join(120)
        proxy._loop.close()
