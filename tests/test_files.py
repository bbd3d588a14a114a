"""Files that only their owner can read: new ones, whole ones, and what is none."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bridge.files import fresh, whole


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_fresh_one_was_not_there(tmp_path: Path) -> None:
    """It is its owner's alone; the second time it is refused by its name, and stays."""
    path = tmp_path / "new"
    with fresh(path) as out:
        out.write("half a pair: \ud800")
    assert (path.read_bytes(), _mode(path)) == (b"half a pair: \xed\xa0\x80", 0o600)
    with pytest.raises(FileExistsError) as refused:
        fresh(path)
    assert refused.value.filename == str(path)
    assert path.read_bytes().startswith(b"half")


def test_a_whole_one_takes_the_place_of_the_old_in_the_end(tmp_path: Path) -> None:
    """Until then the old one is there, whoever could read it; a link to it stays a link."""
    path, link = tmp_path / "it", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o644)
    link.symlink_to(path)
    with whole(link) as out:
        out.write("new")
        out.flush()
        assert path.read_text() == "old"
    assert (path.read_text(), _mode(path), link.is_symlink()) == ("new", 0o600, True)
    assert set(tmp_path.iterdir()) == {path, link}


def test_of_half_a_one_nothing_is_left(tmp_path: Path) -> None:
    """Whatever breaks it off; an older one stays."""
    path = tmp_path / "it"

    def break_off() -> None:
        with whole(path) as out:
            out.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


def test_an_error_names_the_file_that_is_meant(tmp_path: Path) -> None:
    """Not the one beside it that nobody has heard of."""
    path = tmp_path / "no" / "it"
    with pytest.raises(FileNotFoundError) as error:
        fresh(path)
    assert error.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as error, whole(path):
        pass
    assert error.value.filename == str(path)


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    """What is no file has nothing to lose, and no other can take its place."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with whole(path) as out:
            out.write("whole")
        assert os.read(reader, 99) == b"whole"
        with fresh(path) as out:
            out.write("fresh")
        assert os.read(reader, 99) == b"fresh"
    finally:
        os.close(reader)
    assert path.is_fifo()


def test_what_is_written_to_the_output_is_added_to_it(tmp_path: Path) -> None:
    """/dev/stdout may be a file that has something in it already, and whose place it is not ours to take."""
    file = tmp_path / "all"
    file.write_text("earlier, ")
    code = "from pathlib import Path; from bridge.files import whole\nwith whole(Path('/dev/stdout')) as out: out.write('more')"
    with file.open("a") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("earlier, more", [file])


def test_a_file_in_memory_is_a_file() -> None:
    """/dev/shm has files like any other folder: a new one is refused where one is, a whole one takes its place."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "it"
        path.write_text("old")
        with pytest.raises(FileExistsError):
            fresh(path)
        with whole(path) as out:
            out.write("new")
        assert (path.read_text(), _mode(path)) == ("new", 0o600)


def test_a_whole_one_may_have_to_be_new(tmp_path: Path) -> None:
    """Then what is there stays, refused by the name that was given; a pipe has nothing to lose."""
    path = tmp_path / "it"
    with whole(path, new=True) as out:
        out.write("first")
    with pytest.raises(FileExistsError) as refused, whole(path, new=True) as out:
        out.write("second")
    assert refused.value.filename == str(path)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("first", [path])
    with whole(Path(os.devnull), new=True) as out:
        out.write("gone")
