"""What the tests of `/v1` share: a client with an API key."""

import httpx2
import pytest

from running_service import RunningService


@pytest.fixture
def client(patient: RunningService) -> httpx2.Client:
    """A client of a new user, with a key that may read and create."""
    return patient.key_client()
