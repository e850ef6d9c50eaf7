"""The index of words: it finds the same on every database, and only what may be seen."""

import itertools
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from image_samples import make_detail
from pixy_core import Image, ImageFilter, User, Visibility, iterate_words
from pixy_core.search import MAX_INDEXED_WORDS
from pixy_data import (
    Database,
    DatabaseContext,
    ImageRepository,
    Position,
    UserRepository,
    initialise_database,
    open_database,
)
from pixy_data.conversions import time_to_microseconds, time_to_parameter
from pixy_data.database.database import Result
from pixy_data.search.index import pack_guid

PRIVATE, CLASS, PUBLIC = Visibility
Find = Callable[..., list[str]]


@pytest.fixture
def bert(users: UserRepository) -> User:
    return users.insert_user(User(username="bert", password="hash", class_key="red"))


@pytest.fixture
def carl(users: UserRepository) -> User:
    return users.insert_user(User(username="carl", password="hash", class_key="blue"))


@pytest.fixture
def find(images: ImageRepository) -> Find:
    """Return a function that returns the prompts that a viewer finds, newest first."""

    def find(q: str, viewer: User | None = None) -> list[str]:
        return [image.prompt for image in images.search_images(ImageFilter(q=q), viewer, 1000)]

    return find


def count_rows(database: Database) -> dict[str, int]:
    rows = database.fetch_all(
        "SELECT scope, COUNT(*) FROM image_words GROUP BY scope ORDER BY scope", {}
    )
    return {str(scope): int(str(count)) for scope, count in rows}


FINDS = {
    "the fox and an ox": (["ox", "OX", "an ox", "fox*"], ["o", "oxen", "fo", "box"]),
    "Café naïve ﬁne": (["cafe", "CAFÉ", "naive", "fine", "caf*"], ["caf", "café noir"]),
    "東京都の夜景": (["東", "東京", "東京都", "夜景 東京"], ["京東", "東都"]),
    "바다에서": (["바다", "다에"], ["바서"]),
    "e\u0301 İ ß ø": (["é", "i", "ss", "ø"], ["s", "o"]),
    "\U0001f98a \U00020000字": (["\U00020000字", "字"], ["\U00020001"]),
    "50% 'off' \\ \"x\" _y": (["50% 'off'", "x", "y"], ["of", "50of"]),
    "trailing trailing2": (["trailing", "trailing2"], ["trailing1"]),
    "A a á": (["a", "A", "á"], ["b"]),
}
"""A prompt -> what finds it, and what doesn't."""


@pytest.mark.parametrize("prompt", FINDS)
def test_a_word_finds_the_same_on_every_database(
    images: ImageRepository, anna: User, find: Find, prompt: str
) -> None:
    images.insert_image(make_detail(prompt, PUBLIC), anna)
    found, not_found = FINDS[prompt]
    for viewer in (None, anna):
        assert {q: find(q, viewer) for q in found} == {q: [prompt] for q in found}
        assert {q: find(q, viewer) for q in not_found} == {q: [] for q in not_found}


def test_a_prefix_finds_each_image_once(images: ImageRepository, anna: User, find: Find) -> None:
    images.insert_image(make_detail("lighthouse lights light lightly", PUBLIC), anna)
    images.insert_image(make_detail("lz ljghts lh", PUBLIC), anna)
    assert find("light*") == find("li*", anna) == ["lighthouse lights light lightly"]
    assert find("lights lighth*") == ["lighthouse lights light lightly"]


def test_a_search_returns_only_visible_images(
    images: ImageRepository, anna: User, bert: User, carl: User, find: Find
) -> None:
    viewers = {"anna": anna, "bert": bert, "carl": carl, "stranger": None}
    guid = images.insert_image(make_detail("heron"), anna).guid
    for visibility, seen in (
        (PRIVATE, "anna"),
        (CLASS, "anna bert"),
        (CLASS, "anna bert"),
        (PUBLIC, "anna bert carl stranger"),
        (PUBLIC, "anna bert carl stranger"),
        (CLASS, "anna bert"),
        (PRIVATE, "anna"),
    ):
        assert images.update_visibility(guid, "anna", visibility)
        assert " ".join(name for name in viewers if find("heron", viewers[name])) == seen


def test_each_scope_has_its_rows_and_deleting_leaves_none(
    images: ImageRepository, database: Database, anna: User
) -> None:
    words = " ".join(f"w{number}" for number in range(120))
    guids = [images.insert_image(make_detail(words, v), anna).guid for v in Visibility]
    assert count_rows(database) == {"class:red": 120, "owner:anna": 360, "public": 120}
    assert images.update_visibility(guids[2], "anna", CLASS)
    assert count_rows(database) == {"class:red": 240, "owner:anna": 360}
    for guid in guids:
        assert not images.delete_image(guid, "bert")
        assert images.delete_image(guid, "anna")
    assert count_rows(database) == {}


LONGEST = "".join(chr(0x4E00 + number * 7 % 20_000) for number in range(32_000))


