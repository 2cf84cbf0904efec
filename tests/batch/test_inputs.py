"""Tables, archives and buckets as inputs; pictures, meshes and crops as outputs."""

from __future__ import annotations

import io
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import toys
from batch_support import InlineEngine, rows_of
from conftest import REPOSITORY
from tddfa import decode_image
from tddfa.batch.align import ImageAligner
from tddfa.batch.chunk import ChunkJob
from tddfa.batch.inputs import Sources, Unit
from tddfa.batch.run import BatchReport, run_batch
from tddfa.batch.settings import BatchSettings
from tddfa.errors import InputError, StorageError
from tddfa.imaging.files import encode_image
from tddfa.provenance import is_ours

PACK = BatchSettings(pack="3ddfa-v2-mb05")
PNG = encode_image(toys.image(), "png")


def batched(inputs: list[str], out: str, settings: BatchSettings, **options) -> BatchReport:
    return run_batch(inputs, out, settings, engine=InlineEngine(), **options)


def faces(out: Path) -> list[tuple[str, int, str | None]]:
    return [(row["path"], row["face"], row["error"]) for row in rows_of(out)]


def test_columns_of_bytes_and_of_paths_are_known_by_name_and_type(photos, tmp_path):
    table = tmp_path / "table.parquet"
    paths = [str(photos / f"{i:04d}.png") for i in (3, 4, 5)]
    pq.write_table(pa.table({"id": [1, 2, 3, 4], "path": [*paths, None]}), table)
    assert [unit.path for unit in Sources([str(table)])] == [*paths, ""]
    cells = [Path(paths[0]).read_bytes(), b"no image", None, Path(paths[1]).read_bytes(), PNG]
    pq.write_table(pa.table({"path": ["a"] * 5, "image": cells}), table, row_group_size=3)
    report = batched([str(table)], str(tmp_path / "out"), PACK, chunk_size=2)
    assert (report.n_inputs, report.n_faces, report.n_errors) == (5, 3, 2)
    found = faces(tmp_path / "out")
    assert [name for name, _, _ in found] == [f"{table}#{i}" for i in range(5)]
    assert [face for _, face, _ in found] == [0, -1, -1, 0, 0]
    assert "no bytes" in found[2][2]


def test_images_of_hugging_face_tables_are_structs_with_bytes(tmp_path):
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"image": [{"bytes": PNG, "path": "a.png"}], "label": [1]}), table)
    batched([str(table)], str(tmp_path / "out"), PACK)
    assert faces(tmp_path / "out") == [(f"{table}#0/a.png", 0, None)]


@pytest.mark.parametrize(
    ("columns", "wanted", "text"),
    [
        ({"x": [1]}, None, "no column of images that is known by its name; name it with --column, of: x"),
        ({"x": [1]}, "y", "has no column 'y'; it has x"),
        ({"x": [1]}, "x", r"column 'x' of .* has the type int64; it takes text"),
    ],
)
def test_tables_without_images_are_refused_in_one_line(tmp_path, columns, wanted, text):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=text):
        list(Sources([str(tmp_path / "t.parquet")], wanted))


def test_what_is_no_parquet_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"t.parquet is no Parquet file") as error:
        list(Sources([str(tmp_path / "t.parquet")]))
    assert "\n" not in str(error.value)


