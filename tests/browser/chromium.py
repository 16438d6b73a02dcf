"""A headless Chromium, spoken to in its DevTools protocol over a pipe: no port, no driver, no package."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT = 60  # seconds without an answer: the machine may be busy
PIPED = 'exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null'  # 3 and 4 are where Chromium looks for its pipes
END = b"\0"  # of a message


def installed() -> str | None:
    """Return the path of the browser; None if there is none: `apt-get install chromium`."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """A browser with one tab. `events` are those since the page was opened."""

    def __init__(self, program: str, profile: Path) -> None:
        command = ["/bin/sh", "-c", PIPED, "sh", program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.writing, self.reading = self.process.stdin, self.process.stdout
        self.buffer, self.sent, self.session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result; AssertionError if it fails."""
        self.sent += 1
        message: dict[str, Any] = {"id": self.sent, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.writing.write(json.dumps(message).encode() + END)
        while (answer := self.received()).get("id") != self.sent:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def received(self) -> dict[str, Any]:
        """Return the next message: a result or an event."""
        while END not in self.buffer:
            ready, _, _ = select.select([self.reading], [], [], TIMEOUT)
            assert ready, f"Chromium sent nothing for {TIMEOUT} s"
            part = self.reading.read(1 << 16)
            assert part, f"Chromium ended with {self.process.wait()}"
            self.buffer += part
        message, _, self.buffer = self.buffer.partition(END)
        answer: dict[str, Any] = json.loads(message)
        return answer

    def open(self, url: str) -> None:
        """Open a page, and wait until it has loaded."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not self.named("Page.loadEventFired"):
            self.events.append(self.received())

    def named(self, method: str) -> list[dict[str, Any]]:
        """Return the events of one kind."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key and release it."""
        text = {"text": "\r"} if key == "Enter" else {}
        code = {"Tab": 9, "Enter": 13}[key]
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def close(self) -> None:
        """End the browser."""
        self.process.terminate()
        self.process.wait()
        self.reading.close()
        self.writing.close()
