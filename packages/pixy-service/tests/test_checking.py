"""Comparing rows and files: what is found, what is moved, and what is left alone."""

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import (
    ConfigurationError,
    DBConnectionError,
    Image,
    ImageDetail,
    ImageDetailCreate,
    StoreMismatchError,
    User,
)
from pixy_data import (
    CreationRepository,
    Database,
    Deletion,
    DeletionRepository,
    ImageRepository,
    Journal,
    JournalEntry,
)
from pixy_service import Finding, RepairRefusedError, open_checker
from stored_images import write_journal

Make = Callable[..., Image]
Check = Callable[..., list[Finding]]


@pytest.fixture
def check(tmp_path: Path, database_url: str) -> Check:
    """Check the installation that the test's services use, every file being old enough."""

    def run(*, repair: bool = False, min_age: float = 0, **options: bool) -> list[Finding]:
        with open_checker(database_url, tmp_path, min_age=min_age, **options) as checker:
            findings = list(checker.check(repair=repair))
            assert checker.remaining == sum(finding.repair is None for finding in findings)
            return findings

    return run


@pytest.fixture
def image(make_image: Make) -> Image:
    return make_image()


@pytest.fixture
def path(image: Image, tmp_path: Path) -> Path:
    return tmp_path / "images" / image.filename[:2] / image.filename


@pytest.fixture
def orphan(image: Image, tmp_path: Path) -> Path:
    """A file that no row knows, beside an image that is as it should be."""
    return make_orphan(tmp_path)


def make_orphan(data_dir: Path, ending: str = "png") -> Path:
    guid = str(uuid.uuid4())
    path = data_dir / "images" / guid[:2] / f"{guid}.{ending}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"an orphan")
    return path


def kinds(findings: list[Finding]) -> list[str]:
    return [finding.kind.value for finding in findings]


def test_an_intact_installation_has_no_findings(check: Check, make_image: Make) -> None:
    for _ in range(3):
        make_image()
    assert check() == check(repair=True) == []


def test_what_was_looked_at_is_counted(make_image: Make, tmp_path: Path, database_url: str) -> None:
    for _ in range(3):
        make_image()
    make_orphan(tmp_path)
    with open_checker(database_url, tmp_path, min_age=0) as checker:
        list(checker.check())
        assert (checker.images, checker.files, checker.remaining) == (3, 4, 1)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (Path.unlink, "missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "corrupt"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "corrupt"),
        (lambda path: (path.unlink(), path.mkdir()), "corrupt"),
        (lambda path: (path.rename(f"{path}.away"), path.symlink_to(f"{path}.away")), "corrupt"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "corrupt"),
        (lambda path: shutil.rmtree(path.parent), "missing"),
    ],
    ids=["missing", "truncated", "changed", "folder", "link", "pipe", "shelf missing"],
)
def test_damage_is_found_and_a_repair_leaves_row_and_file(
    check: Check, image: Image, path: Path, damage: Callable[[Path], object], kind: str
) -> None:
    damage(path)
    was_there = os.path.lexists(path)
    for repair in (False, True):
        (finding,) = check(repair=repair)
        assert (finding.kind, finding.guid, finding.repair) == (kind, image.guid, None)
        assert finding.path == f"images/{image.filename[:2]}/{image.filename}"
    assert os.path.lexists(path) == was_there


def test_a_file_without_a_row_is_found_and_moved_aside(
    check: Check, orphan: Path, path: Path, tmp_path: Path
) -> None:
    assert kinds(check()) == ["untracked"]
    assert orphan.exists()
    (finding,) = check(repair=True)
    assert finding.repair == f"moved to quarantine/{orphan.name}"
    assert (tmp_path / "quarantine" / orphan.name).read_bytes() == b"an orphan"
    assert path.exists()
    assert check() == []


def test_what_is_in_quarantine_is_never_replaced(
    check: Check, orphan: Path, tmp_path: Path
) -> None:
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / orphan.name).write_bytes(b"from an earlier time")
    check(repair=True)
    kept = {path.read_bytes() for path in (tmp_path / "quarantine").iterdir()}
    assert kept == {b"an orphan", b"from an earlier time"}


def test_a_file_that_a_deletion_has_still_to_remove_is_no_finding(
    check: Check, orphan: Path, database: Database
) -> None:
    DeletionRepository(database).insert_deletion(Deletion(orphan.stem, orphan.name))
    assert kinds(check()) == []
    assert kinds(check(repair=True)) == []
    assert orphan.exists()


def test_a_file_of_the_same_guid_with_another_ending_is_untracked(check: Check, path: Path) -> None:
    path.with_suffix(".jpg").write_bytes(b"x")
    assert kinds(check()) == ["untracked"]


