"""POST /api/align and the photos of the page: an image in, any output out."""

import io
import json

import jsonschema
import numpy as np
import pytest

from studio_client import GROUP, PHOTO, ROOT, studio, unzipped
from tddfa import FaceAligner, decode_image
from tddfa.export import image_record
from tddfa.imaging.files import encode_image
from tddfa.kinds import KINDS, OutputOptions
from tddfa.outputs import Scene, expected_files, write_outputs
from tddfa.studio import Limits, StudioSettings

pytest.importorskip("starlette")


@pytest.fixture(scope="module")
def client():
    with studio() as client:
        yield client


@pytest.fixture(scope="module")
def scene():
    image = decode_image(GROUP)
    return Scene(image, FaceAligner().align(image))


@pytest.fixture(scope="module")
def kept(client):
    return client.post("/api/photos", content=GROUP).json()


def test_the_answer_is_the_documented_record_of_the_library(client, scene):
    answer = client.post("/api/align", content=GROUP).json()
    assert answer == json.loads(json.dumps(image_record(scene.image, scene.faces)))
    schema = json.loads((ROOT / "src/tddfa/export/record.schema.json").read_text())
    jsonschema.validate(answer, schema)
    assert len(answer["faces"]) == 4
    for face, record in zip(scene.faces, answer["faces"], strict=True):
        gaze = {name: pytest.approx(getattr(face.gaze, name), abs=1e-3) for name in record["gaze"]}
        assert record["gaze"] == gaze


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_every_kind_is_the_file_that_the_command_writes(client, scene, tmp_path, kind):
    answer = client.post(f"/api/align?kind={kind}", content=GROUP)
    options = OutputOptions()
    (written,) = write_outputs([k for k in KINDS if k.name == kind], tmp_path / "photo", scene, options)
    if kind == "obj":
        assert written.read_bytes() == answer.content
    elif kind == "npz":
        ours, theirs = np.load(written), np.load(io.BytesIO(answer.content))
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours.files)
    else:
        assert written.read_bytes() == answer.content


def test_several_files_come_as_a_zip_with_all_of_them(client, tmp_path):
    files = unzipped(client.post("/api/align?kind=all", content=GROUP).content)
    expected = {path.name for path in expected_files(KINDS, tmp_path / "photo", OutputOptions())}
    assert expected <= set(files)
    assert {"photo.csv", "photo.jsonl"} <= set(files)
    per_face = unzipped(client.post("/api/align?kind=glb&per_face=true", content=GROUP).content)
    assert list(per_face) == [f"photo_glb_face_{n}.glb" for n in (4, 3, 2, 1)]


def test_files_are_called_as_the_client_says(client):
    answer = client.post("/api/align?kind=glb&stem=J%C3%BCrgen+1", content=PHOTO)
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''J%C3%BCrgen%201_glb.glb"


def test_options_reach_the_outputs(client):
    seen = decode_image(client.post("/api/align?kind=3d&background=black", content=PHOTO).content)
    assert (seen[0, 0] == 0).all()
    transparent = client.post("/api/align?kind=3d&background=transparent&format=png", content=PHOTO)
    assert transparent.headers["content-type"] == "image/png"
    assert transparent.content[25] == 6  # the PNG has an alpha channel
    assert len(client.post("/api/align?max_faces=1", content=GROUP).json()["faces"]) == 1


def test_an_image_without_a_face_is_an_empty_list_and_has_no_other_output(client):
    blank = encode_image(np.full((90, 120, 3), 128, np.uint8), "png")
    answer = client.post("/api/align", content=blank)
    assert (answer.status_code, answer.json()["faces"]) == (200, [])
    answer = client.post("/api/align?kind=glb", content=blank)
    assert answer.status_code == 422
    assert "no face was found in this image of 120×90 px" in answer.json()["error"]


