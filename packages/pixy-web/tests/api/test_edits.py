"""Images made from others, over HTTP: cases C950 to C961 of docs/api.md."""

import re
import uuid
from typing import Any

import httpx2
import pytest

from odd_image import draw, save
from provider import Provider
from provider_answers import PNG, WEBP
from running_service import RunningService

SIZE = (64, 48)
PICTURES = [save(draw([(number,) * 3] * 4, "RGB", SIZE), "PNG") for number in range(3)]
GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
MASK = save(draw([(0, 0, 0, 0)] * 4, "RGBA", SIZE), "PNG")


def upload(client: httpx2.Client, content: bytes, visibility: str = "private") -> dict[str, Any]:
    answer = client.post("/image/upload", content=content, headers={"Content-Type": "image/png"})
    assert answer.status_code in (200, 201), answer.text
    details: dict[str, Any] = answer.json()
    changed = client.patch(f"/image/{details['guid']}", json={"visibility": visibility})
    assert changed.status_code == 200
    return details


def edit(client: httpx2.Client, *sources: dict[str, Any], **members: object) -> httpx2.Response:
    guids = [source["guid"] for source in sources]
    return client.post("/image", json={"prompt": "by night", "sources": guids, **members})


def guids(sources: list[dict[str, Any]]) -> list[str]:
    return [source["guid"] for source in sources]


@pytest.mark.case("C950")
def test_the_details_tell_what_an_image_was_made_from(service: RunningService) -> None:
    ada = service.sign_in()
    first, second, mask = (upload(ada, content) for content in (*PICTURES[:2], MASK))
    answer = edit(ada, second, first, second, mask=mask["guid"])
    assert answer.status_code == 201, answer.text
    expected = [
        {"guid": image["guid"], "sha256": image["sha256"], "role": role}
        for image, role in [(second, "image"), (first, "image"), (second, "image"), (mask, "mask")]
    ]
    assert answer.json()["sources"] == expected
    assert ada.get(answer.headers["Location"]).json()["sources"] == expected


@pytest.mark.case("C951")
def test_a_source_that_the_caller_may_not_see_does_not_exist(
    patient: RunningService, provider: Provider
) -> None:
    ada, ben = patient.sign_in(), patient.sign_in("another")
    hidden, seen = upload(ada, PICTURES[0]), upload(ada, PICTURES[1], "public")
    unknown = {"guid": str(uuid.uuid4())}
    answers = [
        edit(ben, seen, hidden),
        edit(ben, seen, unknown),
        edit(ben, seen, mask=hidden["guid"]),
        edit(ada, seen, mask=unknown["guid"]),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (404, "record_not_found")
    }
    assert provider.paid_requests == 0
    assert ben.get("/image?status=pending").json() == []
    assert ben.get("/image?status=failed").json() == []
    assert edit(ben, seen).status_code == 201


@pytest.mark.case("C952")
@pytest.mark.parametrize(
    "members",
    [
        {"sources": []},
        {"sources": [GUID] * 17},
        {"sources": ["../x"]},
        {"sources": GUID},
        {"sources": [GUID.upper()]},
        {"mask": GUID},
        {"sources": [GUID], "mask": 1},
    ],
    ids=str,
)
def test_sources_that_break_a_rule_are_refused(
    service: RunningService, members: dict[str, object]
) -> None:
    answer = service.sign_in().post("/image", json={"prompt": "by night", **members})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["location"][:2] in (["body", "sources"], ["body", "mask"])


@pytest.mark.case("C953")
def test_a_mask_that_does_not_fit_is_refused(service: RunningService) -> None:
    ada = service.sign_in()
    source, mask = upload(ada, PICTURES[0]), upload(ada, MASK)
    small = upload(ada, save(draw([(0, 0, 0, 0)] * 4, "RGBA", (48, 48)), "PNG"))
    for unfit in (small, upload(ada, PNG), upload(ada, WEBP)):
        answer = edit(ada, source, mask=unfit["guid"])
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["location"] == ["body", "mask"]
    assert edit(ada, source, small, mask=mask["guid"]).status_code == 201


@pytest.mark.case("C954")
def test_the_hash_of_a_deleted_source_stays(service: RunningService) -> None:
    ada = service.sign_in()
    source = upload(ada, PICTURES[0])
    made = edit(ada, source).json()
    assert ada.delete(f"/image/{source['guid']}").status_code == 204
    (told,) = ada.get(f"/image/{made['guid']}").json()["sources"]
    assert (told["guid"], told["sha256"]) == (source["guid"], source["sha256"])


