"""Archives that are read: whole ones, broken ones, and those of other programs."""

import io
import json
import math
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archive_samples import ANN, HEAD, make_archive, make_line, pack, read_entries, unpack
from pixy_core import ArchiveError
from pixy_data import ArchivedUser, ArchiveReader, ArchiveWriter, ImageEntry, open_archive

Entries = list[tuple[tarfile.TarInfo, bytes]]


def read(archive: bytes) -> list[ArchivedUser | ImageEntry]:
    with ArchiveReader(io.BytesIO(archive)) as reader:
        return list(reader.read())


def read_part(archive: bytes) -> tuple[int, str]:
    """Return how many images were read before the error, and the error."""
    images = 0
    with pytest.raises(ArchiveError) as failed, ArchiveReader(io.BytesIO(archive)) as reader:
        for entry in reader.read():
            images += isinstance(entry, ImageEntry)
    return images, str(failed.value)


def test_what_was_written_is_read() -> None:
    contents = [b"one", b"x" * 70_000, b"y" * 512]
    lines = [make_line(number, content) for number, content in enumerate(contents)]
    file = io.BytesIO()
    with ArchiveWriter(file, HEAD) as writer:
        writer.add_user(ANN)
        for line, content in zip(lines, contents, strict=True):
            writer.add_image(line, content)
        writer.finish()
    with ArchiveReader(io.BytesIO(file.getvalue())) as reader:
        assert reader.head == HEAD
        user, *images = reader.read()
        assert (reader.users, reader.images, reader.bytes) == (1, 3, 70_515)
    assert user == ANN
    assert images == [
        ImageEntry(line.guid, line, content) for line, content in zip(lines, contents, strict=True)
    ]


def test_an_archive_without_users_is_whole() -> None:
    file = io.BytesIO()
    with ArchiveWriter(file, HEAD) as writer:
        writer.finish()
    assert read(file.getvalue()) == []


def test_the_system_s_tar_reads_an_archive(tmp_path: Path) -> None:
    names = tarfile.open(fileobj=io.BytesIO(unpack(make_archive(2)))).getnames()  # noqa: SIM115
    assert names[:2] == ["pixy-archive.json", "users/00000001.json"]
    assert [name.rpartition(".")[2] for name in names[2:]] == ["json", "png", "json", "png", "json"]


