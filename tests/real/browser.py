"""A browser without a window (``lab.programs`` brings it), driven by W3C WebDriver's JSON over HTTP."""

# ruff: noqa: ASYNC220 (a process is started in no time)

import asyncio
import base64
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import httpx2

from lab import launch, until
from lab.ports import free_port

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""WebDriver, 12.2: the key of an element's id."""

_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--lang=en",
    "--no-proxy-server",
]


class Browser:
    """Chromium with one page."""

    def __init__(self) -> None:
        self._http = httpx2.AsyncClient(timeout=30)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.mkdtemp(prefix="browser-")
        self._session = ""

    async def __aenter__(self) -> Self:
        port = free_port()
        driver = shutil.which("chromedriver") or ""
        self._process = subprocess.Popen(
            launch.command("/", "root", driver, f"--port={port}"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        base = f"http://127.0.0.1:{port}"

        async def answers() -> bool:
            try:
                return (await self._http.get(f"{base}/status")).status_code == 200
            except httpx2.TransportError:
                return False

        await until(answers, "chromedriver answers", timeout=15)
        options = {
            "binary": shutil.which("chromium"),
            "args": [*_ARGUMENTS, f"--user-data-dir={self._folder}"],
        }
        capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        reply = await self._http.post(f"{base}/session", json={"capabilities": {"alwaysMatch": capabilities}})
        value = reply.json()["value"]
        assert reply.status_code == 200, value
        self._session = f"{base}/session/{value['sessionId']}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._http.delete(self._session)
        await self._http.aclose()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _post(self, command: str, **body: Any) -> Any:
        reply = await self._http.post(f"{self._session}/{command}", json=body)
        value = reply.json()["value"]
        assert reply.status_code == 200, value
        return value

    async def open(self, address: str) -> None:
        await self._post("url", url=address)

    async def run(self, script: str, *arguments: Any) -> Any:
        """Run a function's body in the page, and return what it returns."""
        return await self._post("execute/sync", script=script, args=list(arguments))

    async def element(self, css: str) -> str:
        """An element's id; there must be one."""
        found = await self._post("element", using="css selector", value=css)
        return str(found[_ELEMENT])

    async def click(self, css: str) -> None:
        await self._post(f"element/{await self.element(css)}/click")

    async def type(self, css: str, text: str) -> None:
        await self._post(f"element/{await self.element(css)}/value", text=text)

    async def press(self, keys: str) -> None:
        """Press keys one after the other, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        await self._post("actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    async def text(self, css: str = "body") -> str:
        """What can be read in an element."""
        return str(await self.run("return document.querySelector(arguments[0])?.innerText ?? ''", css))

    async def shows(self, text: str, css: str = "body", *, within: float = 20) -> None:
        """Wait until an element shows a text."""

        async def seen() -> bool:
            return text in await self.text(css)

        try:
            await until(seen, f"{css} shows {text!r}", timeout=within, every=0.05)
        except TimeoutError:
            raise AssertionError(f"{css} does not show {text!r}, but:\n{await self.text(css)}") from None

    async def complaints(self) -> list[str]:
        """What the browser itself had to say: errors of the script, and what the policy kept out."""
        return [entry["message"] for entry in await self._post("se/log", type="browser")]

    async def look(self, width: int, height: int, scheme: str) -> None:
        """Have a window of a size, light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 500}
        await self._cdp("Emulation.setDeviceMetricsOverride", metrics)
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        await self._cdp("Emulation.setEmulatedMedia", {"features": media})

    async def _cdp(self, command: str, parameters: dict[str, Any]) -> None:
        await self._post("goog/cdp/execute", cmd=command, params=parameters)

    async def picture(self, path: Path) -> None:
        """Take a picture of the window."""
        await self.run(
            "return Promise.all(document.getAnimations().filter((one) => one.effect.getComputedTiming().iterations === 1)"
            ".map((one) => one.finished)).then(() => 0)"
        )
        reply = await self._http.get(f"{self._session}/screenshot")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(reply.json()["value"]))
