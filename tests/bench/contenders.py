"""The contenders of the benchmark, as processes on loopback that are not started yet."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from processes import Process, find_free_port, python_server

HERE = Path(__file__).parent
MODEL = "gpt-image-2"

NGINX = """
{user} daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; default_type image/png;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    {servers}
}}
"""
NGINX_ALONE = """
    server {{ listen 127.0.0.1:{port}; root {images}; location = /ready {{ return 200; }} }}
"""
NGINX_FRONT = """
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{backend}; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr;
        }}
        location /internal/ {{
            internal; alias {images}/; etag off; if_modified_since off;
            add_header ETag $upstream_http_etag;
            add_header Last-Modified $upstream_http_last_modified;
        }}
    }}
    upstream {backend} {{ server {address}; keepalive 32; }}
"""
"""The parts of the configuration in docs/proxy.md that cost time."""

# the production settings of LiteLLM's documentation, and no downloads
LITELLM_ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_TELEMETRY_DISABLED": "True",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
}
LITELLM_CONFIGURATION = """
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "{api}", api_key: sk-stand-in}}
litellm_settings: {{telemetry: false}}
"""


def find_pixy() -> Path:
    """Return the command `pixy` in the environment of this Python."""
    return Path(sys.executable).with_name("pixy")


def make_pixy(
    folder: Path, database_url: str, data: Path, provider: str, **settings: str
) -> Process:
    """Return an installed PixyProxy with one worker.

    Args:
        folder: Its working directory.
        database_url: Its database.
        data: Its data folder.
        provider: The URL of the provider.
        settings: Further variables of its environment.
    """
    port = find_free_port()
    environment = {
        "PIXY_DATABASE_URL": database_url,
        "PIXY_DATA_DIR": str(data),
        "PIXY_PORT": str(port),
        "PIXY_OPENAI_MODEL": MODEL,
        "OPENAI_API_KEY": "sk-stand-in",
        "OPENAI_BASE_URL": f"{provider}/v1",
        **settings,
    }
    url = f"http://127.0.0.1:{port}"
    return Process([str(find_pixy()), "serve"], url, "/health/ready", folder, environment)


def make_litellm(program: Path, folder: Path, provider: str, key: str) -> Process:
    """Return LiteLLM's proxy with one worker.

    Args:
        program: The command `litellm`.
        folder: Its working directory.
        provider: The URL of the provider.
        key: The key that clients sign in with.
    """
    folder.mkdir(exist_ok=True)
    configuration = LITELLM_CONFIGURATION.format(model=MODEL, api=f"{provider}/v1")
    (folder / "config.yaml").write_text(configuration)
    port = find_free_port()
    listen = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    command = [str(program), "--config", "config.yaml", *listen]
    environment = {**LITELLM_ENVIRONMENT, "LITELLM_MASTER_KEY": key}
    return Process(command, f"http://127.0.0.1:{port}", "/health/readiness", folder, environment)


def make_stand_in(folder: Path, delay: float) -> Process:
    """Return a provider that answers after this number of seconds."""
    return python_server(HERE / "stand_in.py", folder, lambda port: [str(port), str(delay)])


def make_failing_provider(folder: Path, behaviour: str) -> Process:
    """Return the stand-in of the tests, which fails as it is told and counts paid requests."""
    port = find_free_port()
    script = HERE.parent / "support" / "provider.py"
    command = [sys.executable, str(script), "--port", str(port), "--behaviour", behaviour]
    return Process(command, f"http://127.0.0.1:{port}", "/requests", folder, {})


def make_bare(folder: Path) -> Process:
    """Return a FastAPI application that only returns a constant."""
    return python_server(HERE / "bare.py", folder, lambda port: [str(port)])


def make_textbook(folder: Path, database_url: str, images: Path) -> Process:
    """Return the textbook service on the rows and files of a PixyProxy."""
    url = database_url.replace("mysql:", "mysql+mysqldb:")
    script = HERE / "textbook" / "main.py"
    return python_server(script, folder, lambda port: [url, str(images), str(port)])


def make_nginx(folder: Path, images: Path) -> Process:
    """Return nginx with one worker, serving a PixyProxy's files by sendfile."""
    return _make_nginx(folder, "/ready", lambda port: NGINX_ALONE.format(port=port, images=images))


def make_front(folder: Path, images: Path, backend: str) -> Process:
    """Return nginx with one worker in front of a PixyProxy; nginx sends the files itself.

    Args:
        folder: Its working directory.
        images: The folder of the files.
        backend: The URL of the PixyProxy.
    """
    address = backend.removeprefix("http://")
    return _make_nginx(
        folder,
        "/health/live",
        lambda port: NGINX_FRONT.format(port=port, images=images, backend="pixy", address=address),
    )


def _make_nginx(folder: Path, ready: str, describe: Callable[[int], str]) -> Process:
    nginx = find_program("nginx")
    port = find_free_port()
    folder.mkdir()
    configuration = folder / "nginx.conf"
    # as root, nginx would run its worker as another user, who may not read the files
    user = "user root;" if os.geteuid() == 0 else ""
    configuration.write_text(NGINX.format(user=user, folder=folder, servers=describe(port)))
    command = [nginx, "-c", str(configuration), "-e", "stderr"]
    return Process(command, f"http://127.0.0.1:{port}", ready, folder, {})


def find_program(name: str) -> str:
    """Return the path of a program from the Debian package of the same name.

    Raises:
        RuntimeError: It is not installed.
    """
    # Debian installs servers in /usr/sbin, which is not on the PATH of users
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        raise RuntimeError(f"{name} is not installed: apt-get install {name}")
    return path
