"""A headless Chromium that tests drive over the Chrome DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.required import skip_or_fail
from support.waiting import eventually
from websockets.asyncio.client import ClientConnection, connect

START_S = 60.0
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
)


class Page:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self.problems: list[str] = []
        """Errors, and what the policy of the page has refused."""
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._instead = b""
        self._tasks: set[asyncio.Task[dict[str, Any]]] = set()

    async def read(self) -> None:
        """Takes messages until the browser is gone."""
        async for message in self._socket:
            event = json.loads(message)
            if "id" in event:
                self._answers.pop(event["id"]).set_result(event)
            elif event["method"] == "Fetch.requestPaused":
                self._answer(event["params"]["requestId"])
            elif event["method"] == "Runtime.exceptionThrown":
                self.problems.append(str(event["params"]["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                self.problems.append(event["params"]["entry"]["text"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Calls a method of the protocol."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        event = await asyncio.wait_for(answer, 60)
        assert "error" not in event, f"{method}: {event['error']}"
        result: dict[str, Any] = event["result"]
        return result

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, expression: str, timeout_s: float = 30) -> Any:
        """Waits until an expression is true, and returns it."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline:
            if value := await self.evaluate(expression):
                return value
            await asyncio.sleep(0.02)
        shown = await self.evaluate("document.body.innerText")
        raise AssertionError(f"never: {expression}\nproblems: {self.problems}\n{shown}")

    async def replace_script(self, name: str, source: str) -> None:
        """Serves this source in the place of a script of the page."""
        self._instead = source.encode()
        await self.call("Fetch.enable", patterns=[{"urlPattern": f"*/{name}"}])

    def _answer(self, request: str) -> None:
        fulfil = self.call(
            "Fetch.fulfillRequest",
            requestId=request,
            responseCode=200,
            responseHeaders=[{"name": "Content-Type", "value": "text/javascript"}],
            body=base64.b64encode(self._instead).decode(),
        )
        task = asyncio.create_task(fulfil, name="chromium.fulfil")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def go(self, url: str) -> None:
        """Opens an address."""
        await self.call("Page.navigate", url=url)
        await self.until(
            f"location.href.startsWith({json.dumps(url.split('?')[0])}) && document.readyState === 'complete'"
        )

    async def screenshot(self) -> bytes:
        """What the page looks like, as PNG."""
        shot = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def browser_page(*, before: str = "") -> AsyncIterator[Page]:
    """A blank page in a browser of its own, which is gone afterwards.

    Args:
        before: JavaScript that runs in every page before its own.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        skip_or_fail("Chromium is not installed: make system")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program,
            *ARGUMENTS,
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with _attached(Path(profile)) as page:
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                if before:
                    await page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
                yield page
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def _attached(profile: Path) -> AsyncIterator[Page]:
    told = profile / "DevToolsActivePort"
    await eventually(lambda: told.exists() and "\n" in told.read_text(), START_S)
    port, path = told.read_text().split()[:2]
    async with asyncio.timeout(START_S):
        async with connect(f"ws://127.0.0.1:{port}{path}", compression=None, proxy=None) as socket:
            await socket.send(json.dumps({"id": 0, "method": "Target.getTargets"}))
            targets = json.loads(await socket.recv())["result"]["targetInfos"]
    target = next(target["targetId"] for target in targets if target["type"] == "page")
    address = f"ws://127.0.0.1:{port}/devtools/page/{target}"
    async with connect(address, compression=None, max_size=None, proxy=None, ping_interval=None) as socket:
        page = Page(socket)
        reading = asyncio.create_task(page.read(), name="chromium.read")
        try:
            yield page
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
