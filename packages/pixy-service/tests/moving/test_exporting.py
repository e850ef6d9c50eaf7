"""What an archive has of an installation, and what it says about the rest."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from archive_samples import unpack
from backup_places import write_entry
from moving_house import House
from pixy_core import (
    ArchiveError,
    ConfigurationError,
    Image,
    ImageDetailCreate,
    ImageFilter,
    ImageRequest,
    InvalidInputError,
    StoreMismatchError,
    User,
)
from pixy_data import ArchivedUser, ArchiveReader
from pixy_service import PrivateImageService, Services, open_export
from stored_images import content_of, damage

Make = Callable[..., Image]


def list_prompts(archive: Path) -> list[str]:
    """Return the prompts of an archive, sorted."""
    with archive.open("rb") as file, ArchiveReader(file) as reader:
        images = [entry.image for entry in reader.read() if not isinstance(entry, ArchivedUser)]
    return sorted(image.prompt for image in images if image)


def list_users(archive: Path) -> list[str]:
    with archive.open("rb") as file, ArchiveReader(file) as reader:
        return [entry.username for entry in reader.read() if isinstance(entry, ArchivedUser)]


def test_a_running_installation_is_exported(old: House, archive: Path, make_image: Make) -> None:
    images = [make_image(), make_image("public", "a 🦩")]
    export, findings = old.export(archive)
    assert (findings, export.left_out, export.outside) == ([], 0, 0)
    assert (export.users, export.images) == (3, 2)
    assert export.bytes == sum(len(content_of(image, old.data)) for image in images)
    assert list_prompts(archive) == ["a lighthouse", "a 🦩"]
    assert list_users(archive) == ["ann", "ben", "cleo"]
    assert [path.name for path in archive.parent.glob("moving*")] == [archive.name]


def test_an_installation_without_users_is_exported(new: House, archive: Path) -> None:
    (new.data / "images").mkdir()
    export, findings = new.export(archive)
    assert (findings, export.users, export.images) == ([], 0, 0)
    assert list_users(archive) == []


def test_no_secret_is_in_an_archive(
    old: House, archive: Path, make_image: Make, services: Services
) -> None:
    make_image()
    services.users.add_user("dora", "a long password", "red")
    issued = services.keys.add_key("dora", "key")
    old.export(archive)
    tar = unpack(archive.read_bytes())
    assert b"dora" in tar
    for secret in (b"argon2", issued.token.encode(), issued.key.id.encode()):
        assert secret not in tar


def test_images_are_chosen_by_their_owners_and_classes(
    old: House, archive: Path, services: Services, people: tuple[User, ...]
) -> None:
    for user in people:
        service = services.private_images(user)
        service.create_image(ImageDetailCreate(prompt=user.username))
    for number, (selection, names) in enumerate(
        [
            ({"users": ("ben",)}, ["ben"]),
            ({"users": ("ben", "cleo")}, ["ben", "cleo"]),
            ({"classes": ("red",)}, ["ann", "ben"]),
            ({"classes": ("red", "blue")}, ["ann", "ben", "cleo"]),
            ({"classes": ("blue",), "users": ("ben",)}, []),
            ({"classes": ("red",), "users": ("ben",)}, ["ben"]),
        ]
    ):
        path = archive.with_name(f"{number}.tar.zst")
        export, _ = old.export(path, **selection)
        assert list_prompts(path) == list_users(path) == names
        assert export.looked_at == len(names)


@pytest.mark.parametrize(
    "query",
    ["lighthouse", "LIGHTHOUSE dusk", "light*", "dusk light*", "café", "東京", "x", "!", "li* x"],
)
def test_a_query_finds_what_a_search_finds(
    old: House, archive: Path, anns: PrivateImageService, make_image: Make, query: str
) -> None:
    for prompt in ("a lighthouse at dusk", "a light at dawn", "ein Cafe", "東京都の夜景"):
        make_image(prompt=prompt)
    found = anns.list_images(50, match=ImageFilter(q=query)).images
    old.export(archive, query=query)
    assert list_prompts(archive) == sorted(image.prompt for image in found)
    # the archive names no other user
    assert list_users(archive) == (["ann"] if found else [])


@pytest.mark.parametrize("selection", [{"users": ("nobody",)}, {"classes": ("reds",)}], ids=str)
def test_a_user_or_class_that_does_not_exist_is_refused(
    old: House, archive: Path, selection: dict[str, tuple[str, ...]]
) -> None:
    with pytest.raises(ConfigurationError, match="There is no"):
        old.export(archive, **selection)
    assert not archive.exists()


def test_a_query_that_breaks_a_rule_is_refused(old: House, archive: Path) -> None:
    with pytest.raises(InvalidInputError):
        old.export(archive, query="x" * 201)


def test_images_that_are_lost_are_reported_and_the_others_exported(
    old: House, archive: Path, make_image: Make
) -> None:
    damaged, lost, odd, whole = [make_image(prompt=f"no. {number}") for number in range(4)]
    damage(damaged, old.data)
    (old.data / "images" / lost.filename[:2] / lost.filename).unlink()
    old.change("UPDATE images SET width = 0 WHERE guid = :guid", guid=odd.guid)
    export, findings = old.export(archive)
    assert {finding.guid: finding.kind for finding in findings} == {
        damaged.guid: "corrupt",
        lost.guid: "missing",
        odd.guid: "invalid",
    }
    assert (export.left_out, export.images) == (3, 1)
    assert list_prompts(archive) == [whole.prompt]


def test_a_user_whose_row_breaks_a_rule_is_reported(
    old: House, archive: Path, make_image: Make
) -> None:
    make_image()
    old.change("UPDATE users SET class_key = :odd WHERE username = 'cleo'", odd="a:b")
    export, findings = old.export(archive)
    assert [(finding.kind, finding.path) for finding in findings] == [("invalid", "user 'cleo'")]
    assert list_users(archive) == ["ann", "ben"]
    assert (export.images, export.left_out) == (1, 0)


def test_the_images_of_a_user_whose_row_breaks_a_rule_are_counted(
    old: House, archive: Path, make_image: Make
) -> None:
    for prompt in ("a harbour", "a ship", "a ship again"):
        make_image(prompt=prompt)
    old.change("UPDATE users SET class_key = :odd WHERE username = 'ann'", odd="a:b")
    export, findings = old.export(archive, query="ship")
    assert [(finding.kind, finding.path) for finding in findings] == [("invalid", "user 'ann'")]
    assert (export.images, export.left_out) == (0, 2)
    archive.unlink()
    assert old.export(archive, query="nothing")[1] == []


def test_an_image_in_the_journal_becomes_a_row_first(
    old: House, archive: Path, make_image: Make
) -> None:
    image, stuck = make_image(prompt="adopted"), make_image(prompt="stuck")
    for each in (image, stuck):
        write_entry(old.data, each)
        old.change("DELETE FROM images WHERE guid = :guid", guid=each.guid)
        old.change("DELETE FROM image_words")
    (old.data / "images" / stuck.filename[:2] / stuck.filename).unlink()
    export, findings = old.export(archive)
    assert list_prompts(archive) == ["adopted"]
    assert [(finding.kind, finding.guid) for finding in findings] == [("waiting", stuck.guid)]
    assert export.left_out == 1


def test_an_image_that_is_deleted_meanwhile_is_no_finding(
    old: House, archive: Path, anns: PrivateImageService, make_image: Make
) -> None:
    images = [make_image() for _ in range(4)]

    def delete(_: object) -> None:
        for image in images[1:]:
            anns.delete_image(image.guid)
        images.clear()

    with open_export(old.url, old.data, None, archive, on_progress=delete) as export:
        assert list(export.run()) == []
    assert (export.images, export.left_out) == (1, 0)


def test_images_that_are_made_meanwhile_do_not_disturb(
    old: House, archive: Path, make_image: Make
) -> None:
    for _ in range(3):
        make_image()
    left = [1, 2]

    def make(_: object) -> None:
        if left:
            left.pop()
            make_image(prompt="later")

    with open_export(old.url, old.data, None, archive, on_progress=make) as export:
        assert list(export.run()) == []
    assert export.images >= 3


def test_sources_that_are_not_in_the_archive_are_counted(
    old: House, archive: Path, anns: PrivateImageService, make_image: Make
) -> None:
    inside, outside, gone = (make_image(prompt=word) for word in ("a heron", "a cat", "a dog"))
    sources = (inside.guid, outside.guid, gone.guid)
    made = anns.create_image(ImageRequest(prompt="two herons", sources=sources))
    make_image(prompt="herons")
    anns.delete_image(gone.guid)
    export, _ = old.export(archive, query="heron*")
    assert (export.images, export.outside) == (3, 1)
    with archive.open("rb") as file, ArchiveReader(file) as reader:
        lines = [entry.image for entry in reader.read() if not isinstance(entry, ArchivedUser)]
    (line,) = [line for line in lines if line and line.guid == made.guid]
    assert tuple(source.guid for source in line.sources) == sources


def test_many_images_of_one_time_are_exported_once(
    old: House, archive: Path, make_image: Make
) -> None:
    image = make_image()
    columns = (
        "filename, prompt, created_at, updated_at, owner, class_key, visibility, media_type, "
        "width, height, size, sha256, generator, model, source_count"
    )
    guids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(120)]
    for guid in guids:
        name = f"{guid}.png"
        copy = columns.replace("filename, prompt", ":name, :guid")
        old.change(
            f"INSERT INTO images (guid, {columns}) SELECT :guid, {copy} FROM images "
            "WHERE guid = :original",
            guid=guid,
            name=name,
            original=image.guid,
        )
        target = old.data / "images" / name[:2]
        target.mkdir(exist_ok=True)
        (target / name).write_bytes(content_of(image, old.data))
    export, findings = old.export(archive)
    assert (export.images, findings) == (121, [])
    assert list_prompts(archive) == sorted([*guids, image.prompt])


def test_an_existing_file_is_not_replaced(old: House, archive: Path) -> None:
    archive.write_bytes(b"an older archive")
    with pytest.raises(ArchiveError, match="exists"):
        old.export(archive)
    assert archive.read_bytes() == b"an older archive"


def test_a_folder_of_another_database_is_refused_and_nothing_is_left(
    old: House, archive: Path, make_image: Make
) -> None:
    make_image()
    (old.data / "images" / ".store").write_text("0" * 64 + "\n")
    with pytest.raises(StoreMismatchError):
        old.export(archive)
    assert not list(archive.parent.glob("moving*"))


def test_an_archive_goes_to_a_pipe(old: House, make_image: Make) -> None:
    make_image()
    pipe = io.BytesIO()
    with open_export(old.url, old.data, None, pipe) as export:
        assert list(export.run()) == []
    with ArchiveReader(io.BytesIO(pipe.getvalue())) as reader:
        assert len(list(reader.read())) == 4
