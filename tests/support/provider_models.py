"""What the stand-in for OpenAI's Images API tells about its models."""

from provider_answers import Answer

_LIVE = ("gpt-image-2.6-flare", "gpt-image-2.6-sunburst", "gpt-image-2.5-flare", "gpt-image-2")
SHUTDOWN_DATES = {
    "gpt-image-1": "2026-10-23",
    "gpt-image-1-mini": "2026-12-01",
    "gpt-image-1.5": "2026-12-01",
    "chatgpt-image-latest": "2026-12-01",
}
"""Models that are or will be shut down, and when."""


def _model(name: str, **members: object) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 1_795_392_000, "owned_by": "system"} | members


def _list(*models: dict[str, object]) -> Answer:
    return Answer(200, {"object": "list", "data": list(models)})


def date_model(name: str, date: str) -> Answer:
    """Return an answer with one model, which will be shut down on this date (ISO 8601)."""
    return _list(_model(name, shutdown_date=date))


_UNDATED = [_model(name) for name in (*_LIVE, *SHUTDOWN_DATES)]
_UNANNOUNCED = [_model(name, shutdown_date=None) for name in _LIVE]
_DATED = [_model(name, shutdown_date=date) for name, date in SHUTDOWN_DATES.items()]

LISTS: dict[str, Answer] = {
    "dated": _list(*_UNANNOUNCED, *_DATED),
    "undated": _list(*_UNDATED),
    "empty": _list(),
    "failing": Answer(500, {"error": {"message": "The stand-in fails", "code": None}}),
    "missing": Answer(404, {"error": {"message": "no such page"}}),
    "html": Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
}
"""What `GET /v1/models` answers, by the name that `Provider.list_models` takes."""


def find_model(listed: Answer, name: str) -> Answer:
    """Return the answer about one model, given the answer about all of them."""
    if listed.status != 200 or not isinstance(listed.body, dict):
        return listed
    for model in listed.body["data"]:
        if model["id"] == name:
            return Answer(200, model)
    message = f"The model '{name}' does not exist"
    error = {"message": message, "type": "invalid_request_error", "param": "model"}
    return Answer(404, {"error": {**error, "code": "model_not_found"}})