def test_the_longest_prompt_is_found_by_its_first_words_and_has_no_rows_for_the_others(
    images: ImageRepository, database: Database, anna: User, find: Find
) -> None:
    guid = images.insert_image(make_detail(LONGEST, PUBLIC), anna).guid
    words = MAX_INDEXED_WORDS
    assert count_rows(database) == {"owner:anna": words, "public": words}
    first = LONGEST[: MAX_INDEXED_WORDS // 2]
    assert [len(find(first[at : at + 9])) for at in (0, len(first) - 9)] == [1, 1]
    assert find(LONGEST[len(first) : len(first) + 9]) == []
    assert images.update_visibility(guid, "anna", CLASS)
    assert count_rows(database) == {"class:red": words, "owner:anna": words}
    assert images.delete_image(guid, "anna")
    assert count_rows(database) == {}


@pytest.fixture
def long_indexed(images: ImageRepository, database: Database, anna: User) -> Image:
    """An image that a release without the limit has indexed by all of its words."""
    image = images.insert_image(make_detail(LONGEST[:2000], PUBLIC), anna)
    beyond = list(iterate_words(image.prompt))[MAX_INDEXED_WORDS:]
    for scope in ("owner:anna", "public"):
        for word in beyond:
            database.execute(
                "INSERT INTO image_words (scope, word, moment, guid, image_id) "
                "VALUES (:scope, :word, :moment, :guid, :image_id)",
                {
                    "scope": scope,
                    "word": word,
                    "moment": time_to_microseconds(image.created_at),
                    "guid": pack_guid(image.guid),
                    "image_id": image.id,
                },
            )
    assert min(count_rows(database).values()) > MAX_INDEXED_WORDS
    return image


def test_rows_beyond_the_limit_go_with_the_image(
    images: ImageRepository, database: Database, long_indexed: Image
) -> None:
    assert images.delete_image(long_indexed.guid, "anna")
    assert count_rows(database) == {}


def test_rows_beyond_the_limit_go_with_a_change_of_visibility(
    images: ImageRepository, database: Database, long_indexed: Image, find: Find
) -> None:
    assert find(long_indexed.prompt[1500:1509]) == [long_indexed.prompt]
    assert images.update_visibility(long_indexed.guid, "anna", CLASS)
    words = MAX_INDEXED_WORDS
    assert count_rows(database) == {"class:red": words, "owner:anna": words}


class CountingDatabase(Database):
    """Counts the statements that write."""

    statements = 0

    def execute(self, sql: str, parameters: Mapping[str, object]) -> Result:
        self.statements += 1
        return super().execute(sql, parameters)


def test_words_are_inserted_in_batches(database: Database, database_url: str, anna: User) -> None:
    assert database.initialised
    counting = CountingDatabase(database_url)
    initialise_database(counting)
    images = ImageRepository(counting)
    guid = images.insert_image(make_detail(LONGEST), anna).guid
    assert images.update_visibility(guid, "anna", PUBLIC)
    counting.close()
    assert counting.statements < MAX_INDEXED_WORDS / 10


def test_what_is_rolled_back_is_not_found(
    images: ImageRepository, database: Database, anna: User, find: Find
) -> None:
    kept = images.insert_image(make_detail("heron", PUBLIC), anna)
    with DatabaseContext(database) as context:
        context.begin_transaction()
        images.insert_image(make_detail("heron again", PUBLIC), anna)
        images.update_visibility(kept.guid, "anna", PRIVATE)
        images.delete_image(kept.guid, "anna")
    assert find("heron") == find("heron", anna) == ["heron"]


def test_a_wrong_index_row_does_not_expose_an_image(
    images: ImageRepository, database: Database, anna: User, carl: User, find: Find
) -> None:
    image = images.insert_image(make_detail("heron"), anna)
    for scope in ("public", "class:blue", "owner:carl"):
        database.execute(
            "INSERT INTO image_words (scope, word, moment, guid, image_id) "
            "VALUES (:scope, 'heron', :moment, :guid, :image_id)",
            {
                "scope": scope,
                "moment": time_to_microseconds(image.created_at),
                "guid": pack_guid(image.guid),
                "image_id": image.id,
            },
        )
    assert find("heron") == find("heron", carl) == []


def test_anonymous_callers_do_not_see_the_owner(
    images: ImageRepository, anna: User, carl: User
) -> None:
    images.insert_image(make_detail("heron", PUBLIC), anna)
    for match in (ImageFilter(q="heron"), ImageFilter(visibility=PUBLIC)):
        assert images.search_images(match, None, 5)[0].owner is None
        assert images.search_images(match, carl, 5)[0].owner == "anna"


@pytest.fixture
def many(images: ImageRepository, database: Database, anna: User, bert: User) -> list[Image]:
    """Images of both, of all visibilities, some made at the very same time."""
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for number, (owner, visibility) in enumerate(
        itertools.islice(itertools.cycle(itertools.product((anna, bert), Visibility)), 30)
    ):
        moment = start + timedelta(microseconds=number // 4)
        image = images.insert_image(
            make_detail(f"heron h{number} w{number % 3}", visibility), owner
        )
        for statement, key, value in (
            ("UPDATE images SET created_at = :moment", "guid", image.guid),
            ("UPDATE image_words SET moment = :moment", "image_id", image.id),
        ):
            in_images = key == "guid"
            database.execute(
                f"{statement} WHERE {key} = :key",
                {
                    "moment": time_to_parameter(moment)
                    if in_images
                    else time_to_microseconds(moment),
                    "key": value,
                },
            )
    found = images.list_visible_images(anna, 1000)
    assert len(found) == 25
    return found


MATCHES = [
    ({}, lambda image: True),
    ({"q": "heron"}, lambda image: True),
    ({"q": "her*"}, lambda image: True),
    ({"q": "w1 heron"}, lambda image: image.prompt.endswith("w1")),
    ({"q": "w1 h2*"}, lambda image: "h2" in image.prompt and image.prompt.endswith("w1")),
    ({"mine": True}, lambda image: image.owner == "anna"),
    ({"mine": True, "q": "heron"}, lambda image: image.owner == "anna"),
    *(
        ({"visibility": visibility, **more}, lambda image, v=visibility: image.visibility is v)
        for visibility in Visibility
        for more in ({}, {"q": "heron"}, {"q": "he*"})
    ),
    (
        {"mine": True, "visibility": CLASS, "q": "her*"},
        lambda image: (image.owner, image.visibility) == ("anna", CLASS),
    ),
]


@pytest.mark.parametrize("limit", [1, 7])
def test_pages_of_each_filter_make_up_its_list(
    images: ImageRepository, anna: User, many: list[Image], limit: int
) -> None:
    for match, keep in MATCHES:
        wanted = ImageFilter.model_validate(match)
        expected = [image for image in many if keep(image)]
        assert images.search_images(wanted, anna, 1000) == expected, match
        pages: list[Image] = []
        after: Position | None = None
        while page := images.search_images(wanted, anna, limit, after):
            pages += page
            after = Position(page[-1].created_at, page[-1].guid)
        assert pages == expected, match


def test_anonymous_filters_return_public_images_only(
    images: ImageRepository, many: list[Image]
) -> None:
    for match, keep in MATCHES:
        wanted = ImageFilter.model_validate(match)
        public = [image for image in many if keep(image) and image.visibility is PUBLIC]
        found = images.search_images(wanted, None, 1000)
        expected = [] if wanted.mine else [image.guid for image in public]
        assert [image.guid for image in found] == expected, match


@pytest.mark.parametrize("q", [None, "heron", "her*"])
def test_created_after_is_inclusive_and_created_before_exclusive(
    images: ImageRepository, anna: User, many: list[Image], q: str | None
) -> None:
    start, end = many[20].created_at, many[5].created_at
    wanted = ImageFilter(q=q, created_after=start, created_before=end)
    expected = [image for image in many if start <= image.created_at < end]
    assert images.search_images(wanted, anna, 1000) == expected
    first = images.search_images(wanted, anna, 2)
    after = Position(first[-1].created_at, first[-1].guid)
    assert first + images.search_images(wanted, anna, 1000, after) == expected
    beyond = Position(many[2].created_at, many[2].guid)
    assert images.search_images(wanted, anna, 1000, beyond) == expected


def test_a_search_without_a_letter_finds_nothing(
    images: ImageRepository, many: list[Image]
) -> None:
    assert images.search_images(ImageFilter(q="%"), None, 10) == []


@pytest.mark.parametrize("left", ["nothing", "a half-filled index"])
def test_upgrading_indexes_the_images_that_are_there(
    database: Database, database_url: str, many: list[Image], anna: User, left: str
) -> None:
    before = count_rows(database)
    if left == "nothing":
        database.execute("DROP TABLE image_words", {})
    else:
        database.execute("DELETE FROM image_words WHERE scope = 'public' OR word < 'hf'", {})
    database.execute("UPDATE alembic_version SET version_num = '0003'", {})
    upgraded = open_database(database_url)
    try:
        assert count_rows(upgraded) == before
        found = ImageRepository(upgraded).search_images(ImageFilter(q="heron"), anna, 1000)
        assert found == many
    finally:
        upgraded.close()


def test_concurrent_changes_keep_the_index_consistent(
    images: ImageRepository, database: Database, anna: User, find: Find
) -> None:
    guids = [images.insert_image(make_detail("heron zeppelin"), anna).guid for _ in range(3)]

    def change(number: int) -> None:
        for step in range(10):
            visibility = list(Visibility)[(number + step) % 3]
            images.update_visibility(guids[(number + step) % len(guids)], "anna", visibility)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown = [image for guid in guids if (image := images.find_image(guid)) is not None]
    for scope, visibility in (("public", PUBLIC), ("class:red", CLASS)):
        count = 2 * sum(image.visibility is visibility for image in shown)
        assert count_rows(database).get(scope, 0) == count
    assert len(find("heron", anna)) == 3