@pytest.mark.parametrize(
    ("query", "body", "status", "words"),
    [
        ("", b"", 400, "no body"),
        ("", b"%PDF-1.7 hello", 415, "readable are JPEG"),
        ("", PHOTO[:9000], 415, "truncated JPEG"),
        ("?kind=nothing", PHOTO, 400, "no kind of output"),
        ("?kinds=glb", PHOTO, 400, "no parameter 'kinds'"),
        ("?kind=", PHOTO, 400, "choose from"),
        ("?kind=ply&neutral=true", PHOTO, 400, "neutral applies to glb"),
        ("?kind=3d&background=transparent", PHOTO, 400, "format=png"),
        ("?kind=3d&format=gif", PHOTO, 400, "jpg, png"),
        ("?kind=glb&neutral=perhaps", PHOTO, 400, "true or false"),
        ("?stem=", PHOTO, 400, "stem is"),
        ("?stem=../x", PHOTO, 400, "stem is"),
        ("?stem=a%0d%0ab", PHOTO, 400, "stem is"),
        ("?max_faces=0", PHOTO, 400, "from 1"),
        ("?search_size=1e9", PHOTO, 400, "from 32"),
        ("?search_size=31", PHOTO, 400, "from 32"),
        ("?max_faces=1&max_faces=2", PHOTO, 400, "max_faces is given more than once"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_plain_line(client, query, body, status, words):
    answer = client.post(f"/api/align{query}", content=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/align", "/api/photos", "/api/videos"])
def test_a_form_is_refused_with_what_to_send_instead(client, path):
    answer = client.post(path, content=b"--x", headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 415
    assert "is a form; send the bytes of the file alone, as curl --data-binary @FILE does" in answer.text


def test_a_photo_is_aligned_once_for_all_its_outputs(client, kept, scene, monkeypatch):
    monkeypatch.setattr(FaceAligner, "align", None)
    glb = client.get(f"/api/photos/{kept['id']}/outputs?kind=glb")
    assert glb.content == client.get(f"/api/photos/{kept['id']}/outputs?kind=glb").content
    one = client.get(f"/api/photos/{kept['id']}/faces/2/outputs?kind=json").json()
    assert one["faces"] == [kept["faces"][2]]
    assert client.get(f"/api/photos/{kept['id']}/faces/9/outputs").status_code == 404
    shown = decode_image(client.get(f"/api/photos/{kept['id']}/image").content)
    assert shown.shape == scene.image.shape
    assert set(kept["faces"][0]["gaze"]) == {"yaw_deg", "pitch_deg", "image_yaw_deg", "image_pitch_deg"}


def test_a_photo_can_be_forgotten_and_is_forgotten_by_itself():
    settings = StudioSettings(limits=Limits(photos=2))
    with studio(settings) as client:
        ids = [client.post("/api/photos", content=PHOTO).json()["id"] for _ in range(3)]
        statuses = [client.get(f"/api/photos/{id}/outputs").status_code for id in ids]
        assert statuses == [404, 200, 200]
        assert client.delete(f"/api/photos/{ids[2]}").status_code == 204
        assert client.get(f"/api/photos/{ids[2]}/image").status_code == 404
        assert client.delete(f"/api/photos/{ids[2]}").status_code == 404


def test_parameters_that_a_photo_of_the_page_does_not_take_are_refused(client, kept):
    """The faces are found before outputs are asked for: max_faces of outputs would do nothing."""
    answer = client.get(f"/api/photos/{kept['id']}/outputs?kind=csv&max_faces=1")
    assert (answer.status_code, answer.json()["error"][:24]) == (400, "no parameter 'max_faces'")
    answer = client.post("/api/photos?kind=glb", content=PHOTO)
    assert answer.json() == {"error": "no parameter 'kind'; there are max_faces, search_size"}
    assert len(client.post("/api/photos?max_faces=1", content=GROUP).json()["faces"]) == 1


def test_a_path_that_ends_with_a_slash_is_told_not_redirected(client):
    answer = client.post("/api/align/", content=PHOTO, follow_redirects=False)
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_limits_are_told(client):
    settings = StudioSettings(limits=Limits(image_bytes=10_000, image_pixels=5000))
    small = encode_image(np.zeros((100, 100, 3), np.uint8), "jpg")
    with studio(settings) as client:
        assert client.post("/api/align", content=PHOTO).status_code == 413
        many = client.post("/api/align", content=iter([b"\xff\xd8" * 3000, b"\xff\xd8" * 3000]))
        assert many.status_code == 413  # a body whose length is not told
        answer = client.post("/api/align", content=small)
        assert (answer.status_code, answer.json()["error"][:28]) == (413, "the image has 100×100 px; se")


def test_the_openapi_document_describes_the_routes(client):
    document = client.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method in methods:
            answer = client.request(method, path.format(id="none", face=0, name="all.zip"), content=b"x")
            assert answer.status_code not in (405, 500), (method, path)
            assert str(answer.status_code) in methods[method]["responses"], (method, path, answer.text)
    names = {p["name"] for p in document["paths"]["/api/align"]["post"]["parameters"]}
    assert {"kind", "format", "background", "neutral", "frontal", "per_face", "max_faces"} <= names
