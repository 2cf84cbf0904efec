"""Batches with the toy pack, whose detector sees a face in the middle of every small image."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from batch_support import write_photos

pytest.importorskip("pyarrow", reason="tddfa batch needs pyarrow")


@pytest.fixture(autouse=True)
def with_toy_pack(toy_pack, packs_folder):
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")


@pytest.fixture
def photos(tmp_path) -> Path:
    return write_photos(tmp_path / "photos", 10)
