"""The MCP application at /mcp, made when the first request comes: importing MCP costs a third of the server's start.

The application needs a task that outlives requests (``session_manager.run``); ``running`` is that task's place in the
server's life.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import anyio.to_thread

from ..service.context import Services


class McpDoor:
    """ASGI application that becomes MCP's on first use. Lives on one event loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._wanted, self._closing = asyncio.Event(), asyncio.Event()
        self._app: asyncio.Future[Any] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        assert self._app is not None, "the server's lifespan has not begun"
        self._wanted.set()
        app = await asyncio.shield(self._app)
        await app(scope, receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Stand ready until the block ends."""
        self._app = asyncio.get_running_loop().create_future()
        keeper = asyncio.create_task(self._keep(self._app))
        try:
            yield
        finally:
            self._closing.set()
            self._wanted.set()
            await keeper

    async def _keep(self, app: "asyncio.Future[Any]") -> None:
        await self._wanted.wait()
        if self._closing.is_set():
            app.cancel()
            return
        try:
            mcp_server = await anyio.to_thread.run_sync(lambda: import_module(".tools", __package__))
            made, running = mcp_server.build_mcp(self._services)
            async with running():
                app.set_result(made)
                await self._closing.wait()
        finally:  # whoever waits for what could not be made shall not wait for ever
            app.cancel()
