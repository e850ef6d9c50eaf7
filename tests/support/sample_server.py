"""An HTTP server whose `/metrics` a test chooses, for states that a real service rarely has."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class SampleServer(ThreadingHTTPServer):
    """A server on the loopback address, in a thread of the test process.

    Attributes:
        gauges: Values by series, such as `pixy_database_up`.
        growth: By how much each counter grows from one scrape to the next, by series.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.gauges: dict[str, float] = {}
        self.growth: dict[str, float] = {}
        self._counters: dict[str, float] = {}
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_port}"

    def scrape(self) -> str:
        """Return the samples of one scrape, in the text format of Prometheus."""
        for series, step in self.growth.items():
            self._counters[series] = self._counters.get(series, 0) + step
        samples = self.gauges | self._counters
        return "".join(f"{series} {value}\n" for series, value in samples.items())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: SampleServer

    def do_GET(self) -> None:
        body = self.server.scrape().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
        pass