@pytest.mark.parametrize("ending", ["png.part", "partial.png.part", "partial.png.0a1b2c3d.part"])
def test_an_unfinished_file_is_found_and_moved_aside(
    check: Check, image: Image, tmp_path: Path, ending: str
) -> None:
    part = make_orphan(tmp_path, ending)
    (tmp_path / "images" / ".staging").mkdir(exist_ok=True)
    part = part.rename(tmp_path / "images" / ".staging" / part.name)
    assert kinds(check()) == ["leftover"]
    check(repair=True)
    assert (tmp_path / "quarantine" / part.name).exists()


def test_a_young_file_without_a_row_is_found_and_not_moved(check: Check, orphan: Path) -> None:
    # an old date alone does not make a file old: it may just have been copied here
    for date in (time.time(), 1_700_000_000):
        os.utime(orphan, (date, date))
        for repair in (False, True):
            (finding,) = check(min_age=60, repair=repair)
            assert (finding.kind, finding.repair) == ("recent", None)
    assert orphan.exists()


def test_a_file_of_a_create_under_way_is_no_finding(
    check: Check, orphan: Path, tmp_path: Path, database: Database
) -> None:
    owner = User(username="ann", password="-", class_key="red")
    request = ImageDetailCreate(prompt="being made")
    CreationRepository(database).insert_creation(orphan.stem, request, owner, "0" * 64, None)
    assert check(min_age=60) == []
    database.execute("DELETE FROM creations", {})
    (tmp_path / "journal").mkdir(exist_ok=True)
    (tmp_path / "journal" / f"{orphan.stem}.json").touch()
    assert check(min_age=60) == []
    (tmp_path / "journal" / f"{orphan.stem}.json").unlink()
    assert kinds(check(min_age=60)) == ["recent"]


def test_a_young_file_that_is_not_finished_is_no_finding(
    check: Check, image: Image, tmp_path: Path
) -> None:
    make_orphan(tmp_path, "png.part")
    assert check(min_age=60) == []


@pytest.mark.parametrize("moment", [0, time.time() + 86_400], ids=["the epoch", "the future"])
def test_a_file_whose_age_can_not_be_told_is_found_and_never_moved(
    check: Check, orphan: Path, moment: float
) -> None:
    os.utime(orphan, (moment, moment))
    for repair in (False, True):
        (finding,) = check(repair=repair)
        assert (finding.kind, finding.repair) == ("untracked", None)
    assert orphan.exists()


def test_files_of_other_names_are_ignored(
    check: Check, image: Image, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "images" / "lost+found").mkdir()
    (tmp_path / "images" / "notes.txt").touch()
    (path.parent / "Thumbs.db").touch()
    assert check(repair=True) == []
    assert (path.parent / "Thumbs.db").exists()


def test_a_repair_without_a_single_row_moves_nothing(
    check: Check, orphan: Path, database: Database
) -> None:
    database.execute("DELETE FROM images", {})
    assert kinds(check()) == ["untracked"] * 2 + ["empty"]
    with pytest.raises(RepairRefusedError):
        check(repair=True)
    assert orphan.exists()


def test_a_database_without_rows_but_with_new_files_is_found(
    check: Check, image: Image, database: Database
) -> None:
    database.execute("DELETE FROM images", {})
    found = check(min_age=3600)
    assert [(finding.kind.value, finding.path) for finding in found] == [
        ("recent", f"images/{image.filename[:2]}/{image.filename}"),
        ("empty", "images"),
    ]


def test_a_new_installation_has_no_findings(check: Check, people: tuple[User, ...]) -> None:
    assert check() == check(repair=True) == []


def test_a_repair_stops_at_the_first_failure_of_the_database(
    tmp_path: Path, database_url: str, database: Database, orphan: Path
) -> None:
    with open_checker(database_url, tmp_path, min_age=0) as checker:
        findings = checker.check(repair=True)
        database.execute("ALTER TABLE images RENAME TO elsewhere", {})
        with pytest.raises(Exception, match="database"):
            list(findings)
    assert orphan.exists()


def test_a_row_that_appears_meanwhile_keeps_its_file(
    tmp_path: Path, database_url: str, database: Database, image: Image, path: Path
) -> None:
    # both files are found without a row; the image's is back before its turn comes
    orphan = tmp_path / "images/00/00000000-0000-4000-8000-000000000000.png"
    orphan.parent.mkdir(exist_ok=True)
    orphan.touch()
    rename = "UPDATE images SET filename = :filename"
    database.execute(rename, {"filename": f"{uuid.uuid4()}.png"})
    with open_checker(database_url, tmp_path, min_age=0) as checker:
        findings = checker.check(repair=True)
        assert [next(findings).kind, next(findings).path] == [
            "missing",
            f"images/00/{orphan.name}",
        ]
        database.execute(rename, {"filename": image.filename})
        assert [finding.repair for finding in findings] == ["no longer a finding"]
    assert path.exists()
    assert not orphan.exists()


