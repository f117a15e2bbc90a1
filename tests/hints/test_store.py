"""The file in which processes share what they learned."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from flask_sluice.folder import has_made, own_folder
from flask_sluice.hints import store as module
from flask_sluice.hints.store import NAME, FileStore, Store


@pytest.fixture(autouse=True)
def folder(place: None) -> Path:
    """Give the app's own folder, of this test alone."""
    folder = own_folder("app", "/here")
    assert has_made(folder)
    return folder


def make() -> FileStore:
    """Give a store as another process has it."""
    return FileStore("app", "/here")


def test_what_one_saves_all_load() -> None:
    """Each text in place of the one of its name."""
    one: Store = make()
    one.save({"a": "1", "b": "2"}, 60)
    make().save({"b": "3"}, 60)
    assert make().load() == {"a": "1", "b": "3"}


def test_another_app_has_another() -> None:
    """By its name and its place."""
    make().save({"a": "1"}, 60)
    assert FileStore("app", "/there").load() == {}


def test_what_has_not_changed_is_not_read_again() -> None:
    """Until somebody saves."""
    one = make()
    one.save({"a": "1"}, 60)
    assert one.load() == {"a": "1"}
    assert one.load() == {}
    make().save({"a": "2"}, 60)
    assert one.load() == {"a": "2"}


def test_what_is_not_saved_again_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many seconds."""
    one = make()
    one.save({"a": "1"}, 60)
    later = time.time() + 61
    monkeypatch.setattr(module.time, "time", lambda: later)
    one.save({"b": "2"}, 60)
    assert make().load() == {"b": "2"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": ["x", 1]}'])
def test_a_file_of_something_else(folder: Path, text: str) -> None:
    """It is taken for empty, and replaced."""
    (folder / NAME).write_text(text)
    assert make().load() == {}
    make().save({"a": "1"}, 60)
    assert make().load() == {"a": "1"}


def test_a_folder_of_somebody_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may make a folder of that name; what is in it isn't believed."""
    make().save({"a": "1"}, 60)
    monkeypatch.setattr(module, "has_made", lambda _: False)
    with pytest.raises(PermissionError, match="somebody else's"):
        make().load()
    with pytest.raises(PermissionError):
        make().save({"a": "2"}, 60)
    assert folder.stat().st_mode & 0o77 == 0


@pytest.mark.skipif(os.name == "nt", reason="there is no flock")
def test_two_that_save_at_once() -> None:
    """Neither loses what the other wrote."""
    stores = [make() for _ in range(4)]
    start = threading.Barrier(4)

    def work(at: int) -> None:
        start.wait(5)
        for count in range(9):
            stores[at].save({f"{at}-{count}": "x"}, 60)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(make().load()) == 36
