"""A headless Chromium, as far as a test needs one."""

import json
import re
import shutil
import subprocess
import time

import requests
import websocket

PROGRAM = shutil.which("chromium")


class Page:
    """One page, steered by the DevTools protocol."""

    def __init__(self, directory):
        command = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command += ["--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={directory}"]
        self._log = open(directory / "chromium.log", "wb+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [*command, "about:blank"], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        self._number = 0
        self._socket = None
        try:
            port = self._port(directory)
            self._socket = websocket.create_connection(self._target(port), timeout=120)
        except BaseException:
            self.close()
            raise

    def _port(self, directory):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self._process.poll() is None:
            text = (directory / "chromium.log").read_text(errors="replace")
            if match := re.search(r"DevTools listening on ws://127.0.0.1:(\d+)/", text):
                return int(match[1])
            time.sleep(0.1)
        raise RuntimeError(f"chromium does not start:\n{text[-2000:]}")

    @staticmethod
    def _target(port):
        for target in requests.get(f"http://127.0.0.1:{port}/json/list", timeout=60).json():
            if target["type"] == "page":
                return target["webSocketDebuggerUrl"]
        raise RuntimeError("chromium has no page")

    def _call(self, method, **parameters):
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url):
        self._call("Page.navigate", url=url)

    def evaluate(self, script):
        """What a JavaScript expression is worth."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script, seconds=120):
        """Waits until an expression is true; gives its value."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(script)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{script}; the page: {self.evaluate('document.body.innerText')[:2000]}")
            time.sleep(0.1)
        return value

    def click(self, selector):
        self.wait_for(f"document.querySelector({json.dumps(selector)}) !== null")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def close(self):
        if self._socket:
            self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
