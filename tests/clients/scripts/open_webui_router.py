"""Requests to Open WebUI's router for images.

open_webui_router.py [["generations" or "edit", ARGUMENTS], ...]

The router, its database and its store of files are Open WebUI's own; only signing in is left out.
"""

import asyncio
import os
import tempfile
from typing import Any

from report import describe_content, print_reports, read_calls

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


def configure(given: dict[str, Any]) -> dict[str, Any]:
    """Return what an administrator enters in the settings for images."""
    url, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
    version = given.get("api_version", "")
    return {
        "image_generation.enable": True,
        "image_generation.engine": "openai",
        "image_generation.model": given["model"],
        "image_generation.size": given.get("size", "512x512"),
        "image_generation.openai.api_base_url": url,
        "image_generation.openai.api_key": key,
        "image_generation.openai.api_version": version,
        "image_generation.openai.params": {},
        "images.edit.enable": True,
        "images.edit.engine": "openai",
        "images.edit.model": given["model"],
        "images.edit.size": given.get("size", ""),
        "images.edit.openai.api_base_url": url,
        "images.edit.openai.api_key": key,
        "images.edit.openai.api_version": version,
    }


async def main() -> list[dict[str, Any]]:
    user = await Users.insert_new_user("1", "ada", "ada@localhost", "/user.png", "admin")
    app = FastAPI()
    app.include_router(images.router, prefix="/api/v1/images")
    app.include_router(files.router, prefix="/api/v1/files")
    app.dependency_overrides[get_verified_user] = lambda: user
    transport = httpx.ASGITransport(app=app)
    reports = []
    async with httpx.AsyncClient(transport=transport, base_url="http://webui", timeout=60) as http:
        for action, given in read_calls():
            await Config.upsert(configure(given))
            reports.append(await ask(http, action, given["form"]))
    await (await get_session()).close()
    return reports


async def ask(http: httpx.AsyncClient, action: str, form: dict[str, Any]) -> dict[str, Any]:
    response = await http.post(f"/api/v1/images/{action}", json=form)
    if response.status_code != 200:
        detail = response.json()["detail"]
        return {"error": {"status": response.status_code, "message": detail}}
    contents = [(await http.get(item["url"])).content for item in response.json()]
    return {"images": [describe_content(content) for content in contents]}


print_reports(asyncio.run(main()))
