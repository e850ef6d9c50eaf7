"""Real reverse proxies from Debian, in front of a service: nginx and Varnish."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from lasting_ports import find_lasting_port

NGINX = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {content}
}}
"""
NGINX_CACHE = """
    proxy_cache_path {folder}/cache keys_zone=pictures:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_cache pictures;
            proxy_cache_key $uri$is_args$args;
            add_header X-Cache $upstream_cache_status always;
        }}
    }}
"""
VCL = """
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{backend}"; }}
# by default Varnish does not cache for requests with credentials; this cache, like bad ones, does
sub vcl_recv {{ if (req.method == "GET" || req.method == "HEAD") {{ return (hash); }} }}
sub vcl_deliver {{
    set resp.http.X-TTL = obj.ttl;
    set resp.http.X-Cache = "MISS";
    if (obj.hits > 0) {{ set resp.http.X-Cache = "HIT"; }}
}}
"""


class ReverseProxy:
    """A running proxy.

    Args:
        command: The command that runs it in the foreground.
        port: The port to listen on.
    """

    def __init__(self, command: list[str], port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60
        while not _accepts(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError(self._process.communicate()[1])
            time.sleep(0.05)

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._process.terminate()
        self._process.communicate(timeout=20)

    def kill(self) -> None:
        """Kill it and its workers, like a crash."""
        pid = self._process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._process.kill()
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(worker), signal.SIGKILL)
        self._process.communicate()


def find_free_port() -> int:
    """Return a free port."""
    return find_lasting_port()


def start_nginx(folder: Path, content: str, port: int, user: str = "root") -> ReverseProxy:
    """Run nginx.

    Args:
        folder: The folder for all its files.
        content: The content of its http block.
        port: The port of that configuration.
        user: The user, and optionally the group, of its workers.
    """
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, content=content, user=user))
    return ReverseProxy([_find("nginx"), "-p", str(folder), "-c", str(configuration)], port)


def start_cache(kind: str, folder: Path, backend: int) -> ReverseProxy:
    """Run a shared cache in front of a service.

    Args:
        kind: nginx or varnish.
        folder: The folder for all its files.
        backend: The port of the service.
    """
    port = find_free_port()
    if kind == "nginx":
        content = NGINX_CACHE.format(folder=folder, port=port, backend=backend)
        return start_nginx(folder, content, port)
    (folder / "cache.vcl").write_text(VCL.format(backend=backend))
    files = ["-f", str(folder / "cache.vcl"), "-n", str(folder / "work"), "-s", "malloc,32m"]
    # how long Varnish serves expired answers is the choice of its operator
    listen = ["-a", f"127.0.0.1:{port}", "-j", "none", "-p", "default_grace=0"]
    return ReverseProxy([_find("varnishd"), "-F", *listen, *files], port)


def _find(program: str) -> str:
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert path, f"install {program}"
    return path


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
