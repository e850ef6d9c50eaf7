"""Details of images, and their visibility: cases C301 to C306."""

import re

import httpx2
import pytest

from running_service import RunningService

ABSENT = "00000000-0000-4000-8000-000000000000"

SEEN_BY = {
    "private": {"owner"},
    "class": {"owner", "classmate"},
    "public": {"owner", "classmate", "other", "stranger"},
}


@pytest.mark.case("C301")
def test_an_anonymous_caller_sees_a_public_image_without_its_owner(service: RunningService) -> None:
    client = service.sign_in()
    image = service.make_image(client, "a heron", "public")
    seen = service.client().get(f"/image/{image['guid']}").json()
    assert image["owner"] is not None
    assert seen == {**image, "owner": None}


@pytest.mark.case("C302")
@pytest.mark.parametrize("visibility", ["private", "class", "public"])
def test_each_caller_sees_what_the_visibility_says(
    service: RunningService, visibility: str
) -> None:
    team = f"team {visibility}"
    callers = {
        "owner": service.sign_in(team),
        "classmate": service.sign_in(team),
        "other": service.sign_in("another team"),
        "stranger": service.client(),
    }
    guid = service.make_image(callers["owner"], visibility=visibility)["guid"]
    for caller, client in callers.items():
        expected = 200 if caller in SEEN_BY[visibility] else 404
        assert client.get(f"/image/{guid}").status_code == expected, caller
        assert client.get(f"/image/{guid}/content").status_code == expected, caller
        listed = any(image["guid"] == guid for image in client.get("/image").json())
        assert listed == (expected == 200), caller


@pytest.mark.case("C303")
@pytest.mark.parametrize("path", ["/image/{}", "/image/{}/content"])
def test_an_invisible_image_gets_the_same_answer_as_an_absent_one(
    service: RunningService, path: str
) -> None:
    guid = service.make_image(service.sign_in())["guid"]
    for client in (service.client(), service.sign_in("another team")):
        hidden, absent = client.get(path.format(guid)), client.get(path.format(ABSENT))
        assert hidden.status_code == absent.status_code == 404
        assert _without_request_id(hidden) == _without_request_id(absent)


def _without_request_id(response: httpx2.Response) -> tuple[bytes, list[tuple[str, str]]]:
    request_id = response.headers["x-request-id"]
    headers = [(k, v) for k, v in response.headers.items() if k not in ("x-request-id", "date")]
    return response.content.replace(request_id.encode(), b"ID"), headers


@pytest.mark.case("C304")
@pytest.mark.parametrize(
    "spelling",
    [
        "{upper}",
        "{{{guid}}}",
        "urn:uuid:{guid}",
        "{digits}",
        "1",
        "..%2f{guid}",
        "%2e%2e%2fimages%2f{guid}",
        "{guid}%00",
        "{guid}%0a",
        "{guid} ",
        pytest.param("a" * 5000, id="long"),
    ],
)
def test_no_other_spelling_of_a_guid_finds_it(service: RunningService, spelling: str) -> None:
    client = service.sign_in()
    guid = service.make_image(client, visibility="public")["guid"]
    name = spelling.format(guid=guid, upper=guid.upper(), digits=guid.replace("-", ""))
    for caller in (client, service.client()):
        for path in (f"/image/{name}", f"/image/{name}/content"):
            answer = caller.get(path)
            assert answer.status_code in (404, 422)
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.case("C305")
def test_no_answer_has_the_integer_id(fresh: RunningService) -> None:
    client = fresh.sign_in()
    images = [fresh.make_image(client, visibility="public") for _ in range(3)]
    for answer in (
        client.get("/image"),
        client.get("/image?limit=1"),
        client.get(f"/image/{images[0]['guid']}"),
        fresh.client().get("/image"),
    ):
        assert not re.search(r'"id"', answer.text)
    assert all("id" not in image for image in images)


@pytest.mark.case("C306")
def test_head_of_details_is_get_without_a_body(service: RunningService) -> None:
    client = service.sign_in()
    guid = service.make_image(client, visibility="public")["guid"]
    for caller in (client, service.client()):
        get, head = caller.get(f"/image/{guid}"), caller.head(f"/image/{guid}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
