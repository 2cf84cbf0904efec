"""The plan: the same for the same inputs, written first, and flat in memory."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import REPOSITORY
from tddfa.batch.inputs import Sources, Unit
from tddfa.batch.plan import Plan, PlanReader, chunked, make_plan
from tddfa.batch.storage import Storage
from tddfa.errors import InputError, StorageError


def photos_by_number(n: int):
    return (Unit(f"s3://bucket/{i // 1000:06d}/{i:010d}.jpg", size=i) for i in range(n))


def test_what_is_planned_is_read_again_chunk_by_chunk_and_input_by_input(tmp_path):
    storage = Storage.open(str(tmp_path))
    units = [*photos_by_number(2600), Unit("clip.mp4", "video"), Unit("x.tar", "tar", n=0)]
    plan = make_plan(iter(units), {}, storage, chunk_size=2)
    reader = PlanReader(storage, plan)
    assert [unit for k in range(plan.n_chunks) for unit in reader.units(k)] == units
    assert plan.n_chunks == 1302, "two photos a chunk, more than one file of the plan, and two by themselves"
    assert plan.n_inputs == 2602


def test_videos_and_archives_have_chunks_of_their_own_and_photos_fill_theirs():
    units = [Unit("a.jpg"), Unit("b.mp4", "video"), Unit("c.jpg"), Unit("d.jpg")]
    found = [[unit.path for unit in chunk] for chunk in chunked(units, 2)]
    assert found == [["b.mp4"], ["a.jpg", "c.jpg"], ["d.jpg"]]


def test_the_plan_depends_on_every_property_of_every_input_and_on_nothing_else(tmp_path):
    units = list(photos_by_number(600))
    first = make_plan(iter(units), {}, Storage.open(str(tmp_path / "a")))
    assert make_plan(iter(units), {}).fingerprint == first.fingerprint
    for changed in (
        units[:-1],
        [*units[:-1], units[-1]._replace(size=1)],
        [*units[:-1], units[-1]._replace(modified=1)],
        [units[1], units[0], *units[2:]],
    ):
        assert make_plan(iter(changed), {}).digest != first.digest
    assert make_plan(iter(units), {"pack": "x"}).fingerprint != first.fingerprint


def test_memory_does_not_grow_with_the_number_of_inputs(tmp_path, monkeypatch):
    storage = Storage.open(str(tmp_path))
    monkeypatch.setattr("tddfa.batch.plan._CHUNKS_PER_FILE", 32)

    def peak(n_files: int) -> int:
        sizes: list[int] = []
        for _ in range(3):  # the smallest: what others allocate meanwhile comes and goes
            tracemalloc.start()
            make_plan(photos_by_number(16 * 32 * n_files), {}, storage, chunk_size=16)
            sizes.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return min(sizes)

    peak(1)  # what is loaded once
    assert peak(10) < 1.2 * peak(2)


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource")
def test_a_folder_is_planned_at_the_rate_and_in_the_memory_that_a_million_may_take(tmp_path):
    folder = tmp_path / "photos"
    for part in range(4):
        (folder / f"{part:02d}").mkdir(parents=True)
        for i in range(1000):
            os.close(os.open(folder / f"{part:02d}" / f"{i:05d}.jpg", os.O_CREAT))
    code = (
        "import re, time\n"
        "from tddfa.batch.inputs import Sources\n"
        "from tddfa.batch.plan import make_plan\n"
        "from tddfa.batch.storage import Storage\n"
        f"storage = Storage.open({str(tmp_path / 'out')!r})\n"
        "start = time.process_time()\n"
        f"plan = make_plan(Sources([{str(folder)!r}]), {{}}, storage)\n"
        # The peak of this program alone: that of getrusage begins with what its parent had.
        "status = open('/proc/self/status').read()\n"
        "megabytes = int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) / 1024\n"
        "print(plan.n_inputs, time.process_time() - start, megabytes)"
    )
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True)
    n, seconds, megabytes = done.stdout.split()
    assert int(n) == 4000
    assert float(seconds) < 60 / 250 + 4, "60 s for a million, and 4 s for what is loaded on the way"
    assert float(megabytes) < 500


def test_folders_globs_lists_and_named_files_give_each_input_once_and_in_order(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos)
    (photos / ".hidden.png").write_bytes(b"")
    (photos / "notes.doc").write_bytes(b"")
    (tmp_path / "list.txt").write_text("0005.png\r\n\n# a comment\nmissing.jpg\nclip.mp4\nno suffix\n")

    def found(*arguments: str) -> list[tuple[str, str]]:
        return [(unit.path, unit.kind) for unit in Sources(arguments)]

    whole = [f"{photos}/{i:04d}.png" for i in range(2, 10)] + [f"{photos}/more/{i:04d}.png" for i in (0, 1)]
    assert [path for path, _ in found(str(photos))] == whole
    assert [path for path, _ in found(str(photos), f"{photos}/0003.png", f"{photos}/*.png")] == whole
    assert [path for path, _ in found(f"{photos}/0003.png", str(photos))] == [whole[1], whole[0], *whole[2:]]
    for arguments in (
        (f"{photos}/more", str(photos), f"{photos}/", f"{photos}/more/.."),
        (f"{photos}/*.png", f"{photos}/more", str(photos)),
        (f"{photos}/more/0000.png", f"{photos}/more/*", f"{photos}/**/*.png", str(photos)),
    ):
        assert sorted(path for path, _ in found(*arguments)) == sorted(whole), "in whatever order"
    hidden = f"{photos}/.hidden.png"
    assert [path for path, _ in found(str(photos), hidden)] == [*whole, hidden]
    assert [path for path, _ in found("**/0001.png", "000[23].png")] == [
        "more/0001.png",
        "0002.png",
        "0003.png",
    ]
    assert found(str(tmp_path / "list.txt")) == [
        ("0005.png", "image"),
        ("missing.jpg", "image"),
        ("clip.mp4", "video"),
        ("no suffix", "image"),
    ]


def test_texts_and_tables_about_the_photos_in_their_folder_are_no_inputs(photos):
    (photos / "LICENSE.txt").write_text("This is a licence\nof two lines\n")
    (photos / "more" / "files.lst").write_text("0001.png\n")
    pq.write_table(pa.table({"label": [1, 2]}), photos / "metadata.parquet")
    whole = [unit.path for unit in Sources([str(photos)])]
    assert len(whole) == 10
    assert all(path.endswith(".png") for path in whole)
    named = list(Sources([str(photos / "LICENSE.txt")]))  # where it is named, it is a list
    assert [unit.path for unit in named] == ["This is a licence", "of two lines"]
    both = list(Sources([str(photos), str(photos / "more" / "files.lst")]))
    assert [unit.path for unit in both] == [*whole, "0001.png"]
    globbed = list(Sources([f"{photos}/**/*.png", str(photos)]))
    assert sorted(unit.path for unit in globbed) == sorted(whole)


def test_a_folder_of_tables_alone_says_what_they_lack(tmp_path):
    pq.write_table(pa.table({"label": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="name it with --column, of: label"):
        list(Sources([str(tmp_path)]))
    pq.write_table(pa.table({"label": [1], "path": ["x.jpg"]}), tmp_path / "b.parquet")
    assert [unit.path for unit in Sources([str(tmp_path)])] == ["x.jpg"]
    with pytest.raises(InputError, match="has no column 'photo'"):
        list(Sources([str(tmp_path)], column="photo"))


def test_a_folder_of_lists_alone_says_how_to_give_them(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg\n")
    with pytest.raises(InputError, match="a list is given by its own name"):
        list(Sources([str(tmp_path)]))


def test_outputs_are_no_inputs_of_the_next_run(photos):
    inside = photos / "out"
    (inside / "files").mkdir(parents=True)
    (inside / "files" / "0001.png").write_bytes(b"x")
    assert sum(1 for _ in Sources([str(photos)], exclude=str(inside))) == 10


@pytest.mark.parametrize(
    "name", ["plan/00000.parquet", "faces/00000/part-00000000.parquet", "files/00001/00000002/photos.parquet"]
)
def test_a_file_of_somebody_that_is_named_as_those_of_a_batch_is_an_input(tmp_path, name):
    table = tmp_path / "data" / name
    table.parent.mkdir(parents=True)
    pq.write_table(pa.table({"path": ["x.jpg"]}), table)
    image = tmp_path / "data" / "files" / "00000" / "00000000" / "y.jpg"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"x")
    for argument in (str(tmp_path / "data"), f"{tmp_path}/data/**"):
        sources = Sources([argument])
        assert sorted(unit.path for unit in sources) == [str(image), "x.jpg"]
        assert sources.left_out.text() == ""
    plan = tmp_path / "data" / "plan" / "plan.json"
    plan.parent.mkdir(exist_ok=True)
    plan.write_text('{"schema": "somebody\'s"}')
    assert len(list(Sources([str(tmp_path / "data")]))) == 2


def test_results_in_folders_are_left_out_by_what_is_in_them_and_counted(photos):
    results = {"face_id": [0], "success": [1], "pose_Rx": [0.1], "box_x0": [3.0]}
    pq.write_table(pa.table({"path": ["x.jpg"], **results}), photos / "merged.parquet")  # under any name
    pq.write_table(pa.table(results), photos / "more" / "clip.parquet")
    for k in range(5):
        pq.write_table(pa.table({"label": [1]}), photos / "more" / f"about{k}.parquet")
    sources = Sources([str(photos)])
    assert sum(1 for _ in sources) == 10
    names = ", ".join(f"{photos}/more/about{k}.parquet" for k in range(3))
    assert sources.left_out.text() == (
        "left out 2 files made by tddfa and 5 tables without a column of images that is known by its name "
        f"({names}, …)"
    )
    assert sum(1 for _ in sources) == 10
    assert sources.left_out.n_ours == 2, "counted anew"
    assert [unit.path for unit in Sources([str(photos / "merged.parquet")])] == ["x.jpg"], "it is named"
    (photos / "results").mkdir()
    (photos / "merged.parquet").rename(photos / "results" / "merged.parquet")
    with pytest.raises(
        InputError, match=r"no images .*results \(left out 1 file made by tddfa\); give folders"
    ):
        list(Sources([str(photos / "results")]))


@pytest.mark.parametrize(
    ("argument", "text"),
    [("nothing.jpg", "no such file or folder"), ("no*.jpg", "no file matches"), (".", "no images or videos")],
)
def test_an_argument_that_means_nothing_is_refused_in_one_line(tmp_path, monkeypatch, argument, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=text) as error:
        list(Sources([argument]))
    assert "\n" not in str(error.value)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have names of text alone")
def test_addresses_of_files_may_have_percent_signs_or_not(tmp_path):
    folder = tmp_path / "two words ü"
    folder.mkdir()
    (folder / "a b.jpg").write_bytes(b"x")
    for url in (folder.as_uri(), f"file://{folder}"):
        (unit,) = Sources([url])
        assert Storage.open(unit.path).read() == b"x"


def test_a_name_that_is_no_text_survives_the_plan(tmp_path):
    name = os.fsencode(tmp_path) + b"/in/\xff.jpg"
    (tmp_path / "in").mkdir()
    os.close(os.open(name, os.O_CREAT))
    storage = Storage.open(str(tmp_path / "out"))
    plan = make_plan(Sources([str(tmp_path / "in")]), {}, storage)
    assert [os.fsencode(unit.path) for unit in PlanReader(storage, plan).units(0)] == [name]


def test_of_runs_that_plan_at_once_the_first_makes_the_plan_and_no_file_of_the_others_stays(tmp_path):
    """Each begins while no plan is there, and ends one after the other."""
    storage = Storage.open(str(tmp_path))
    plans = {}

    def units(n: int):
        yield from photos_by_number(n)
        if n < 4:
            plans[n + 1] = make_plan(units(n + 1), {}, storage, chunk_size=2)

    plans[1] = make_plan(units(1), {}, storage, chunk_size=2)
    there = Plan.read(storage)
    assert there == plans[4]
    assert len({plan.token for plan in plans.values()}) == 4
    read = [unit for k in range(2) for unit in PlanReader(storage, there).units(k)]
    assert read == list(photos_by_number(4))
    assert sorted(path.name for path in (tmp_path / "plan").iterdir()) == [
        f"00000-{there.token}.parquet",
        "plan.json",
    ]


@pytest.mark.parametrize(
    "field", ["n_chunks", "n_inputs", "chunk_size", "digest", "base", "settings", "token"]
)
def test_a_plan_whose_fields_are_of_another_kind_is_refused_in_one_line(tmp_path, field):
    storage = Storage.open(str(tmp_path))
    make_plan(photos_by_number(3), {}, storage)
    file = tmp_path / "plan" / "plan.json"
    whole = json.loads(file.read_text())
    for value in (1.5, float("nan"), None, [], True, 10**400, -1, *(["../x"] * (field == "token"))):
        file.write_text(json.dumps({**whole, field: value}))
        with pytest.raises(InputError, match="is no plan of a batch") as error:
            Plan.read(storage)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("record", [[], None, {}, {"schema": 3}, {"schema": "tddfa.batch/9\nx"}])
def test_what_is_no_plan_is_refused_in_one_line(tmp_path, record):
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "plan.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="is no plan of a batch") as error:
        Plan.read(Storage.open(str(tmp_path)))
    assert "\n" not in str(error.value)


def test_a_list_of_inputs_with_other_columns_or_damage_is_refused_in_one_line(tmp_path):
    storage = Storage.open(str(tmp_path))
    plan = make_plan(photos_by_number(3), {}, storage)
    (file,) = (tmp_path / "plan").glob("*.parquet")
    whole, table = file.read_bytes(), pq.read_table(file)
    tables = [
        table.drop_columns(["path"]),
        table.rename_columns([name.upper() for name in table.column_names]),
        table.set_column(0, "path", pa.array([1, 2, 3])),
        table.set_column(0, "path", pa.nulls(3, pa.binary())),
        table.set_column(3, "n", pa.array(["one", "two", "three"])),
    ]
    contents = [b"", b"PAR1", whole[:-20], whole[:50] + bytes(60) + whole[110:]]
    for content in contents + [parquet(changed) for changed in tables]:
        file.write_bytes(content)
        with pytest.raises(StorageError, match="is missing or damaged; put it back from a copy") as error:
            PlanReader(storage, plan).units(0)
        assert "\n" not in str(error.value)
    file.write_bytes(whole)
    assert len(PlanReader(storage, plan).units(0)) == 3


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()
