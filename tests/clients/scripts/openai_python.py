"""Calls of openai-python, with its defaults: openai_python.py [[ACTION, ARGUMENTS], ...].

The base URL and the key come from the environment, as in any program that uses it.
"""

from pathlib import Path
from typing import Any

import openai

from report import describe_image, make_calls


def act(action: str, arguments: dict[str, Any]) -> dict[str, Any]:
    options = {name: arguments[name] for name in ("api_key", "timeout") if name in arguments}
    client = openai.OpenAI(**options)
    try:
        return ACTIONS[action](client, arguments)
    except openai.APIError as error:
        return {"error": describe_error(error)}


def generate(client: openai.OpenAI, arguments: dict[str, Any]) -> dict[str, Any]:
    return describe(client.images.generate(**arguments["parameters"]))


def edit(client: openai.OpenAI, arguments: dict[str, Any]) -> dict[str, Any]:
    return describe(client.images.edit(**open_files(arguments), **arguments["parameters"]))


def stream(client: openai.OpenAI, arguments: dict[str, Any]) -> dict[str, Any]:
    events = client.images.generate(stream=True, **arguments["parameters"])
    return {"events": [describe_event(event) for event in events]}


def stream_edit(client: openai.OpenAI, arguments: dict[str, Any]) -> dict[str, Any]:
    files = open_files(arguments)
    events = client.images.edit(stream=True, **files, **arguments["parameters"])
    return {"events": [describe_event(event) for event in events]}


def models(client: openai.OpenAI, _: dict[str, Any]) -> dict[str, Any]:
    return {"models": [model.to_dict() for model in client.models.list()]}


def model(client: openai.OpenAI, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"models": [client.models.retrieve(arguments["model"]).to_dict()]}


def open_files(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the files as its documentation gives them: one by itself, several as a list."""
    # they are closed when the process ends
    files = [Path(path).open("rb") for path in arguments["images"]]  # noqa: SIM115
    image = files[0] if len(files) == 1 else files
    if "mask" not in arguments:
        return {"image": image}
    return {"image": image, "mask": Path(arguments["mask"]).open("rb")}


def describe(response: Any) -> dict[str, Any]:
    members = response.to_dict()
    return {
        "images": [describe_image(image.to_dict()) for image in response.data],
        "usage": members.get("usage"),
        "members": {name: members.get(name) for name in ("output_format", "quality", "size")},
        "request_id": response._request_id,
    }


def describe_event(event: Any) -> dict[str, Any]:
    members = event.to_dict()
    kept = ("type", "partial_image_index", "usage")
    return {name: members[name] for name in kept if name in members} | describe_image(members)


def describe_error(error: openai.APIError) -> dict[str, Any]:
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "code": error.code,
        "type": error.type,
        "param": error.param,
        "message": error.message,
        "request_id": getattr(error, "request_id", None),
    }


ACTIONS = {
    "generate": generate,
    "edit": edit,
    "stream": stream,
    "stream_edit": stream_edit,
    "models": models,
    "model": model,
}

if __name__ == "__main__":
    make_calls(act)
