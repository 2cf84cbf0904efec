"""Videos: upload, progress, timeline, files."""

import io
import json
import re
from urllib.parse import unquote

import av
import numpy as np
import pytest

from studio_client import CLIP, PHOTO, socket, studio, unzipped
from tddfa.errors import VideoFileError
from tddfa.studio import Limits, StudioSettings

pytest.importorskip("starlette")
from tddfa.video.containers import check_container


@pytest.fixture(scope="module")
def client():
    with studio() as client:
        yield client


def followed(client, id):
    """Return what was told of a video until it ended."""
    told = []
    with socket(client, f"/api/videos/{id}/events") as ws:
        while not told or told[-1]["state"] in ("queued", "running"):
            told.append(ws.receive_json())
    return told


@pytest.fixture(scope="module")
def video(client):
    answer = client.post("/api/videos?overlay=3d&title=my+clip.mp4", content=CLIP)
    assert answer.status_code == 202
    return followed(client, answer.json()["id"])


def test_progress_grows_to_the_end_with_previews(video):
    done = [message["done"] for message in video]
    assert done == sorted(done)
    assert video[-1]["state"] == "done"
    assert video[-1]["done"] == video[-1]["total"] == 125
    assert any(message.get("preview", "").startswith("data:image/jpeg;base64,/9j/") for message in video)


def test_the_timeline_has_a_lane_per_person(client, video):
    timeline = client.get(f"/api/videos/{video[-1]['id']}/timeline").json()
    assert (timeline["schema"], timeline["title"]) == ("tddfa.timeline/1", "my clip.mp4")
    assert [person["id"] for person in timeline["people"]] == [0, 1]
    assert timeline["duration_s"] == pytest.approx(5, abs=0.05)
    for person in timeline["people"]:
        assert set(person["curves"]) == set(timeline["columns"])
        assert all(len(curve) == len(timeline["times"]) for curve in person["curves"].values())
    # Both faces are of one size: which of them has the first ID is a matter of pixels.
    always = [[0, pytest.approx(5, abs=0.05)]]
    assert [person["present"] == always for person in timeline["people"]].count(True) == 1


def test_every_file_opens_in_its_reader(client, video):
    import pandas
    import trimesh

    id, names = video[-1]["id"], [file["name"] for file in video[-1]["files"]]
    data = {name: client.get(f"/api/videos/{id}/files/{name}").content for name in names}
    with av.open(io.BytesIO(data["3d.mp4"])) as container:
        assert sum(1 for _ in container.decode(video=0)) == 125
    table = pandas.read_csv(io.BytesIO(data["faces.csv"]))
    assert table.frame.nunique() == 125
    assert len(pandas.read_parquet(io.BytesIO(data["faces.parquet"]))) == len(table)
    assert trimesh.load(io.BytesIO(data["animation_face_1.glb"]), file_type="glb").geometry
    assert data["plot.png"][:4] == b"\x89PNG"
    assert b"tddfa.timeline/1" in data["report.html"]
    everything = unzipped(client.get(f"/api/videos/{id}/files/all.zip").content)
    assert everything == {f"my clip_{name}": content for name, content in data.items()}


def saved_name(answer):
    """Return the name under which a browser saves an answer."""
    header = answer.headers["content-disposition"]
    encoded = re.search(r"filename\*=utf-8''([^;]+)", header, re.IGNORECASE)
    return unquote(encoded[1]) if encoded else re.search(r'filename="([^"]+)"', header)[1]


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("my clip.mp4", "my clip"),
        ("Größe 日本 'q'.v2.mov", "Größe 日本 'q'.v2"),
        ('a/b\\c:d"e?.mp4', "a_b_c_d_e_"),
        ("..mp4", "video"),
        ("x" * 300, "x" * 80),
    ],
)
def test_saved_files_of_a_video_are_called_as_it_is(client, video, title, stem):
    job = client.app._app.state.studio.videos.get(video[-1]["id"])
    before, job.title = job.title, title
    try:
        for name, saved in (("faces.csv", f"{stem}_faces.csv"), ("all.zip", f"{stem}.zip")):
            answer = client.get(f"/api/videos/{job.id}/files/{name}")
            assert saved_name(answer) == saved
    finally:
        job.title = before