def test_an_archive_that_ends_early_says_how_far_it_is_good() -> None:
    # of bytes that can't be compressed, so that the cut is where it seems to be
    file = io.BytesIO()
    contents = [bytes(i * j % 251 for i in range(50_000)) for j in (3, 5, 7, 11)]
    with ArchiveWriter(file, HEAD) as writer:
        writer.add_user(ANN)
        for number, content in enumerate(contents):
            writer.add_image(make_line(number, content), content)
        writer.finish()
    archive = file.getvalue()
    assert len(read(archive)) == 5
    counts = []
    for length in range(0, len(archive), max(1, len(archive) // 60)):
        images, error = read_part(archive[:length])
        assert "is not complete" in error
        assert f"after {images} images" in error
        counts.append(images)
    assert counts == sorted(counts)


def test_each_cut_of_the_tar_file_is_noticed() -> None:
    entries = read_entries(make_archive(2))
    for count in range(len(entries)):
        images, error = read_part(pack(entries[:count]))
        assert images <= 2
        assert error
    assert len(read(pack(entries))) == 3


def test_a_changed_byte_is_noticed() -> None:
    archive = make_archive(3)
    found = 0
    for place in range(0, len(archive), max(1, len(archive) // 150)):
        changed = bytearray(archive)
        changed[place] ^= 0x40
        try:
            entries = read(bytes(changed))
        except ArchiveError:
            found += 1
            continue
        images = [entry for entry in entries if isinstance(entry, ImageEntry)]
        assert len(images) == 3
        # bytes of the format that mean nothing, or an image that is reported
        assert entries == read(archive) or any(not each.content for each in images)
    assert found > 100


SOURCE = {"guid": f"{1:08}-0000-4000-8000-{0:012}", "sha256": "ab" * 32, "role": "image"}


def change_line(entries: Entries, number: int, change: Callable[[dict], object]) -> Entries:
    entry, line = entries[number]
    values = json.loads(line)
    change(values)
    entries[number] = replace(entry, json.dumps(values).encode() + b"\n")
    return entries


def replace(entry: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    entry.size = len(content)
    return entry, content


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": ""},
        {"prompt": "a\x00b"},
        {"owner": "a:b"},
        {"filename": "../../etc/passwd"},
        {"filename": "00000000-0000-4000-8000-000000000002.png"},
        {"media_type": "text/html"},
        {"sha256": "x" * 64},
        {"size": 2**40},
        {"width": 0},
        {"created_at": "2026-01-01T00:00:00"},
        {"created_at": "1600-01-01T00:00:00Z"},
        {"updated_at": "0001-01-01T00:00:00+14:00"},
        {"visibility": "everyone"},
        {"generator": "x" * 256},
        {"sources": [{"guid": "x", "sha256": "ab" * 32, "role": "image"}]},
        {"sources": [{"guid": f"{1:036}", "sha256": "ab", "role": "image"}]},
        {"later": "a member of another version"},
        {"purchase": {"later": "a member of another version"}},
        {"sources": [SOURCE | {"later": "a member of another version"}]},
        {"generator": "\x1b[31mred"},
        {"model": "a\nb"},
        {"purchase": {"upstream_request_id": "\x1b[2J"}},
        {"purchase": {"upstream_request_id": "x" * 256}},
        {"purchase": {"usage": {"cost": math.nan}}},
        {"purchase": {"usage": {"cost": [math.inf]}}},
        {"purchase": {"usage": {"text": "x" * 4096}}},
        {"purchase": {"usage": {"a": [[[[[[[[1]]]]]]]]}}},
        {"created_at": "2999-01-01T00:00:00Z"},
    ],
    ids=lambda change: str(change)[:60],
)
def test_a_line_that_breaks_a_rule_is_one_bad_image_and_the_others_are_read(
    change: dict[str, object],
) -> None:
    entries = change_line(read_entries(make_archive(3)), 4, lambda line: line.update(change))
    found: list[ArchivedUser | ImageEntry] = []
    with (
        ArchiveReader(io.BytesIO(pack(entries))) as reader,
        pytest.raises(ArchiveError, match="was changed"),
    ):
        found.extend(reader.read())
    _, first, second, third = found
    assert (second.image, second.content) == (None, None)
    assert first.content
    assert third.content


@pytest.mark.parametrize(
    "change",
    [
        {"sources": [SOURCE]},
        {"purchase": {}},
        {"purchase": {"usage": {"a": [[[[[[[1]]]]]]]}, "upstream_request_id": "req 1"}},
        {"created_at": (datetime.now(UTC) + timedelta(hours=20)).isoformat()},
    ],
    ids=["sources", "nothing bought", "usage", "clock"],
)
def test_a_line_within_the_rules_is_read(change: dict[str, object]) -> None:
    entries = change_line(read_entries(make_archive(1)), 2, lambda line: line.update(change))
    with ArchiveReader(io.BytesIO(pack(entries))) as reader:
        entries_read = reader.read()
        next(entries_read)
        entry = next(entries_read)
    assert isinstance(entry, ImageEntry)
    assert entry.content


def test_bytes_that_do_not_agree_with_their_line_are_one_bad_image() -> None:
    entries = read_entries(make_archive(2))
    name, content = entries[3]
    entries[3] = (name, content[:-1] + b"?")
    _, first, second = read(pack(entries))
    assert (first.image is not None, first.content) == (True, None)
    assert second.content


def make_entry(name: str, **attributes: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    return entry


GUID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    "entry",
    [
        make_entry(f"images/{GUID}.json", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        make_entry(f"images/{GUID}.json", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        make_entry(f"images/{GUID}.json", type=tarfile.CHRTYPE),
        make_entry(f"images/{GUID}.json", type=tarfile.FIFOTYPE),
        make_entry(f"images/{GUID}.json", type=tarfile.DIRTYPE),
        make_entry(f"images/{GUID}.json", type=tarfile.XHDTYPE),
        make_entry(f"images/{GUID}.json", type=tarfile.GNUTYPE_LONGNAME),
        make_entry(f"images/{GUID}.json", size=2**30),
        make_entry(f"images/{GUID}.json", size=-1),
        make_entry(f"images/{GUID}.png"),
        make_entry(f"../images/{GUID}.json"),
        make_entry(f"/images/{GUID}.json"),
        make_entry("images/../../x.json"),
        make_entry("users/1.json"),
        make_entry("etc/passwd"),
        make_entry("pixy-archive.json"),
    ],
    ids=lambda entry: f"{entry.name}-{entry.type!r}-{entry.size}",
)
def test_an_entry_of_another_program_ends_the_reading(entry: tarfile.TarInfo) -> None:
    entries = read_entries(make_archive(2))
    changed = [*entries[:4], (entry, b""), *entries[4:]]
    images, error = read_part(pack(changed))
    assert (images, "Traceback" in error) == (1, False)


@pytest.mark.parametrize("number", [1, 4, 5])
@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE, b"7"]
)
def test_an_entry_of_another_kind_with_a_right_name_ends_the_reading(
    number: int, kind: bytes
) -> None:
    entries = read_entries(make_archive(2))
    entries[number][0].type = kind
    assert "not a file" in read_part(pack(entries))[1]


def test_a_file_that_is_larger_than_any_image_is_not_read() -> None:
    entries = read_entries(make_archive(1))
    entries[3][0].size = 64 * 1024 * 1024 + 1
    assert "more than" in read_part(pack([*entries[:3], (entries[3][0], b"")]))[1]


def test_an_image_without_its_file_ends_the_reading() -> None:
    entries = read_entries(make_archive(2))
    assert "lacks the file" in read_part(pack([*entries[:3], *entries[4:]]))[1]


@pytest.mark.parametrize("length", [2, 4, 6])
def test_an_archive_that_lacks_images_does_not_agree_with_its_end(length: int) -> None:
    entries = read_entries(make_archive(3))
    assert "was changed" in read_part(pack([*entries[:length], entries[-1]]))[1]


def test_what_follows_the_end_is_refused() -> None:
    archive = make_archive(1)
    for rest in (archive, pack([(make_entry("x"), b"")]), pack([(make_entry("x"), bytes(9999))])):
        assert "goes on after it" in read_part(archive + rest)[1]


def test_a_newer_format_is_refused_by_its_version() -> None:
    entries = change_line(
        read_entries(make_archive(1)), 0, lambda head: head.update(version=2, more=True)
    )
    with pytest.raises(ArchiveError, match="has the format 2"):
        ArchiveReader(io.BytesIO(pack(entries)))


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"{}", bytes(2048), make_archive(1)[4:]], ids=repr
)
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(ArchiveError):
        ArchiveReader(io.BytesIO(content))


def test_another_tar_file_is_refused() -> None:
    with pytest.raises(ArchiveError, match="not one of PixyProxy"):
        ArchiveReader(io.BytesIO(pack([(make_entry("README"), b"")])))


def test_a_window_that_takes_more_memory_than_allowed_is_refused() -> None:
    # the header of a frame with a window of 2 GiB: RFC 8878, section 3.1.1.1
    archive = bytes.fromhex("28b52ffd00a8") + make_archive(1)[6:]
    with pytest.raises(ArchiveError):
        ArchiveReader(io.BytesIO(archive))


def test_an_archive_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(ArchiveError, match="can't be read"), open_archive(path):
            pass
