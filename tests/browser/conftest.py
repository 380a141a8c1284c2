"""A browser for the whole session, and a page in it that comes from a server which notes every request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.browser import Browser, tested


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with tested() as found:
        yield found


@dataclass
class Site:
    """A server on a loopback port of its own; ``asked`` has the path of every request that came."""

    url: str
    asked: list[str] = field(default_factory=list)
    page: str = ""


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            body = found.page.encode()
            self.send_response(200 if self.path == "/report.html" else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Site(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield found
        server.shutdown()
        thread.join(10)


@pytest.fixture
def visit(browser: Browser, site: Site) -> Callable[..., Browser]:
    """Show a page on a device, and give the browser that shows it."""

    def show(page: str, width: int = 1280, **device: object) -> Browser:
        site.page = page
        site.asked.clear()
        browser.device(width, **device)
        browser.open(f"{site.url}/report.html")
        return browser

    return show
