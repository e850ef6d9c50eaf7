"""The models that clients may name: the configured ones, and aliases."""

from collections.abc import Mapping, Sequence
from typing import Any

from pixy_service import ModelInfo
from pixy_web.http.known_names import printable
from pixy_web.http.v1.errors import UnknownModelError
from pixy_web.runtime import Runtime

OWNER = "pixyproxy"


class Models:
    """The models of this server.

    Args:
        models: What the generator can be asked for, the default model first.
        aliases: Names that stand for others; None is the default model.
    """

    def __init__(self, models: Sequence[ModelInfo], aliases: Mapping[str, str | None]) -> None:
        self._models = {model.id: model for model in models}
        self._default = models[0].id
        self._aliases = {name: model for name, model in aliases.items() if name not in self._models}

    def resolve(self, name: str) -> str | None:
        """Return the model that a name stands for; None is the default model.

        Args:
            name: As a client sends it; empty is the default model.

        Raises:
            UnknownModelError: There is no such model.
        """
        if not name or name == self._default:
            return None
        if name in self._models:
            return name
        if name in self._aliases:
            model = self._aliases[name]
            return None if model == self._default else model
        raise UnknownModelError(((("model",), f"`{printable(name)}` does not exist"),))

    def list_all(self) -> dict[str, Any]:
        """Return the list of all models, as OpenAI writes it."""
        names = (*self._models, *self._aliases)
        return {"object": "list", "data": [self.describe(name) for name in names]}

    def describe(self, name: str) -> dict[str, Any]:
        """Return one model, as OpenAI writes it.

        Raises:
            UnknownModelError: There is no such model.
        """
        resolved = self.resolve(name) or self._default
        described = {"id": name, "object": "model", "created": 0, "owned_by": OWNER}
        model = self._models.get(resolved)
        if model is None or model.shutdown_date is None:
            return described
        return described | {"shutdown_date": model.shutdown_date.isoformat()}


def find_models(runtime: Runtime) -> Models:
    """Return the models of this server, as its generator has them now."""
    return Models(runtime.services.list_models(), runtime.v1.aliases)