def test_parts_of_a_file_are_served_so_that_players_can_seek(client, video):
    path = f"/api/videos/{video[-1]['id']}/files/3d.mp4"
    part = client.get(path, headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    beyond = client.get(path, headers={"range": "bytes=999999999-"})
    assert (beyond.status_code, list(beyond.json())) == (416, ["error"])
    assert beyond.headers["content-range"] == f"bytes */{len(client.get(path).content)}"
    for wrong in ("items=0-1", "bytes=abc", "bytes=5-2"):
        answer = client.get(path, headers={"range": wrong})
        assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize(
    ("query", "body", "status", "words"),
    [
        ("", b"", 400, "no body"),
        ("?overlay=nothing", CLIP, 400, "choose from"),
        ("?x=1", CLIP, 400, "no parameter"),
        ("", b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n" * 3, 415, "text"),
        ("", b"ffconcat version 1.0\nfile /etc/passwd\n" * 5, 415, "text"),
    ],
)
def test_an_upload_that_cannot_be_used_is_refused(client, query, body, status, words):
    answer = client.post(f"/api/videos{query}", content=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]


PLAYLISTS = {
    "concat": b"ffconcat version 1.0\n#\xff\xfe\nfile source\n",
    "sdp": b"v=0\r\ns=\xff\r\nc=IN IP4 127.0.0.1\r\nm=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
    "redirect": b"[Reference]\r\nRef1=http://127.0.0.1/\xff\r\n",
    "vobsub": b"# VobSub index file, v7\n\xff id: en, index: 0\ntimestamp: 00:00:01:000, filepos: 0\n",
}


@pytest.mark.parametrize("body", PLAYLISTS.values(), ids=PLAYLISTS)
def test_a_file_that_names_others_is_refused_whatever_bytes_it_begins_with(client, body):
    scratch = client.app._app.state.studio.scratch.folder
    before = set(scratch.iterdir())
    answer = client.post("/api/videos", content=body)
    assert answer.status_code == 415
    assert answer.json()["error"] == (
        "the file is no video of a kind that is read here; send an MP4, MKV, WebM, MOV or AVI file"
    )
    assert set(scratch.iterdir()) == before


@pytest.mark.parametrize("body", [*PLAYLISTS.values(), b"#EXTM3U\n#EXTINF:1,\xff\nsource\n#EXT-X-ENDLIST\n"])
def test_a_container_that_is_not_allowed_is_refused_again_before_it_is_read(tmp_path, body):
    (tmp_path / "source").write_bytes(body)
    with pytest.raises(VideoFileError, match="is no video"):
        check_container(tmp_path / "source")


@pytest.mark.parametrize("format", ["mp4", "mov", "matroska", "mpegts", "flv", "nut", "h264"])
def test_containers_of_recordings_are_allowed(tmp_path, format):
    path = tmp_path / "source"
    with av.open(io.BytesIO(CLIP)) as source, av.open(str(path), "w", format=format) as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    check_container(path)


def test_a_file_that_is_no_video_fails_with_one_plain_line(client):
    id = client.post("/api/videos?title=holiday.mp4", content=b"\x00\x01" * 500).json()["id"]
    end = followed(client, id)[-1]
    assert (end["state"], end["files"]) == ("failed", [])
    assert end["error"] == "holiday.mp4 is no video, or is cut off or damaged"
    assert client.get(f"/api/videos/{id}/timeline").status_code == 409


def test_a_video_can_be_cancelled_and_leaves_nothing(client):
    scratch = client.app._app.state.studio.scratch.folder
    before = set(scratch.iterdir())
    id = client.post("/api/videos", content=CLIP).json()["id"]
    with socket(client, f"/api/videos/{id}/events") as ws:
        while ws.receive_json()["done"] == 0:
            pass
        assert client.delete(f"/api/videos/{id}").status_code == 204
        while (end := ws.receive_json())["state"] == "running":
            pass
    assert end["state"] == "cancelled"
    assert end["done"] < 125
    assert client.get(f"/api/videos/{id}").status_code == 404
    followed(client, client.post("/api/videos", content=b"\x00" * 99).json()["id"])  # the thread is past it
    assert set(scratch.iterdir()) <= before


@pytest.mark.parametrize(("most", "told"), [(1, True), (2, True), (3, False)])
def test_it_is_told_when_there_may_be_more_faces_than_are_followed(most, told):
    with studio(StudioSettings(limits=Limits(faces=most))) as client:
        end = followed(client, client.post("/api/videos", content=CLIP).json()["id"])[-1]
    assert end["state"] == "done"
    assert (f"at most {most} face" in (end["remark"] or "")) == told


def test_a_video_is_kept_as_long_as_somebody_asks_about_it(client):
    id = client.post("/api/videos", content=b"\x00" * 99).json()["id"]
    followed(client, id)
    job = client.app._app.state.studio.videos.get(id)
    job.ended -= 2 * Limits().video_kept_s
    assert client.get(f"/api/videos/{id}").status_code == 200
    job.used -= 2 * Limits().video_kept_s
    assert client.get(f"/api/videos/{id}").status_code == 404


def test_limits_of_videos_are_told():
    settings = StudioSettings(limits=Limits(video_bytes=1000))
    with studio(settings) as client:
        assert client.post("/api/videos", content=CLIP).status_code == 413
    with studio(StudioSettings(limits=Limits(video_s=2))) as client:
        end = followed(client, client.post("/api/videos", content=CLIP).json()["id"])[-1]
        assert (end["state"], end["error"][:25]) == ("failed", "the video is longer than ")
    with studio(StudioSettings(limits=Limits(videos=0))) as client:
        assert client.post("/api/videos", content=CLIP).status_code == 503


def test_photos_are_answered_while_a_video_is_worked_on(client):
    id = client.post("/api/videos", content=CLIP).json()["id"]
    n = 0
    while client.get(f"/api/videos/{id}").json()["state"] in ("queued", "running"):
        assert len(client.post("/api/align", content=PHOTO).json()["faces"]) == 1
        n += 1
    assert n > 2


def test_the_curves_of_a_long_video_keep_its_blinks():
    from tddfa.streams.timeline import Person, Timeline

    n = 36_000
    closure = np.zeros(n, np.float32)
    closure[[5000, 5001, 20_000]] = 0.9
    closure[9000:9100] = np.nan
    values = {"yaw_deg": np.linspace(-30, 30, n, dtype=np.float32)}
    values |= {"eyeBlinkLeft": closure, "eyeBlinkRight": closure}
    person = Person(0, np.zeros((8, 8, 3), np.uint8), ~np.isnan(closure), values)
    timeline = Timeline("x", np.arange(n) / 25, (77,), tuple(values), (person,))
    record = timeline.record()
    (shown,) = record["people"]
    assert shown["blinks"] == [200.0, 800.0]
    assert len(record["times"]) == len(shown["curves"]["eyeBlinkLeft"]) == 1200
    assert sum(v is not None and v > 0.8 for v in shown["curves"]["eyeBlinkLeft"]) == 2
    assert shown["present"] == [[0.0, 360.0], [364.0, 1440.0]]
    assert record["cuts"] == [3.08]
    assert len(json.dumps(record)) < 40_000
