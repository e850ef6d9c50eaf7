"""Stock clients against the installed command, and the command against the stand-in provider.

Tests that use `target` run each client twice: against the stand-in itself, which shows that the
script is right, and against PixyProxy.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from edited_pictures import MASK, PICTURES
from installed_pixy import InstalledPixy
from new_users import add_key
from provider import Provider
from stock_clients import MODEL, Front, StockClient, Target, find_clients

USER = "ada"
SDKS = ("openai-python", "openai-node")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what runs another client than the SDKs, or calls the stand-in itself."""
    for item in items:
        chosen = getattr(item, "callspec", None)
        if chosen is None or Path(__file__).parent not in item.path.parents:
            continue
        client, target = chosen.params.get("client"), chosen.params.get("target")
        if client not in SDKS or target == "stand-in":
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def running_provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def provider(running_provider: Provider) -> Provider:
    """The stand-in for the OpenAI API, which answers with an image and was asked nothing yet."""
    running_provider.behave("png")
    running_provider.list_models("dated")
    running_provider.requests.clear()
    running_provider.purchases.clear()
    return running_provider


@pytest.fixture(scope="session")
def running_front(
    running_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("pixy")
    pixy = InstalledPixy(
        folder,
        PIXY_DATA_DIR=str(folder / "data"),
        PIXY_DATABASE_URL=f"sqlite:///{folder}/pixy.sqlite3",
        PIXY_GENERATOR="openai",
        PIXY_OPENAI_MODEL=MODEL,
        OPENAI_API_KEY="sk-of-the-test",
        OPENAI_BASE_URL=running_provider.base_url,
    )
    pixy.add_user(USER)
    key = add_key(pixy.database_url, USER, "read", "create")
    pixy.start()
    front = Front(Target(f"{pixy.url}/v1", key), pixy)
    try:
        yield front
    finally:
        front.http.close()
        pixy.kill()


@pytest.fixture
def front(running_front: Front, provider: Provider) -> Front:
    """The installed command over the stand-in, with a key of the user `ada`."""
    return running_front


@pytest.fixture(params=["stand-in", "front"])
def target(request: pytest.FixtureRequest, provider: Provider) -> Target:
    """Both APIs, one after the other: the stand-in's own, and PixyProxy's."""
    if request.param == "stand-in":
        return Target(provider.base_url, "sk-of-the-test")
    front: Front = request.getfixturevalue("front")
    return front.target


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StockClient]:
    """The stock clients by name."""
    return find_clients(tmp_path_factory.mktemp("clients"))


@pytest.fixture
def client(request: pytest.FixtureRequest, clients: dict[str, StockClient]) -> StockClient:
    """The client that `@pytest.mark.parametrize("client", …, indirect=True)` names."""
    if request.param not in clients:
        pytest.skip("not installed: ./dev nox -s clients clients_slow")
    return clients[request.param]


@pytest.fixture
def prompt(request: pytest.FixtureRequest) -> str:
    """A prompt that no other test has: PixyProxy gives a retry what its first attempt bought."""
    return f"{request.node.name} {uuid4()}"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three pictures of one size as files, and a mask of that size as the last one."""
    folder = tmp_path_factory.mktemp("pictures")
    files = {f"picture{number}.png": content for number, content in enumerate(PICTURES)}
    paths = []
    for name, content in (files | {"mask.png": MASK}).items():
        path = folder / name
        path.write_bytes(content)
        paths.append(path)
    return paths