@pytest.mark.case("C955")
def test_others_are_told_the_sources_that_they_may_see(service: RunningService) -> None:
    ada, ben, nobody = service.sign_in("red"), service.sign_in("red"), service.client()
    images = {
        visibility: upload(ada, content, visibility)
        for visibility, content in zip(("private", "class", "public"), PICTURES, strict=True)
    }
    made = edit(ada, *images.values(), visibility="public").json()
    path = f"/image/{made['guid']}"
    seen = {name: image["guid"] for name, image in images.items()}
    assert guids(ada.get(path).json()["sources"]) == list(seen.values())
    assert guids(ben.get(path).json()["sources"]) == [seen["class"], seen["public"]]
    assert guids(nobody.get(path).json()["sources"]) == [seen["public"]]
    for image in images.values():
        ada.patch(f"/image/{image['guid']}", json={"visibility": "private"})
    for reader in (ben, nobody):
        answer = reader.get(path)
        assert answer.json()["sources"] is None
        assert not any(guid in answer.text for guid in seen.values())
    assert guids(ada.get(path).json()["sources"]) == list(seen.values())


@pytest.mark.case("C956")
def test_a_key_belongs_to_its_sources(patient: RunningService, provider: Provider) -> None:
    ada = patient.sign_in()
    images = [upload(ada, content) for content in PICTURES[:2]]
    ada.headers["Idempotency-Key"] = "one"
    first = edit(ada, *images)
    again = edit(ada, *images)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == first.json()
    other = edit(ada, *reversed(images))
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert provider.paid_requests == 1


@pytest.mark.case("C957")
def test_a_damaged_source_is_noticed_before_the_provider_is_asked(
    patient: RunningService, provider: Provider
) -> None:
    ada = patient.sign_in()
    source = upload(ada, PICTURES[0])
    (path,) = patient.settings.data_dir.rglob(source["filename"])
    path.write_bytes(b"something else")
    answer = edit(ada, source)
    assert (answer.status_code, answer.json()["code"]) == (500, "content_damaged")
    assert provider.paid_requests == 0


@pytest.mark.case("C958")
def test_each_answer_about_one_image_has_its_sources(service: RunningService) -> None:
    ada = service.sign_in()
    source = upload(ada, PICTURES[0])
    made = edit(ada, source).json()
    path = f"/image/{made['guid']}"
    changed = ada.patch(path, json={"visibility": "class"}).json()
    assert made["sources"] == changed["sources"] == ada.get(path).json()["sources"]
    listed = {image["guid"]: image for image in ada.get("/image").json()}
    assert "sources" not in listed[made["guid"]]
    assert ada.get(f"/image/{source['guid']}").json()["sources"] is None


def follow(client: httpx2.Client, path: str) -> list[str]:
    """Return the guids of all pages of a list."""
    found: list[str] = []
    target: str | None = path
    while target is not None:
        answer = client.get(target)
        assert answer.status_code == 200, answer.text
        found += guids(answer.json())
        link = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("Link", ""))
        target = link[1] if link else None
    return found


@pytest.mark.case("C960")
def test_what_was_made_from_an_image_is_listed_for_each_caller(service: RunningService) -> None:
    ada, ben, nobody = service.sign_in("red"), service.sign_in("red"), service.client()
    source = upload(ada, PICTURES[0], "public")
    made = [
        edit(ada, source, source, visibility=visibility).json()["guid"]
        for visibility in ("private", "class", "public", "private", "public")
    ]
    path = f"/image/{source['guid']}/derived"
    newest_first = made[::-1]
    assert follow(ada, path) == follow(ada, f"{path}?limit=2") == newest_first
    assert follow(ben, f"{path}?limit=1") == [made[4], made[2], made[1]]
    assert follow(nobody, f"{path}?limit=1") == [made[4], made[2]]
    assert nobody.get(path).json()[0]["owner"] is None
    assert follow(ada, f"/image/{made[0]}/derived") == []


@pytest.mark.case("C961")
def test_what_was_made_from_an_image_is_listed_as_images_are(
    patient: RunningService, provider: Provider
) -> None:
    ada, ben, nobody = patient.sign_in(), patient.sign_in("another"), patient.client()
    source, other = (upload(ada, content) for content in PICTURES[:2])
    path = f"/image/{source['guid']}/derived"
    for _ in range(2):
        assert edit(ada, source).status_code == 201
    for reader in (ben, nobody):
        assert reader.get(path).status_code == 404
        assert reader.get(f"/image/{uuid.uuid4()}/derived").status_code == 404
    for query in ("limit=0", "limit=201", "limit=x", "limit=1&limit=1", "q=x", "cursor=x"):
        assert ada.get(f"{path}?{query}").status_code == 422, query
    assert ada.get("/image/1/derived").status_code == 422
    cursor = ada.get(f"{path}?limit=1").headers["Link"].partition("cursor=")[2].partition(">")[0]
    assert ada.get(f"{path}?limit=1&cursor={cursor}").status_code == 200
    for list_of_another in (f"/image/{other['guid']}/derived", "/image"):
        assert ada.get(f"{list_of_another}?limit=1&cursor={cursor}").status_code == 422
    head = ada.head(f"{path}?limit=1")
    assert (head.status_code, head.content) == (200, b"")
    assert "Link" in head.headers
    with provider.holding():
        pending = ada.post(
            "/image", json={"prompt": "slow"}, headers={"Prefer": "respond-async"}
        ).json()
        waiting = ada.get(f"/image/{pending['guid']}/derived")
        assert (waiting.status_code, waiting.json()["code"]) == (409, "image_pending")
