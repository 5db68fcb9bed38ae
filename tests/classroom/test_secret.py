"""The file of a course is made once, closed to others, and read as it is."""

import os

import pytest

from minires.classroom import Secret, secret_in
from minires.errors import DataFileError


def test_it_is_made_once_and_for_the_teacher_alone(tmp_path):
    path = tmp_path / "new" / "course.toml"
    made = secret_in(path)
    assert len(made.secret) == 32 and made.twisted == ()
    assert path.stat().st_mode & 0o77 == 0
    assert secret_in(path) == made != secret_in(tmp_path / "other.toml")


def test_a_teacher_writes_names_into_it(tmp_path):
    path = tmp_path / "course.toml"
    path.write_text('secret = "s"\ntwisted = ["batchnorm"]\n')
    assert secret_in(path) == Secret("s", ("batchnorm",))


@pytest.mark.parametrize("text", ["", "secret = 3", 'secret = ""', "secret", 'secret = "s"\ntwisted = 3', "\xff"])
def test_what_is_none_is_refused_and_left(text, tmp_path):
    path = tmp_path / "course.toml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DataFileError, match="course.toml is no file of a course: .*name another, or let one be made"):
        secret_in(path)
    assert path.read_text(encoding="latin-1") == text


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DataFileError, match="it is no regular file"):
            secret_in(path)


def test_numbers_hang_on_every_word_and_on_the_secret():
    numbers = {Secret(s).number(*words) for s in "st" for words in (("a", "b"), ("ab",), ("a", "c"), ("a", "b", ""))}
    assert len(numbers) == 8 and Secret("s").number("a", "b") == Secret("s").number("a", "b")