def test_a_table_with_damage_or_text_that_is_no_text_is_refused_in_one_line(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"path": ["a.jpg"] * 300}), path)
    whole = path.read_bytes()
    named = b"not utf-8: \xff\xfe.jpg"
    cell = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, len(named)], pa.int32()).buffers()[1], pa.py_buffer(named)]
    )
    pq.write_table(pa.table({"path": cell}), path)
    names = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    renamed = whole[:footer] + whole[footer:].replace(b"path", b"\xffath")
    for content in (b"", b"PAR1", b"PARE" * 9, whole[:-9], whole[: len(whole) // 2], renamed, names):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"t.parquet is no Parquet file that can be read: ") as error:
            list(Sources([str(path)]))
        assert "\n" not in str(error.value)


def test_a_table_that_lost_its_column_after_it_was_planned_is_an_error_of_each_input(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image": [b"x", b"y"]}), path)
    out = tmp_path / "out"
    run_batch([str(path)], str(out), PACK, plan_only=True)
    pq.write_table(pa.table({"photo": [b"x", b"y"]}), path)
    items = list(ChunkJob(str(out), PACK)._cells(Unit(str(path), "rows", 0, 2, "image")))
    assert [item.name for item in items] == [f"{path}#0", f"{path}#1"]
    assert all("it has no column 'image'" in str(item.source) for item in items)


def write_shard(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_shards_of_webdataset_give_a_row_for_each_image_and_none_for_labels(tmp_path):
    shard = write_shard(
        tmp_path / "s.tar", {"0.png": PNG, "0.json": b"{}", "1.jpg": b"", "2.png": PNG, "2.cls": b"1"}
    )
    report = batched([str(shard)], str(tmp_path / "out"), PACK)
    assert (report.n_inputs, report.n_faces, report.n_errors) == (3, 2, 1)
    assert [name for name, _, _ in faces(tmp_path / "out")] == [
        f"{shard}/{n}" for n in ("0.png", "1.jpg", "2.png")
    ]


def test_links_in_a_shard_are_errors_and_hidden_files_are_no_images(tmp_path):
    shard = write_shard(
        tmp_path / "s.tar", {"./0.png": PNG, "._0.png": b"Mac", ".cache/1.png": PNG, "../2.png": PNG}
    )
    with tarfile.open(shard, "a") as tar:
        for name, kind in {
            "3.png": tarfile.LNKTYPE,
            "4.png": tarfile.SYMTYPE,
            "5.cls": tarfile.LNKTYPE,
        }.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "./0.png"
            tar.addfile(link)
    report = batched([str(shard)], str(tmp_path / "out"), PACK)
    assert (report.n_inputs, report.n_faces, report.n_errors) == (4, 2, 2)
    assert [(Path(row["path"]).name, row["error"]) for row in rows_of(tmp_path / "out") if row["error"]] == [
        (
            name,
            f"{shard}/{name} is a link, which is not followed in tar files; pack the images themselves (tar "
            "--hard-dereference -h)",
        )
        for name in ("3.png", "4.png")
    ]


def test_a_truncated_shard_gives_what_is_whole_and_an_error(tmp_path):
    shard = write_shard(tmp_path / "s.tar", {f"{i}.png": PNG for i in range(3)})
    shard.write_bytes(shard.read_bytes()[: 2 * (512 + -(-len(PNG) // 512) * 512) + 600])
    report = batched([str(shard)], str(tmp_path / "out"), PACK)
    assert (report.n_faces, report.n_errors) == (2, 1)


def test_images_and_meshes_are_written_once_and_crops_are_in_the_table(photos, tmp_path):
    settings = BatchSettings(pack=PACK.pack, kinds=("2d_sparse", "glb"), crops=32)
    out = tmp_path / "out"
    batched([str(photos)], str(out), settings, chunk_size=4)
    files = sorted(str(p.relative_to(out / "files")) for p in (out / "files").rglob("*.*"))
    assert len(files) == 20
    assert files[0] == "00000/00000000/0000_0002_2d_sparse.jpg"
    assert all(is_ours(out / "files" / name) for name in files)
    crops = [decode_image(row["crop"]) for row in rows_of(out)]
    assert {crop.shape for crop in crops} == {(32, 32, 3)}
    assert all(np.ptp(crop) > 20 for crop in crops)
    batched([str(photos)], str(tmp_path / "plain"), PACK, chunk_size=4)
    assert all(row["crop"] is None for row in rows_of(tmp_path / "plain"))


@pytest.fixture(scope="module")
def s3():
    """A server of S3 on this machine: its options for URLs, and a client."""
    server_module = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=endpoint, **keys)
    client.create_bucket(Bucket="bucket")
    yield f"endpoint_override={endpoint}&region=us-east-1", client
    server.stop()


def test_buckets_are_read_written_resumed_and_listed(s3, photos, tmp_path, monkeypatch):
    options, client = s3
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for path in photos.rglob("*.png"):
        client.put_object(Bucket="bucket", Key=f"in/{path.relative_to(photos)}", Body=path.read_bytes())
    source, out = f"s3://bucket/in?{options}", f"s3://bucket/out?{options}"
    assert batched([source], out, PACK, chunk_size=4).n_faces == 10
    batched([str(photos)], str(tmp_path / "local"), PACK, chunk_size=4)

    def keys() -> list[str]:
        return [o["Key"] for o in client.list_objects_v2(Bucket="bucket", Prefix="out/")["Contents"]]

    *others, plan, record = keys()
    assert others == [f"out/faces/00000/part-{k:08d}.parquet" for k in range(3)]
    assert re.fullmatch(r"out/plan/00000-[0-9a-f]{8}\.parquet", plan)
    assert record == "out/plan/plan.json"
    client.delete_object(Bucket="bucket", Key=keys()[1])
    report = batched([source], out, PACK, resume=True)
    assert (report.n_inputs, report.n_done_before) == (10, 6)
    for key in keys():
        place = tmp_path / "copy" / key.removeprefix("out/")
        place.parent.mkdir(parents=True, exist_ok=True)
        client.download_file("bucket", key, str(place))
    remote, local = rows_of(tmp_path / "copy"), rows_of(tmp_path / "local")
    assert [row.pop("path").removeprefix("s3://bucket/in") for row in remote] == [
        row.pop("path").removeprefix(str(photos)) for row in local
    ]
    assert repr(remote) == repr(local)
    globbed = [unit.path for unit in Sources([f"s3://bucket/in/000[34].png?{options}"])]
    assert [path.partition("?")[0][-8:] for path in globbed] == ["0003.png", "0004.png"]


def test_buckets_that_are_not_there_are_one_line(s3, monkeypatch):
    options, _ = s3
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with pytest.raises(InputError, match=r"no images or videos in the folder|no such file") as nothing:
        list(Sources([f"s3://no-bucket/in?{options}"]))
    assert "\n" not in str(nothing.value)
    with pytest.raises(StorageError, match="cannot write s3://no-bucket/out") as error:
        run_batch(
            [str(REPOSITORY / "examples" / "photos" / "hopper.jpg")], f"s3://no-bucket/out?{options}", PACK
        )
    assert "\n" not in str(error.value)
    with pytest.raises(StorageError, match="the name of the bucket is missing"):
        batched(["x.jpg"], "s3:///out", PACK)
    with pytest.raises(StorageError, match="'speed' is no option of s3; choose from endpoint_override"):
        batched(["x.jpg"], "s3://bucket/out?speed=1", PACK)


@pytest.mark.parametrize(
    ("sign", "advice"),
    [
        ("AWS Error ACCESS_DENIED during PutObject operation", "access denied; check the credentials"),
        ("AWS Error INVALID_ACCESS_KEY_ID during HeadObject", "the access key is not known there"),
        ("AWS Error SIGNATURE_DOES_NOT_MATCH", "the secret key is wrong"),
        ("UNAVAILABLE: … create a OAuth2 access token …", "set GOOGLE_APPLICATION_CREDENTIALS"),
        ("AWS Error NETWORK_CONNECTION during HeadObject\ncurlCode: 7", "the server cannot be reached"),
    ],
)
def test_what_a_bucket_says_becomes_what_a_person_can_do(sign, advice):
    from tddfa.batch.storage import failed

    text = str(failed("write", "s3://bucket/out?region=x", OSError(sign)))
    assert text.startswith("cannot write s3://bucket/out: ")
    assert advice in text
    assert "\n" not in text


def test_an_empty_cell_of_a_column_of_paths_is_called_that(photos, tmp_path):
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"path": [str(photos / "0003.png"), None, ""]}), table)
    report = batched([str(table)], str(tmp_path / "out"), PACK)
    assert (report.n_inputs, report.n_faces, report.n_errors) == (3, 1, 2)
    errors = [error for _, _, error in faces(tmp_path / "out") if error]
    assert errors == ["a cell of the column of paths is empty"] * 2


def test_a_name_that_is_too_long_is_one_line():
    with pytest.raises(InputError, match="no such file or folder: aaa"):
        list(Sources(["a" * 300]))


def test_a_tree_that_is_deeper_than_python_calls_is_walked(tmp_path):
    depth = sys.getrecursionlimit() + 100
    folder = tmp_path
    made = []
    # Names of one letter keep the path below the limit of the system.
    for _ in range(depth):
        folder = folder / "d"
        made.append(folder)
        folder.mkdir()
    (folder / "photo.png").write_bytes(PNG)
    (unit,) = Sources([str(tmp_path)])
    assert unit.path.endswith("photo.png")
    (folder / "photo.png").unlink()
    for each in reversed(made):  # shutil.rmtree calls itself for each level
        each.rmdir()


def test_a_link_to_itself_costs_only_itself(photos, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.png").write_bytes((photos / "0003.png").read_bytes())
    (folder / "self.png").symlink_to("self.png")
    assert [Path(unit.path).name for unit in Sources([str(folder)])] == ["good.png", "self.png"]
    report = batched([str(folder)], str(tmp_path / "out"), PACK)
    assert (report.n_inputs, report.n_errors) == (2, 1)


def test_only_the_largest_faces_of_a_photo_are_rows():
    group = str(REPOSITORY / "examples" / "photos" / "group.jpg")
    pack = str(REPOSITORY / "src" / "tddfa" / "packs" / "built_in" / "open")
    every, largest = (
        ImageAligner(BatchSettings(pack=pack, max_faces=most).resolved()).outcome(group, group)[0]
        for most in (None, 2)
    )
    assert (len(every), len(largest)) == (4, 2)
