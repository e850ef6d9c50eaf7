"""Archives that are checked, which needs no installation."""

import random
import tracemalloc
from pathlib import Path

import pytest

from archive_samples import change_archive, make_line, pack_images
from moving_house import House
from pixy_core import ArchiveError
from pixy_service import ArchiveCheck
from provider_answers import JPEG, PNG


def test_an_archive_is_checked_without_an_installation(archive: Path, exported: object) -> None:
    check = ArchiveCheck(archive)
    assert (list(check.run()), check.users, check.images) == ([], 3, 3)

    def damage_file(contents: list[bytes]) -> None:
        contents[5] = contents[5][:-1] + b"?"

    change_archive(archive, damage_file)
    check = ArchiveCheck(archive)
    assert [finding.kind for finding in check.run()] == ["corrupt"]
    assert check.left_out == 1
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(ArchiveError, match="not complete"):
        list(ArchiveCheck(archive).run())


@pytest.mark.parametrize("is_dense", [True, False], ids=["dense", "sparse"])
def test_one_large_image_is_in_memory_at_a_time(
    new: House, tmp_path: Path, archive: Path, is_dense: bool
) -> None:
    size = 8 * 1024 * 1024
    content = PNG + (random.Random(7).randbytes(size) if is_dense else bytes(size))
    lines = [make_line(number, content, width=64, height=48) for number in range(3)]
    archive.write_bytes(pack_images((line, content) for line in lines))
    tracemalloc.start()
    try:
        assert list(ArchiveCheck(archive).run()) == []
        peaks = {"check": tracemalloc.get_traced_memory()[1]}
        tracemalloc.reset_peak()
        assert new.take(archive)[0].added == 3
        peaks["import"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        assert new.export(tmp_path / "again")[0].images == 3
        peaks["export"] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # and less than another image for everything else; `content` was there before
    assert max(peaks.values()) < 2 * size, peaks


@pytest.mark.parametrize(
    ("content", "size"),
    [(b"<script>alert(1)</script>", (64, 48)), (JPEG, (16, 16)), (PNG, (65, 48)), (PNG, (48, 64))],
    ids=["no image", "another type", "another width", "turned"],
)
def test_bytes_that_are_not_the_image_of_their_row_are_reported(
    new: House, archive: Path, content: bytes, size: tuple[int, int]
) -> None:
    lines = [
        make_line(1, content, width=size[0], height=size[1]),
        make_line(2, PNG, width=64, height=48),
    ]
    archive.write_bytes(pack_images(zip(lines, (content, PNG), strict=True)))
    check = ArchiveCheck(archive)
    assert [(each.kind, each.guid) for each in check.run()] == [("invalid", lines[0].guid)]
    taken, findings = new.take(archive)
    assert [(each.kind, each.guid) for each in findings] == [("invalid", lines[0].guid)]
    assert (taken.added, taken.left_out, len(new.files())) == (1, 1, 1)