def test_a_folder_of_another_database_is_not_even_looked_at(
    check: Check, image: Image, orphan: Path, tmp_path: Path
) -> None:
    (tmp_path / "images" / ".store").unlink()
    for repair in (False, True):
        with pytest.raises(StoreMismatchError):
            check(repair=repair)
    assert orphan.exists()
    assert kinds(check(accept_store=True)) == ["untracked"]
    assert kinds(check()) == ["untracked"]


def test_a_data_folder_that_is_not_there_is_a_wrong_setting(
    tmp_path: Path, database_url: str
) -> None:
    with (
        pytest.raises(ConfigurationError, match="PIXY_DATA_DIR"),
        open_checker(database_url, tmp_path / "nowhere", min_age=0),
    ):
        pass
    assert not (tmp_path / "nowhere").exists()


def test_a_database_that_is_down_stops_the_check(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "blocked").touch()
    with (
        pytest.raises(DBConnectionError),
        open_checker(f"sqlite:///{tmp_path}/blocked/x", tmp_path, min_age=0),
    ):
        pass


def test_more_rows_and_files_than_one_part_are_all_compared(
    check: Check, image: Image, path: Path, tmp_path: Path, database: Database
) -> None:
    row = database.fetch_one("SELECT owner, class_key FROM images", {})
    assert row is not None
    content = b"content"
    for number in range(450):
        guid = f"{number % 3:08x}-0000-4000-8000-{number:012x}"
        filename = f"{guid}.png"
        database.execute(
            """
            INSERT INTO images (guid, filename, prompt, created_at, updated_at, owner, class_key,
                visibility, media_type, width, height, size, sha256, generator, model)
            VALUES (:guid, :filename, 'x', '2026-01-01 00:00:00.000000',
                '2026-01-01 00:00:00.000000', :owner, :class_key, 'private', 'image/png', 1, 1,
                :size, :sha256, 'sketch', 'sketch-1')
            """,
            {
                "guid": guid,
                "filename": filename,
                "owner": row[0],
                "class_key": row[1],
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            },
        )
        file = tmp_path / "images" / filename[:2] / filename
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    assert check() == []
    file.unlink()
    orphans = [make_orphan(tmp_path) for _ in range(220)]
    findings = check(repair=True)
    assert sorted(set(kinds(findings))) == ["missing", "untracked"]
    assert len(findings) == 221
    assert not any(orphan.exists() for orphan in orphans)


@pytest.fixture
def waiting(image: Image, database: Database, tmp_path: Path) -> str:
    """The guid of an image whose row was lost, and that is in the journal."""
    entry = JournalEntry(
        image=ImageDetail(**image.model_dump(include=set(ImageDetail.model_fields))),
        owner="ann",
        class_key="red",
        created_at=image.created_at,
    )
    write_journal(Journal(tmp_path / "journal"), entry)
    ImageRepository(database).delete_image(image.guid, "ann")
    return image.guid


def test_an_entry_of_the_journal_is_found_and_made_a_row(
    check: Check, waiting: str, database: Database, tmp_path: Path
) -> None:
    (finding,) = check()
    assert (finding.kind, finding.guid) == ("waiting", waiting)
    assert finding.path == f"journal/{waiting}.json"
    (finding,) = check(repair=True)
    assert finding.repair == "its row is there now"
    assert database.fetch_all("SELECT guid FROM images", {}) == [(waiting,)]
    assert check() == []


def test_an_entry_that_may_be_of_a_create_under_way_is_no_finding(
    check: Check, waiting: str
) -> None:
    assert check(min_age=60) == []


def test_an_entry_that_can_not_be_read_remains_and_is_kept(
    check: Check, make_image: Make, waiting: str, tmp_path: Path
) -> None:
    entry = tmp_path / "journal" / f"{waiting}.json"
    entry.write_text("{")
    make_image()
    (finding,) = check(repair=True)
    assert (finding.kind, finding.repair) == ("waiting", None)
    assert entry.read_text() == "{"


def test_a_creation_that_nobody_works_on_is_found(
    check: Check, image: Image, database: Database
) -> None:
    owner = User(username="ann", password="-", class_key="red")
    guid = str(uuid.uuid4())
    request = ImageDetailCreate(prompt="never made")
    CreationRepository(database).insert_creation(guid, request, owner, "0" * 64, None)
    assert check() == []
    long_ago = {"moment": "2020-01-01 00:00:00.000000"}
    database.execute("UPDATE creations SET expires_at = :moment", long_ago)
    for repair in (False, True):
        (finding,) = check(repair=repair)
        assert (finding.kind, finding.guid, finding.repair) == ("pending", guid, None)
