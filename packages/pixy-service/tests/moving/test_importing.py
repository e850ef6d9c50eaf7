"""What an import adds to an installation, what it leaves alone, and how it goes on."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from archive_samples import change_archive, make_line, pack_images
from backup_places import write_entry
from moving_house import House, Import
from pixy_core import (
    ArchiveError,
    ConfigurationError,
    Image,
    ImageDetailCreate,
    ImageFilter,
    ImageRequest,
    InvalidCredentialsError,
    StoreMismatchError,
    User,
    Visibility,
)
from pixy_data import (
    CreationRepository,
    Deletion,
    DeletionRepository,
    FileRecord,
    FileStore,
)
from pixy_service import (
    ArchiveImport,
    Credentials,
    GeneratedImage,
    ImageGenerator,
    ImageOrder,
    PrivateImageService,
    Services,
    SketchGenerator,
    open_import,
    open_services,
)
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from provider_answers import PNG
from stored_images import damage

Make = Callable[..., Image]


def test_everything_arrives(old: House, new: House, archive: Path, exported: object) -> None:
    taken, findings = new.take(archive)
    assert findings == []
    assert (taken.images, taken.added, taken.present, taken.left_out) == (3, 3, 0, 0)
    assert taken.bytes == sum(map(len, old.files().values()))
    assert taken.new_users == ["ann", "ben", "cleo"]
    assert new.dump() == old.dump()
    assert len(new.dump()["image_sources"]) == 1
    assert new.files() == old.files()
    assert new.check() == []


def test_a_second_import_changes_nothing(
    old: House, new: House, archive: Path, exported: object
) -> None:
    new.take(archive)
    before = {path: path.stat().st_mtime_ns for path in (new.data / "images").rglob("*.*")}
    taken, findings = new.take(archive)
    assert (findings, taken.added, taken.present, taken.bytes) == ([], 0, 3, 0)
    assert (taken.repaired, taken.new_users) == (0, [])
    assert new.dump() == old.dump()
    assert before == {path: path.stat().st_mtime_ns for path in (new.data / "images").rglob("*.*")}


def test_what_users_changed_since_stays(
    new: House, archive: Path, exported: dict[str, Image]
) -> None:
    new.take(archive)
    guid = exported["second"].guid
    new.change("UPDATE images SET visibility = 'private' WHERE guid = :guid", guid=guid)
    before = new.dump()
    taken, findings = new.take(archive)
    assert (findings, taken.present) == ([], 3)
    assert new.dump() == before


def test_a_visibility_that_was_changed_at_the_source_since_is_reported(
    old: House,
    new: House,
    archive: Path,
    anns: PrivateImageService,
    exported: dict[str, Image],
) -> None:
    new.take(archive)
    before, guid = new.dump(), exported["second"].guid
    anns.change_visibility(guid, Visibility.PRIVATE)
    archive.unlink()
    old.export(archive)
    taken, findings = new.take(archive)
    assert [(finding.kind, finding.guid) for finding in findings] == [("outdated", guid)]
    assert (taken.present, taken.left_out) == (3, 0)
    assert new.dump() == before
    # its owner has decided here since
    new.change("UPDATE images SET updated_at = '2100-01-01 00:00:00.000000'")
    assert new.take(archive)[1] == []


def test_an_installation_that_runs_shows_what_is_imported(
    new: House, archive: Path, exported: dict[str, Image], generator: ImageGenerator
) -> None:
    with open_services(database_url=new.url, data_dir=new.data, generator=generator) as services:
        assert new.take(archive)[1] == []
        ann = services.users.authenticate_user("ann")
        service = services.private_images(ann)
        (found,) = service.list_images(50, match=ImageFilter(q="first line")).images
        assert found.guid == exported["first"].guid
        listed = [image.guid for image in service.list_images(50).images]
        # newest first, as there
        assert listed == [exported[name].guid for name in ("third", "second", "first")]
        assert service.get_image_by_guid(exported["second"].guid).purchase is not None


def test_a_new_user_signs_in_once_it_has_a_password(
    new: House,
    archive: Path,
    exported: object,
    generator: ImageGenerator,
    counting_hashes: Callable[[], AbstractContextManager[list[str]]],
) -> None:
    new.take(archive)
    with open_services(database_url=new.url, data_dir=new.data, generator=generator) as services:
        credentials = Credentials("ann", "a long password")
        with counting_hashes() as hashes, pytest.raises(InvalidCredentialsError):
            services.credentials.check(credentials)
        # as long as any other password
        assert hashes == ["verify_secret"]
        services.users.set_password("ann", "a long password")
        assert services.credentials.check(credentials).username == "ann"


def test_images_are_given_to_the_users_that_are_named(
    old: House, new: House, archive: Path, exported: object
) -> None:
    new.add_user("anna", "green")
    taken, findings = new.take(archive, ann="anna")
    assert (findings, taken.added, taken.new_users) == ([], 3, ["ben", "cleo"])
    rows = new.dump()["images"]
    assert {(row["owner"], row["class_key"]) for row in rows} == {("anna", "green")}
    assert new.check() == []
    # the same again, without the name: they are there
    taken, _ = new.take(archive)
    assert (taken.added, taken.present) == (0, 3)


def test_a_name_that_is_no_user_is_refused_before_anything_is_done(
    new: House, archive: Path, exported: object
) -> None:
    with pytest.raises(ConfigurationError, match="There is no user bert"):
        new.take(archive, ann="bert")
    assert new.dump()["users"] == []


def test_a_user_of_another_class_is_refused_unless_it_is_named(
    new: House, archive: Path, exported: object
) -> None:
    new.add_user("ann", "strangers")
    taken, findings = new.take(archive)
    assert [(finding.kind, finding.path) for finding in findings] == [("refused", "user ann")]
    assert (taken.added, taken.left_out, taken.images) == (0, 3, 3)
    assert new.files() == {}
    taken, findings = new.take(archive, ann="ann")
    assert (findings, taken.added) == ([], 3)
    assert {row["class_key"] for row in new.dump()["images"]} == {"strangers"}


def test_a_refused_user_without_images_is_reported(
    new: House, archive: Path, exported: object
) -> None:
    # ben has none
    new.add_user("ben", "strangers")
    taken, findings = new.take(archive)
    assert [(finding.kind, finding.path) for finding in findings] == [("refused", "user ben")]
    assert (taken.added, taken.left_out) == (3, 0)


def test_who_gets_and_who_sees_images_is_told(new: House, archive: Path, exported: object) -> None:
    new.add_user("cleo", "blue")
    new.add_user("anna", "green")
    taken, _ = new.take(archive, ann="anna")
    # ben is new, and the only one of his class
    assert (taken.given, taken.joined_classes) == ({"ann": "anna"}, set())
    new.add_user("gail", "green")
    new.add_user("bob", "blue")
    new.change("DELETE FROM images WHERE visibility = 'public'")
    new.change("DELETE FROM image_words")
    taken, _ = new.take(archive, ann="anna")
    assert (taken.given, taken.joined_classes) == ({"ann": "anna"}, {"green"})
    taken, _ = new.take(archive, ann="anna")
    assert (taken.given, taken.joined_classes) == ({}, set())


def test_a_new_user_of_a_class_that_is_here_is_told(
    new: House, archive: Path, exported: object
) -> None:
    new.add_user("rose", "red")
    taken, _ = new.take(archive)
    assert taken.joined_classes == {"red"}


def test_users_who_are_there_keep_their_passwords_and_states(
    new: House, archive: Path, exported: object
) -> None:
    new.add_user("cleo", "blue")
    before = new.dump()["users"]
    taken, _ = new.take(archive)
    assert taken.new_users == ["ann", "ben"]
    assert before[0] in new.dump()["users"]


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0" * 64},
        {"prompt": "another"},
        {"created_at": "2025-01-01 00:00:00.000000"},
        {"purchase": None},
    ],
    ids=str,
)
def test_another_image_of_the_same_guid_is_not_touched(
    new: House, archive: Path, exported: dict[str, Image], change: dict[str, object]
) -> None:
    new.take(archive)
    guid = exported["second"].guid
    pairs = ", ".join(f"{name} = :{name}" for name in change)
    new.change(f"UPDATE images SET {pairs} WHERE guid = :guid", guid=guid, **change)
    before, files = new.dump(), new.files()
    taken, findings = new.take(archive)
    assert [(finding.kind, finding.guid) for finding in findings] == [("differs", guid)]
    assert (taken.left_out, taken.present) == (1, 2)
    assert (new.dump(), new.files()) == (before, files)


def test_an_image_with_other_sources_is_another_one(
    new: House, archive: Path, exported: dict[str, Image]
) -> None:
    new.take(archive)
    new.change("UPDATE image_sources SET role = 'mask'")
    _, findings = new.take(archive)
    assert [finding.kind for finding in findings] == ["differs"]


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "damaged"])
def test_the_file_of_an_image_that_is_there_is_repaired(
    old: House, new: House, archive: Path, exported: dict[str, Image], is_lost: bool
) -> None:
    new.take(archive)
    image = exported["first"]
    damage(image, new.data)
    if is_lost:
        (new.data / "images" / image.filename[:2] / image.filename).unlink()
    taken, findings = new.take(archive)
    assert (findings, taken.present, taken.repaired) == ([], 3, 1)
    assert new.files() == old.files()


def test_a_file_without_a_row_is_written_again_if_it_is_the_same_and_kept_if_it_is_not(
    old: House, new: House, archive: Path, exported: dict[str, Image]
) -> None:
    new.take(archive)
    for image in (exported["first"], exported["second"]):
        new.change("DELETE FROM images WHERE guid = :guid", guid=image.guid)
        new.change("DELETE FROM image_words")
    damage(exported["second"], new.data)
    files = new.files()
    taken, findings = new.take(archive)
    assert [(finding.kind, finding.guid) for finding in findings] == [
        ("differs", exported["second"].guid)
    ]
    assert (taken.added, taken.bytes) == (1, len(files[exported["first"].filename]))
    assert new.files() == files


def test_an_image_that_is_being_deleted_waits_for_the_next_run(
    new: House, archive: Path, exported: dict[str, Image]
) -> None:
    image = exported["second"]
    database = new.open()
    DeletionRepository(database).insert_deletion(Deletion(image.guid, image.filename))
    _, findings = new.take(archive)
    assert [(finding.kind, finding.guid) for finding in findings] == [("deleting", image.guid)]
    assert image.filename not in new.files()
    DeletionRepository(database).delete_deletion(image.guid)
    database.close()
    taken, findings = new.take(archive)
    assert (findings, taken.added, taken.present) == ([], 1, 2)


def test_an_image_that_is_deleted_during_its_repair_stays_deleted(
    old: House, archive: Path, anns: PrivateImageService, exported: dict[str, Image]
) -> None:
    image = exported["second"]
    damage(image, old.data)

    class SlowStore(FileStore):
        def copy_in(self, record: FileRecord, content: bytes) -> None:
            anns.delete_image(record.guid)
            super().copy_in(record, content)

    database = old.open()
    stores = ImageStores.over(database, SlowStore(old.data / "images", reserve=0))
    recovery = Recovery(stores, Claims(stores), ImageAdopter(stores))
    taken = ArchiveImport(stores, recovery, archive)
    assert [(each.kind, each.guid) for each in taken.run()] == [("deleting", image.guid)]
    assert (taken.present, taken.repaired, taken.left_out) == (2, 0, 1)
    assert image.filename not in old.files()
    # a server removes what another one may have made of it since
    assert DeletionRepository(database).find_filenames([image.guid]) == {image.filename}
    database.close()
    assert old.check() == []


def test_an_image_that_waits_in_the_journal_is_left_to_it(
    new: House, archive: Path, exported: dict[str, Image]
) -> None:
    # its bytes are gone, so nobody can adopt it
    write_entry(new.data, exported["second"])
    _, findings = new.take(archive)
    assert [(finding.kind, finding.guid) for finding in findings] == [
        ("waiting", exported["second"].guid)
    ]


def test_a_creation_of_the_same_guid_is_finished(
    old: House, new: House, archive: Path, exported: dict[str, Image]
) -> None:
    new.take(archive)
    guid = exported["third"].guid
    new.change("DELETE FROM images WHERE guid = :guid", guid=guid)
    new.change("DELETE FROM image_words")
    new.change(
        "INSERT INTO creations (guid, owner, class_key, request, status, asked, fingerprint, "
        "expires_at, created_at, updated_at) VALUES (:guid, 'ann', 'red', '{}', 'pending', 1, "
        ":hash, :time, :time, :time)",
        guid=guid,
        hash="0" * 64,
        time="2026-01-01 00:00:00.000000",
    )
    assert new.take(archive)[1] == []
    database = new.open()
    assert database.fetch_all("SELECT guid FROM creations", {}) == []
    database.close()


@pytest.mark.parametrize("owner", ["ann", "ben"])
def test_a_running_creation_and_one_of_another_owner_keep_their_guid(
    new: House, archive: Path, exported: dict[str, Image], owner: str
) -> None:
    guid = exported["third"].guid
    database = new.open()
    creations = CreationRepository(database)
    creations.insert_creation(
        guid, ImageDetailCreate(prompt="mine"), new.add_user(owner, "red"), "0" * 64, "key"
    )
    taken, findings = new.take(archive)
    assert [(finding.kind, finding.guid) for finding in findings] == [("claimed", guid)]
    assert (taken.added, taken.left_out) == (2, 1)
    assert exported["third"].filename not in new.files()
    new.change("UPDATE creations SET status = 'failed'")
    _, findings = new.take(archive)
    assert [finding.kind for finding in findings] == ([] if owner == "ann" else ["claimed"])
    creations.delete_creation(guid)
    database.close()
    taken, findings = new.take(archive)
    assert (findings, taken.added + taken.present) == ([], 3)


def test_an_import_does_not_take_the_guid_of_an_image_that_is_being_made(
    new: House, archive: Path
) -> None:
    ben, imports = new.add_user("ben", "blue"), list[Import]()

    class ImportingGenerator(SketchGenerator):
        def generate(self, order: ImageOrder, *_: Any) -> GeneratedImage:
            database = new.open()
            guid = str(database.fetch_all("SELECT guid FROM creations", {})[0][0])
            database.close()
            names = {"guid": guid, "filename": f"{guid}.png"}
            line = make_line(1, PNG, width=64, height=48, **names)
            archive.write_bytes(pack_images([(line, PNG)]))
            imports.append(new.take(archive))
            return super().generate(order)

    with open_services(
        database_url=new.url, data_dir=new.data, generator=ImportingGenerator()
    ) as services:
        image = services.private_images(ben).create_image(ImageRequest(prompt="mine"))
    ((taken, findings),) = imports
    assert (taken.added, [finding.kind for finding in findings]) == (0, ["claimed"])
    assert (image.owner, image.prompt) == ("ben", "mine")
    assert new.check() == []


def test_one_bad_image_is_reported_and_the_others_are_imported(
    new: House, archive: Path, exported: dict[str, Image]
) -> None:
    def damage_file(contents: list[bytes]) -> None:
        contents[3] = contents[3][:-1] + b"?"

    change_archive(archive, damage_file)
    taken, findings = new.take(archive)
    assert [(finding.kind, finding.guid) for finding in findings] == [
        ("corrupt", exported["first"].guid)
    ]
    assert (taken.added, taken.left_out, new.check()) == (2, 1, [])


def test_a_line_that_names_another_owner_is_reported(
    new: House, archive: Path, exported: object
) -> None:
    def change_owner(contents: list[bytes]) -> None:
        line = json.loads(contents[2])
        line["owner"] = "ben"
        contents[2] = json.dumps(line).encode()

    change_archive(archive, change_owner)
    with pytest.raises(ArchiveError, match="was changed"):
        new.take(archive)
    assert {row["owner"] for row in new.dump()["images"]} == {"ann"}
    assert len(new.dump()["images"]) == 2


def test_a_part_of_an_archive_is_imported_as_far_as_it_is_good(
    old: House, new: House, archive: Path, exported: object
) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) - 200])
    with pytest.raises(ArchiveError, match="is not complete"):
        new.take(archive)
    count = len(new.dump()["images"])
    assert count == len(new.files())
    assert new.check() == []
    archive.write_bytes(whole)
    taken, findings = new.take(archive)
    assert (findings, taken.present, taken.added) == ([], count, 3 - count)
    assert new.dump() == old.dump()


def test_two_imports_at_once_do_no_harm(
    old: House, new: House, archive: Path, exported: object
) -> None:
    with (
        open_import(new.url, new.data, None, archive) as first,
        open_import(new.url, new.data, None, archive) as second,
    ):
        runs = [first.run(), second.run()]
        assert [list(run) for run in runs] == [[], []]
    assert (first.added, second.present) == (3, 3)
    assert new.dump() == old.dump()


def test_a_folder_of_another_database_is_refused(
    new: House, archive: Path, exported: object
) -> None:
    (new.data / "images").mkdir()
    (new.data / "images" / ".store").write_text("0" * 64 + "\n")
    with pytest.raises(StoreMismatchError):
        new.take(archive)
    assert (new.files(), new.dump()["users"]) == ({}, [])


def test_a_database_that_does_not_exist_is_not_made(archive: Path, exported: object) -> None:
    nowhere = House(f"sqlite:///{archive.parent}/nowhere/x.sqlite3", archive.parent / "nowhere")
    with pytest.raises(ConfigurationError, match="pixy db upgrade"):
        nowhere.take(archive)
    assert not nowhere.data.exists()


def test_an_image_that_was_deleted_comes_back(
    old: House, archive: Path, anns: PrivateImageService, exported: dict[str, Image]
) -> None:
    image = exported["second"]
    anns.delete_image(image.guid)
    taken, findings = old.take(archive)
    assert (findings, taken.added, taken.present) == ([], 1, 2)
    assert anns.get_image_by_guid(image.guid).prompt == "second"


def test_a_user_of_the_archive_may_have_any_name(
    old: House, new: House, archive: Path, make_image: Make, services: Services
) -> None:
    users = [
        User(username="Åström", password="-", class_key="日本"),
        User(username="o'hara; --", password="-", class_key='"x"'),
    ]
    for user in users:
        services.users.user_repo.insert_user(user)
        services.private_images(user).create_image(ImageRequest(prompt=user.username))
    old.export(archive)
    assert new.take(archive)[1] == []
    assert new.dump() == old.dump()
