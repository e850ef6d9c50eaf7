"""The limits of requests to the provider that all processes of a database share."""

import logging
import math
from datetime import timedelta

from pixy_core import (
    GenerationBusyError,
    GenerationError,
    GeneratorOverloadedError,
    PixyProxyException,
)
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)


class ProviderLimits:
    """Refuses requests while every place is taken, or the provider wants a pause.

    Args:
        stores: The rows.
        places: Creations for which the provider is asked that may be pending at once; None: any
            number.
    """

    def __init__(self, stores: ImageStores, places: int | None) -> None:
        self._stores = stores
        self._places = places

    def check_pause(self) -> None:
        """Return if the provider takes requests.

        Raises:
            GenerationBusyError: It wants a pause.
        """
        remaining = self._stores.provider_limits.find_pause()
        if remaining is not None:
            raise GenerationBusyError(
                retry_after=math.ceil(remaining.total_seconds()),
                message="The provider takes no requests for a while",
            )

    def take_place(self, guid: str) -> None:
        """Give a new creation a place, in the transaction that inserts it.

        Raises:
            GenerationBusyError: Every place is taken.
        """
        places = self._places
        if places and not self._stores.provider_limits.take_place(guid, places):
            raise GenerationBusyError

    def note_refusal(self, error: GenerationError) -> None:
        """Tell all processes if a failure says how long the provider wants no request.

        If that can't be told, the next request is refused by the provider, which costs nothing.
        """
        if not isinstance(error, GeneratorOverloadedError) or error.pause is None:
            return
        logger.warning("the provider wants no request for %d seconds", error.pause)
        try:
            self._stores.provider_limits.extend_pause(timedelta(seconds=error.pause))
        except PixyProxyException as failure:
            logger.warning("that pause can't be noted: %s", failure.explanation)
