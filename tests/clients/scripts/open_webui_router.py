"""One request to Open WebUI's router for images: open_webui_router.py generations|edit JSON.

The router, its database and its store of files are Open WebUI's own; only signing in is left out.
"""

import asyncio
import os
import tempfile
from typing import Any

from report import describe_content, print_report, read_arguments

ACTION, GIVEN = read_arguments()
FOLDER = tempfile.TemporaryDirectory()
os.environ |= {
    "DATA_DIR": FOLDER.name,
    "STATIC_DIR": f"{FOLDER.name}/static",
    "FROM_INIT_PY": "true",
    "WEBUI_SECRET_KEY": "of the test",
    "OFFLINE_MODE": "true",
    "GLOBAL_LOG_LEVEL": "CRITICAL",
}

# its modules read the environment and make the database when they are imported
import httpx  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from open_webui.models.config import Config  # noqa: E402
from open_webui.models.users import Users  # noqa: E402
from open_webui.routers import files, images  # noqa: E402
from open_webui.utils.auth import get_verified_user  # noqa: E402
from open_webui.utils.session_pool import get_session  # noqa: E402


def configure() -> dict[str, Any]:
    """Return what an administrator enters in the settings for images."""
    url, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
    version = GIVEN.get("api_version", "")
    return {
        "image_generation.enable": True,
        "image_generation.engine": "openai",
        "image_generation.model": GIVEN["model"],
        "image_generation.size": GIVEN.get("size", "512x512"),
        "image_generation.openai.api_base_url": url,
        "image_generation.openai.api_key": key,
        "image_generation.openai.api_version": version,
        "image_generation.openai.params": {},
        "images.edit.enable": True,
        "images.edit.engine": "openai",
        "images.edit.model": GIVEN["model"],
        "images.edit.size": GIVEN.get("size", ""),
        "images.edit.openai.api_base_url": url,
        "images.edit.openai.api_key": key,
        "images.edit.openai.api_version": version,
    }


async def main() -> dict[str, Any]:
    user = await Users.insert_new_user("1", "ada", "ada@localhost", "/user.png", "admin")
    await Config.upsert(configure())
    app = FastAPI()
    app.include_router(images.router, prefix="/api/v1/images")
    app.include_router(files.router, prefix="/api/v1/files")
    app.dependency_overrides[get_verified_user] = lambda: user
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://webui", timeout=60) as http:
        response = await http.post(f"/api/v1/images/{ACTION}", json=GIVEN["form"])
        if response.status_code == 200:
            contents = [(await http.get(item["url"])).content for item in response.json()]
            report = {"images": [describe_content(content) for content in contents]}
        else:
            detail = response.json()["detail"]
            report = {"error": {"status": response.status_code, "message": detail}}
    await (await get_session()).close()
    return report


print_report(asyncio.run(main()))
