"""Searching by words and filters: cases C640 to C654, and C910."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from running_service import RunningService, run_service

PROMPTS = (
    "a Lighthouse at dusk",
    "the fox and an ox",
    "Ein Café in der Straße, naïve Kunst",
    "ＦＵＬＬ　ｗｉｄｔｈ letters, oﬃce",
    "東京都の夜景",
    "京の東にある大学",
    "바다에서 춤추는 고양이",
    "light on dark water, a lighthouse keeper",
    "50% off; DROP TABLE images -- 'x'",
    "été à l'île",
    "gulls, gulls and GULLS",
    "soft\u00adhyphen, İstanbul",
)


@dataclass
class Library:
    """A service with one public image for each of PROMPTS, all of one owner."""

    service: RunningService
    owner: httpx2.Client
    stranger: httpx2.Client

    def find(self, q: str, client: httpx2.Client | None = None, **filters: str) -> list[str]:
        """Return the prompts of the result, oldest first."""
        answer = (client or self.stranger).get("/image", params={"q": q, **filters})
        assert answer.status_code == 200, answer.text
        return [image["prompt"] for image in answer.json()][::-1]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    service = run_service(tmp_path_factory.mktemp("data"))
    owner = service.sign_in()
    for prompt in PROMPTS:
        service.make_image(owner, prompt, "public")
    yield Library(service, owner, service.client())
    service.stop()


@pytest.mark.case("C640")
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("lighthouse", [0, 7]),
        ("dusk lighthouse", [0]),
        ("lighthouse lighthouse", [0, 7]),
        ("gulls", [10]),
        ("lighthouse gulls", []),
        ("lighthous", []),
        ("house", []),
        ("lighthouses", []),
    ],
)
def test_all_words_must_be_in_the_prompt_in_any_order(
    library: Library, q: str, found: list[int]
) -> None:
    assert library.find(q) == library.find(q, library.owner) == [PROMPTS[n] for n in found]


@pytest.mark.case("C641")
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("LIGHTHOUSE", [0, 7]),
        ("cafe", [2]),
        ("CAFÉ", [2]),
        ("cafe\u0301", [2]),
        ("naive strasse", [2]),
        ("STRASSE", [2]),
        ("full", [3]),
        ("ｆｕｌｌ ｗｉｄｔｈ", [3]),
        ("office", [3]),
        ("ete", [9]),
        ("Île", [9]),
        ("softhyphen istanbul", [11]),
    ],
)
def test_case_accents_and_width_are_ignored(library: Library, q: str, found: list[int]) -> None:
    assert library.find(q) == library.find(q, library.owner) == [PROMPTS[n] for n in found]


@pytest.mark.case("C642")
@pytest.mark.parametrize(
    ("q", "found"),
    [("ox", [1]), ("at", [0]), ("a", [0, 7, 9]), ("an ox", [1]), ("x", [8]), ("50", [8])],
)
def test_short_and_frequent_words_are_searched_like_all_others(
    library: Library, q: str, found: list[int]
) -> None:
    assert library.find(q) == [PROMPTS[n] for n in found]


@pytest.mark.case("C643")
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("東", [4, 5]),
        ("東京", [4]),
        ("京都", [4]),
        ("東京都の夜景", [4]),
        ("夜景 東京", [4]),
        ("京東", []),
        ("大学", [5]),
        ("바다", [6]),
        ("고양이", [6]),
        ("양이 바", [6]),
        ("다바", []),
    ],
)
def test_chinese_japanese_and_korean_words_are_found_inside_sentences(
    library: Library, q: str, found: list[int]
) -> None:
    assert library.find(q) == library.find(q, library.owner) == [PROMPTS[n] for n in found]


@pytest.mark.case("C644")
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("light*", [0, 7]),
        ("LIGH*", [0, 7]),
        ("dusk light*", [0]),
        ("keeper li＊", [7]),
        ("caf*", [2]),
        ("gulls*", [10]),
        ("gu*", [10]),
        ("nothing*", []),
        ("li* dusk", []),
        ("l*", [9]),
        ("light *", [7]),
        ("*", []),
        ("東*", [4, 5]),
    ],
)
def test_a_star_matches_the_rest_of_the_last_word(
    library: Library, q: str, found: list[int]
) -> None:
    assert library.find(q) == library.find(q, library.owner) == [PROMPTS[n] for n in found]


@pytest.mark.case("C645")
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("50% off", [8]),
        ("'x'", [8]),
        ("drop table images --", [8]),
        ("'; DROP TABLE images; --", [8]),
        ('"light on dark"', [7]),
        ("+lighthouse -keeper", [7]),
        ("lighthouse AND dusk", []),
        ("(ox)", [1]),
        ("ox NEAR fox", []),
        ("ox\x00\x1b", [1]),
        *(
            (junk, [])
            for junk in ("%", "_", "*", '"', "'", "\\", "~ @ : ? ^ <>", " ", "\ufffd", "🦊")
        ),
    ],
)
def test_a_search_has_no_operators(library: Library, q: str, found: list[int]) -> None:
    assert library.find(q) == library.find(q, library.owner) == [PROMPTS[n] for n in found]


@pytest.mark.case("C646")
def test_a_search_of_wrong_length_or_given_twice_is_refused(library: Library) -> None:
    for query in (
        {"q": ""},
        {"q": "x" * 201},
        {"q": "x" * 5000},
        {"q": " ".join(f"w{n}" for n in range(17))},
        {"q": "".join(chr(0x4E00 + n) for n in range(18))},
        [("q", "a"), ("q", "a")],
    ):
        for client in (library.stranger, library.owner):
            answer = client.get("/image", params=query)  # type: ignore[arg-type]
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["location"] == ["query", "q"]
    assert library.find(" ".join(f"w{n}" for n in range(16))) == []
    assert library.find("a " * 100) == [PROMPTS[n] for n in (0, 7, 9)]


@pytest.mark.case("C647")
def test_each_caller_finds_only_visible_images(library: Library) -> None:
    service = library.service
    owner, mate, other = service.sign_in("x"), service.sign_in("x"), service.sign_in("y")
    image = service.draw_image(owner, "a zeppelin over 山川")
    callers = {"owner": owner, "mate": mate, "other": other, "stranger": library.stranger}
    for visibility, seen in (
        ("private", {"owner"}),
        ("class", {"owner", "mate"}),
        ("public", {"owner", "mate", "other", "stranger"}),
        ("class", {"owner", "mate"}),
        ("private", {"owner"}),
        ("public", {"owner", "mate", "other", "stranger"}),
    ):
        owner.patch(f"/image/{image['guid']}", json={"visibility": visibility})
        for q in ("zeppelin", "zepp*", "山川 over"):
            for name, client in callers.items():
                assert bool(library.find(q, client)) == (name in seen), (visibility, q, name)
    (found,) = library.stranger.get("/image", params={"q": "zeppelin"}).json()
    assert found["owner"] is None
    assert mate.get("/image", params={"q": "zeppelin"}).json()[0]["owner"] == image["owner"]
    owner.delete(f"/image/{image['guid']}")
    assert [library.find("zeppelin", client) for client in callers.values()] == [[]] * 4


@dataclass
class Team:
    """Two users of one class, with images of each visibility, oldest first."""

    service: RunningService
    me: httpx2.Client
    mate: httpx2.Client
    images: list[dict[str, Any]]

    def list(self, client: httpx2.Client, **filters: str) -> list[str]:
        answer = client.get("/image", params=filters)
        assert answer.status_code == 200, answer.text
        return [image["prompt"] for image in answer.json()][::-1]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    service = run_service(tmp_path_factory.mktemp("data"))
    me, mate = service.sign_in("t"), service.sign_in("t")
    images = [
        service.make_image(client, f"{name} {visibility} heron", visibility)
        for visibility in ("private", "class", "public")
        for client, name in ((me, "mine"), (mate, "theirs"))
    ]
    yield Team(service, me, mate, images)
    service.stop()


@pytest.mark.case("C648")
@pytest.mark.parametrize("q", [{}, {"q": "heron"}, {"q": "her*"}])
def test_a_visibility_narrows_the_list(team: Team, q: dict[str, str]) -> None:
    stranger = team.service.client()
    for visibility, mine in (
        ("private", ["mine private heron"]),
        ("class", ["mine class heron", "theirs class heron"]),
        ("public", ["mine public heron", "theirs public heron"]),
    ):
        assert team.list(team.me, visibility=visibility, **q) == mine
        public = mine if visibility == "public" else []
        assert team.list(stranger, visibility=visibility, **q) == public


@pytest.mark.case("C649")
@pytest.mark.parametrize("q", [{}, {"q": "heron"}, {"q": "her*"}])
def test_mine_narrows_the_list_to_the_callers_own(team: Team, q: dict[str, str]) -> None:
    mine = [f"mine {visibility} heron" for visibility in ("private", "class", "public")]
    assert team.list(team.me, mine="true", **q) == mine
    assert team.list(team.service.client(), mine="true", **q) == []
    assert len(team.list(team.me, mine="false", **q)) == 5
    for visibility, expected in zip(("private", "class", "public"), mine, strict=True):
        assert team.list(team.me, mine="true", visibility=visibility, **q) == [expected]


@pytest.mark.case("C650")
@pytest.mark.parametrize("q", [{}, {"q": "heron"}, {"q": "her*"}])
def test_created_after_is_inclusive_and_created_before_is_exclusive(
    team: Team, q: dict[str, str]
) -> None:
    seen = [image for image in team.images if image["prompt"] != "theirs private heron"]
    prompts = [image["prompt"] for image in seen]
    first, last = seen[1]["created_at"], seen[3]["created_at"]
    assert team.list(team.me, created_after=first, **q) == prompts[1:]
    assert team.list(team.me, created_before=last, **q) == prompts[:3]
    assert team.list(team.me, created_after=first, created_before=last, **q) == prompts[1:3]
    assert team.list(team.me, created_after=last, created_before=first, **q) == []
    elsewhere = datetime.fromisoformat(first).astimezone().isoformat()
    assert team.list(team.me, created_after=elsewhere, **q) == prompts[1:]
    for early in ("0001-01-01T00:00:00Z", "1000-06-01T00:00:00z", "1969-12-31t23:59:59.9+00:00"):
        assert team.list(team.me, created_after=early, **q) == prompts
        assert team.list(team.me, created_before=early, **q) == []
    assert team.list(team.me, created_before="9999-12-31T23:59:59.999999999Z", **q) == prompts
    tomorrow = (datetime.fromisoformat(last) + timedelta(days=1)).isoformat()
    assert team.list(team.me, created_after=tomorrow, **q) == []


@pytest.mark.case("C651")
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("visibility", ["", "secret", "PUBLIC", "public,class"]),
        ("mine", ["", "1", "yes", "True", "me"]),
        *(
            (
                name,
                [
                    *("", "2026-11-01", "2026-11-01T00:00:00", "2026-11-01T00:00Z", "1790000000"),
                    *("2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-01T24:61:00Z"),
                    *("2026-11-01T00:00:00 01:00", "now", "9999-12-31T23:59:59-01:00"),
                    *("0001-01-01T00:00:00+01:00", "2026-11-01T00:00:00.Z", "9" * 5000),
                ],
            )
            for name in ("created_after", "created_before")
        ),
    ],
)
def test_an_invalid_or_repeated_filter_is_refused(team: Team, name: str, values: list[str]) -> None:
    for client in (team.me, team.service.client()):
        for value in values:
            answer = client.get("/image", params={name: value})
            assert answer.status_code == 422, value
            assert answer.json()["errors"][0]["location"] == ["query", name]
            assert len(value) < 4 or value not in answer.text
        assert client.get(f"/image?{name}=a&{name}=a").status_code == 422


@pytest.mark.case("C651")
def test_filters_are_refused_for_creations(team: Team) -> None:
    for query in ({"q": "heron"}, {"mine": "true"}, {"visibility": "private"}):
        answer = team.me.get("/image", params={"status": "failed", **query})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["location"] == ["query", *query]
        assert team.me.get("/image", params={"status": "ready", **query}).status_code == 200


@pytest.mark.case("C652")
def test_links_keep_the_filters_and_list_each_image_once(team: Team) -> None:
    for filters in (
        {"q": "heron"},
        {"q": "her*", "mine": "false"},
        {"mine": "true"},
        {"created_after": team.images[1]["created_at"], "q": "HERON & heron"},
        {"visibility": "class"},
        {"created_before": team.images[4]["created_at"], "mine": "true", "q": "heron mine"},
    ):
        whole = team.me.get("/image", params=filters).json()
        assert whole
        pages, url = [], str(httpx2.URL("/image", params={"limit": "1", **filters}))
        while url:
            answer = team.me.get(url)
            pages += answer.json()
            url = answer.links.get("next", {}).get("url", "")
            assert not url or filters.items() <= dict(httpx2.URL(url).params).items()
        assert pages == whole


@pytest.mark.case("C653")
def test_a_cursor_is_refused_with_other_filters(team: Team) -> None:
    def ask(cursor: str, **filters: str) -> int:
        query = {"limit": "1", "cursor": cursor, **filters}
        return team.me.get("/image", params=query).status_code

    def cursor_of(**filters: str) -> str:
        answer = team.me.get("/image", params={"limit": "1", **filters})
        return httpx2.URL(answer.links["next"]["url"]).params["cursor"]

    plain, found, mine = cursor_of(), cursor_of(q="heron"), cursor_of(mine="true")
    assert ask(plain) == ask(found, q="heron") == ask(mine, mine="true") == 200
    assert ask(plain, mine="false") == 200
    for refused in (
        ask(plain, q="heron"),
        ask(plain, mine="true"),
        ask(found),
        ask(found, q="her*"),
        ask(found, q="heron", visibility="public"),
        ask(found, q="heron", created_after="2020-01-01T00:00:00Z"),
        ask(mine),
        ask(mine, q="heron"),
    ):
        assert refused == 422


@pytest.mark.case("C654")
def test_filters_apply_to_head_and_to_the_whole_list(team: Team) -> None:
    for client in (team.me, team.service.client()):
        page, head = (
            client.request(method, "/image", params={"q": "heron", "limit": 1})
            for method in ("GET", "HEAD")
        )
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == page.headers["content-length"]
        assert httpx2.URL(head.links["next"]["url"]).params["q"] == "heron"
        assert client.head("/image", params={"q": ""}).status_code == 422


@pytest.mark.case("C910")
def test_a_long_prompt_is_found_by_its_first_words(library: Library) -> None:
    words = [f"long{number}" for number in range(1001)]
    details = library.service.make_image(library.owner, " ".join(words), "private")
    assert library.find("long0 long999", library.owner) == [details["prompt"]]
    assert library.find("long1000", library.owner) == []
    assert library.owner.delete(f"/image/{details['guid']}").status_code == 204
