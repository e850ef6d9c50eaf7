"""Calls of LangChain's wrapper for images, with its defaults.

langchain_python.py [["generate", ARGUMENTS], ...]

The base URL and the key come from the environment, as in any program that uses it.
"""

from typing import Any

import openai
from langchain_community.tools.openai_dalle_image_generation import OpenAIDALLEImageGenerationTool
from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper

from report import make_calls


def act(_action: str, arguments: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = dict(arguments["parameters"])
    prompt = options.pop("prompt")
    options |= {name: arguments[name] for name in ("api_key", "timeout") if name in arguments}
    tool = OpenAIDALLEImageGenerationTool(api_wrapper=DallEAPIWrapper(**options))
    try:
        return {"images": [{"url": url} for url in tool.invoke(prompt).split()]}
    except openai.APIError as error:
        status = getattr(error, "status_code", None)
        members = {"class": type(error).__name__, "status": status, "code": error.code}
        return {"error": members | {"type": error.type, "message": error.message}}


if __name__ == "__main__":
    make_calls(act)
