"""Aligners, faces and models travel between processes as what they are made from."""

import copy
import multiprocessing
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import toys
from tddfa import FaceAligner, read_image
from tddfa.errors import PackNotFoundError
from tddfa.morphable import MorphableModel, open_face_model
from tddfa.packs import ModelPack, find_pack
from waiting import PATIENCE_S

PHOTO = __file__.replace("tests/alignment/test_pickling.py", "examples/photos/hopper.jpg")


def through_pickle(value):
    return pickle.loads(pickle.dumps(value))


@pytest.fixture(scope="module")
def toy_aligner(toy_pack):
    return FaceAligner(toy_pack)


def test_an_aligner_is_its_pack_and_options_in_a_few_bytes(toy_aligner):
    assert len(pickle.dumps(toy_aligner)) < 2000
    again = through_pickle(toy_aligner)
    assert again.align(toys.image()) == toy_aligner.align(toys.image())
    assert copy.deepcopy(toy_aligner).align(toys.image()) == toy_aligner.align(toys.image())


def test_options_of_an_aligner_are_kept(toy_pack):
    aligner = through_pickle(FaceAligner(toy_pack, threads=2, search_size=300))
    assert repr(aligner) == "FaceAligner('3ddfa-v2-mb05', threads=2, search_size=300)"
    assert aligner.smallest_face(np.zeros((300, 600, 3), np.uint8)) == pytest.approx(40)


def test_a_face_is_a_few_kilobytes_and_equal_after_its_journey():
    face = FaceAligner("open").align(read_image(PHOTO))[0]
    assert face.mesh is not None
    data = pickle.dumps(face)
    assert len(data) < 3000
    again = pickle.loads(data)
    assert again == face
    assert again.model is face.model  # looked up, not made anew
    np.testing.assert_array_equal(again.landmarks, face.landmarks)


def test_the_model_of_a_pack_exists_once_in_a_process(toy_pack, toy_aligner):
    other = FaceAligner(toy_pack)
    assert other.model is toy_aligner.model
    assert through_pickle(toy_aligner.model) is toy_aligner.model
    assert len(pickle.dumps(toy_aligner.model)) < 1000
    assert FaceAligner("open").model is FaceAligner("open:small").model


AT_ONCE = """
import pickle, sys, threading
from concurrent.futures import ThreadPoolExecutor
from tddfa import FaceAligner, read_image
from tddfa.export import glb_bytes

image, start = read_image(sys.argv[1]), threading.Barrier(4, timeout=600)

def begin(_):
    start.wait()
    face = FaceAligner("open").align(image)[0]
    start.wait()
    return face, face.cropped("head"), glb_bytes(image, [face, face])

with ThreadPoolExecutor(4) as pool:
    faces, heads, files = zip(*pool.map(begin, range(4)))
for same in faces, heads:
    assert len({id(face.model) for face in same}) == 1
    assert all(face == same[0] == pickle.loads(pickle.dumps(face)) for face in same)
assert {len(file) for file in files} == {len(glb_bytes(image, [faces[0]] * 2))}
"""


def test_threads_that_begin_at_once_share_models_and_write_the_same_files():
    # In a process of its own, which has no model yet.
    done = subprocess.run([sys.executable, "-c", AT_ONCE, PHOTO], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", [{}, {"level": 0, "crop": "head"}, {"mouth": False}])
def test_the_open_model_is_a_name_in_a_pickle(options):
    model = open_face_model(**options)
    assert through_pickle(model) is model
    assert len(pickle.dumps(model)) < 200


def test_a_model_that_was_changed_travels_whole():
    model = replace(open_face_model(level=0), name="mine", mean=open_face_model(level=0).mean + 1)
    again = through_pickle(model)
    assert isinstance(again, MorphableModel)
    assert again.name == "mine"
    params = model.params(expression={"jawOpen": 1.0})
    np.testing.assert_array_equal(again.reconstruct(params).vertices, model.reconstruct(params).vertices)


def _found(aligner, image, results):
    results.put([(face, len(face.vertices)) for face in aligner.align(image)])


def test_another_process_finds_the_same_faces(toy_aligner):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    worker = context.Process(target=_found, args=(toy_aligner, toys.image(), results))
    worker.start()
    found = results.get(timeout=PATIENCE_S)
    worker.join()
    assert found == [(face, len(face.vertices)) for face in toy_aligner.align(toys.image())]


def test_a_pack_that_moved_is_found_by_its_name_and_a_changed_one_is_not(toy_pack, packs_folder, tmp_path):
    folder = tmp_path / "elsewhere"
    shutil.copytree(toy_pack.folder, folder)
    data = pickle.dumps(ModelPack.open(folder))
    assert pickle.loads(data) == ModelPack.open(folder)
    shutil.copytree(folder, packs_folder / toy_pack.manifest.name)
    shutil.rmtree(folder)
    assert pickle.loads(data) == find_pack(toy_pack.manifest.name)
    files = {**toy_pack.manifest.files, "regressor.onnx": toy_pack.manifest.files["detector.onnx"]}
    manifest = packs_folder / toy_pack.manifest.name / "manifest.json"
    manifest.write_text(replace(toy_pack.manifest, files=files).to_json())
    with pytest.raises(PackNotFoundError, match="is not here any more, or has changed"):
        pickle.loads(data)


def test_a_variant_and_a_pack_with_other_settings_stay_what_they_are(toy_pack):
    small = find_pack("open:small")
    assert through_pickle(small) == small
    assert len(pickle.dumps(small)) < 500
    other = replace(toy_pack, manifest=replace(toy_pack.manifest, title="mine"))
    assert through_pickle(other) == other
