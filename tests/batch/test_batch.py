"""A batch as a person meets it: every input once, whatever is killed in between."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import pickle
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batch_support
import toys
from batch_support import InlineEngine, PoisonJob, rows_of, same_rows, write_photos
from clips import write_clip
from conftest import REPOSITORY
from tddfa import FaceAligner, read_image, to_rows, write_image
from tddfa import files as files_module
from tddfa.batch import storage, supervisor
from tddfa.batch.align import TableAligner, failed_row
from tddfa.batch.chunk import MAX_RUNS, ChunkJob, ChunkReport
from tddfa.batch.inputs import Sources, Unit
from tddfa.batch.local import LocalEngine
from tddfa.batch.passing import CutOffError, may_pass
from tddfa.batch.plan import Plan, make_plan
from tddfa.batch.run import BatchReport, Shard, run_batch
from tddfa.batch.schema import table_schema
from tddfa.batch.settings import BatchSettings
from tddfa.batch.storage import Storage
from tddfa.batch.supervisor import GuardedWorker
from tddfa.cli.main import main
from tddfa.errors import ImageFileError, InputError, PackError, StorageError
from tddfa.imaging.files import encode_image
from tddfa.imaging.reading import ImageMemoryError

PACK = BatchSettings(pack="3ddfa-v2-mb05")


def batch(inputs: Path | str, out: Path, **options) -> BatchReport:
    options = {"settings": PACK, "chunk_size": 3, "engine": InlineEngine(), **options}
    return run_batch([str(inputs)], str(out), **options)


def part(out: Path, chunk: int) -> Path:
    return out / "faces" / "00000" / f"part-{chunk:08d}.parquet"


def test_every_face_has_the_row_that_videos_have_and_a_name(photos, tmp_path):
    report = batch(photos, tmp_path / "out")
    assert (report.n_inputs, report.n_faces, report.n_errors) == (10, 10, 0)
    assert report.is_complete
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 10
    path = str(photos / "0004.png")
    (row,) = [row for row in rows if row["path"] == path]
    (face,) = FaceAligner("3ddfa-v2-mb05").align(read_image(path))
    shared = to_rows(face)[0]
    assert {name: row[name] for name in shared} == shared
    assert (row["face"], row["error"], row["width"], row["height"]) == (0, None, 120, 120)
    assert np.array_equal(np.float32(row["camera"]).reshape(3, 4), face.params.camera.astype(np.float32))
    assert np.array_equal(np.float32(row["identity"]), face.params.identity.astype(np.float32))


def test_what_is_no_image_and_what_has_no_face_have_rows_of_their_own(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(encode_image(toys.image(), "jpg")[:500])
    (folder / "empty.png").write_bytes(b"")
    (folder / "list.txt").write_text(f"{folder}/broken.jpg\n{folder}/empty.png\n{folder}/gone.jpg\n")
    report = batch(folder / "list.txt", tmp_path / "out")
    assert (report.n_inputs, report.n_faces, report.n_errors) == (3, 0, 3)
    rows = rows_of(tmp_path / "out")
    assert [row["face"] for row in rows] == [-1, -1, -1]
    assert [row["state"] for row in rows] == ["error"] * 3
    assert "truncated" in rows[0]["error"]
    assert "empty" in rows[1]["error"]
    assert "no such file" in rows[2]["error"]


def test_a_video_is_one_task_whose_rows_are_those_of_the_video_table(tmp_path):
    from tddfa.streams import TableSink, follow
    from tddfa.tracking import FaceTracker
    from tddfa.video import VideoReader

    clip = write_clip(tmp_path / "clip.mp4", [toys.image()] * 5)
    batch(clip, tmp_path / "out")
    aligner = FaceAligner("3ddfa-v2-mb05")
    with TableSink(tmp_path / "clip.parquet", aligner.model.expression_names) as sink:
        for frame in follow(VideoReader(clip), FaceTracker(aligner)):
            sink.write(frame)
    expected = pq.read_table(tmp_path / "clip.parquet")
    found = pq.read_table(tmp_path / "out" / "faces")
    assert found.num_rows == expected.num_rows > 0
    assert found.select(expected.column_names).to_pydict() == expected.to_pydict()
    assert found.select(expected.column_names).schema.types == expected.schema.types


def test_the_metadata_names_schema_version_and_pack(photos, tmp_path, toy_pack):
    batch(photos, tmp_path / "out")
    said = pq.read_schema(part(tmp_path / "out", 0)).metadata
    assert said[b"tddfa.schema"] == b"tddfa.batch/1"
    assert said[b"tddfa.pack"] == b"3ddfa-v2-mb05"
    assert said[b"tddfa.pack_sha256"].decode() == toy_pack.fingerprint
    assert said[b"tddfa.version"]


def test_no_list_has_a_fixed_length_since_spark_has_none():
    kinds = [field.type for field in table_schema(("smile",))]
    assert not any(pa.types.is_fixed_size_list(kind) for kind in kinds)
    assert sum(pa.types.is_list(kind) for kind in kinds) == 3


def test_resuming_does_what_is_not_whole_and_nothing_else(photos, tmp_path):
    out = tmp_path / "out"
    batch(photos, out)
    before = {k: part(out, k).read_bytes() for k in range(4)}
    part(out, 0).write_bytes(before[3])  # whole, and another chunk's
    part(out, 1).write_bytes(before[1][: len(before[1]) // 2])
    damaged = bytearray(before[2])
    damaged[2000] ^= 0xFF  # in a page of a column, which the footer does not show
    part(out, 2).write_bytes(bytes(damaged))
    kept = part(out, 3).stat().st_mtime_ns
    report = batch(photos, out, resume=True)
    assert report.n_inputs == 10
    assert report.n_done_before == 1
    assert part(out, 3).stat().st_mtime_ns == kept
    assert {k: part(out, k).read_bytes() for k in range(4)} == before


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.write_bytes(b"PAR1" * 50)])
def test_a_plan_whose_inputs_are_missing_or_damaged_is_one_line(photos, tmp_path, spoil):
    out = tmp_path / "out"
    batch(photos, out)
    (units,) = (out / "plan").glob("*.parquet")
    spoil(units)
    part(out, 1).unlink()
    with pytest.raises(
        StorageError, match=r"names the inputs of chunk 1, is missing or damaged; put it back"
    ):
        batch(photos, out, resume=True)


def test_a_second_run_without_resume_is_refused(photos, tmp_path):
    batch(photos, tmp_path / "out")
    with pytest.raises(InputError, match="holds a batch of 10 inputs; go on with --resume"):
        batch(photos, tmp_path / "out")


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_planned_beside_another_joins_it_or_is_refused(photos, tmp_path, resume):
    """The other one plans the same inputs, or one more, while this one reads its list."""
    out = tmp_path / "out"

    class PlannedMeanwhile:
        def __init__(self, inputs: Path):
            self.inputs = inputs

        def planned(self, n_inputs):
            if not (out / "plan" / "plan.json").exists():
                batch(self.inputs, out)

        def started(self, n_inputs): ...
        def advanced(self, n_inputs): ...

    if resume:
        report = batch(photos, out, resume=True, progress=PlannedMeanwhile(photos))
        assert (report.is_complete, report.n_done_before) == (True, 10)
    else:
        with pytest.raises(InputError, match="holds a batch of 10 inputs; go on with --resume"):
            batch(photos, out, progress=PlannedMeanwhile(photos))
    batch(photos, tmp_path / "calm")
    assert same_rows(tmp_path / "calm", out)
    other = write_photos(tmp_path / "other", 4)
    out = tmp_path / "out of others"
    with pytest.raises(InputError, match="inputs were 4 and are now 10" if resume else "of 4 inputs"):
        batch(photos, out, resume=resume, progress=PlannedMeanwhile(other))
    batch(other, tmp_path / "calm others")
    assert same_rows(tmp_path / "calm others", out)


def test_shards_that_start_at_once_without_a_plan_make_the_whole(photos, tmp_path):
    """Three commands at the same time, as of a SLURM array."""
    batch(photos, tmp_path / "one")
    command = [sys.executable, "-m", "tddfa", "batch", str(photos), "--out", str(tmp_path / "some")]
    command += ["--pack", "3ddfa-v2-mb05", "--chunk-size", "3", "--resume"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    runs = [
        subprocess.Popen([*command, "--shard", f"{k}/3"], env=env, stdout=subprocess.PIPE, text=True)
        for k in (1, 2, 3)
    ]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert [int(text.split()[0]) for text in said] == [4, 3, 3]  # of chunks of 3, 3, 3 and 1
    assert same_rows(tmp_path / "one", tmp_path / "some")
    assert len(list((tmp_path / "some" / "plan").iterdir())) == 2


def test_changed_inputs_settings_and_packs_are_refused(photos, tmp_path, packs_folder):
    out = tmp_path / "out"
    batch(photos, out)
    with pytest.raises(InputError, match="its search_size was not set and is now 64"):
        batch(photos, out, resume=True, settings=BatchSettings(pack=PACK.pack, search_size=64))
    write_image(photos / "new.png", toys.image())
    with pytest.raises(InputError, match="its inputs were 10 and are now 11"):
        batch(photos, out, resume=True)
    (photos / "new.png").unlink()
    write_image(photos / "0003.png", toys.image(100))
    with pytest.raises(InputError, match="some were changed since"):
        batch(photos, out, resume=True)
    assert run_batch([], str(out), PACK, engine=InlineEngine(), resume=True).n_done_before == 10, (
        "the plan holds without its inputs"
    )
    manifest = packs_folder / "3ddfa-v2-mb05" / "manifest.json"
    text = manifest.read_text()
    sha = Plan.read(Storage.open(str(out))).settings["pack_sha256"]
    first = next(iter(json.loads(text)["files"].values()))["sha256"]
    manifest.write_text(text.replace(first, first[::-1]))
    with pytest.raises(InputError, match=f"its pack_sha256 was {sha!r} and is now"):
        run_batch([], str(out), PACK, resume=True)


def test_parts_of_another_schema_or_batch_are_refused(photos, tmp_path):
    out = tmp_path / "out"
    batch(photos, out)
    table = pq.read_table(part(out, 1))
    other = {**table.schema.metadata, b"tddfa.schema": b"tddfa.batch/2", b"tddfa.plan": b"x"}
    pq.write_table(table.replace_schema_metadata(other), part(out, 1))
    with pytest.raises(InputError, match=r"belongs to another batch \(schema tddfa.batch/2\)"):
        batch(photos, out, resume=True)
    file = out / "plan" / "plan.json"
    file.write_text(file.read_text().replace("tddfa.batch/1", "tddfa.batch/9"))
    with pytest.raises(InputError, match=r"parts of tddfa.batch/9, and this version of tddfa writes"):
        batch(photos, out, resume=True)
    file.write_text(
        file.read_text().replace("tddfa.batch/9", "tddfa.batch/1").replace('"n_chunks": ', '"n_chunks": -')
    )
    with pytest.raises(InputError, match="is no plan of a batch"):
        batch(photos, out, resume=True)
    for text in ("{", "[" * 200_000):
        file.write_text(text)
        with pytest.raises(InputError, match="is no plan of a batch"):
            batch(photos, out, resume=True)


def test_a_plan_of_the_first_days_without_a_token_is_gone_on_with(photos, tmp_path):
    out = tmp_path / "out"
    batch(photos, out)
    rows = rows_of(out)
    (units,) = (out / "plan").glob("00000-*.parquet")
    units.rename(out / "plan" / "00000.parquet")
    file = out / "plan" / "plan.json"
    record = json.loads(file.read_text())
    del record["token"]
    file.write_text(json.dumps(record))
    part(out, 1).unlink()
    report = batch(photos, out, resume=True)
    assert report.is_complete
    assert report.n_done_before > 0
    assert rows_of(out) == rows


def test_what_a_killed_worker_began_is_removed_by_the_guard_that_saw_it_end(photos, tmp_path, monkeypatch):
    # On a machine of a cluster nothing else removes it before a day is over.
    out = tmp_path / "out"
    monkeypatch.setattr("tddfa.batch.run._sweep", lambda storage: None)
    engine = LocalEngine(1)
    killed: list[int] = []

    def kill() -> None:
        while not list(out.glob("faces/*/.tddfa-*")):
            time.sleep(0.001)
        killed.extend(engine.worker_pids)
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    report = run_batch([str(photos)], str(out), PACK, engine=engine, chunk_size=3)
    thread.join()
    assert killed
    assert report.is_complete
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_shards_share_a_plan_and_make_the_whole_together(photos, tmp_path):
    batch(photos, tmp_path / "one")
    reports = [batch(photos, tmp_path / "some", shard=Shard(k, 3)) for k in range(3)]
    assert sum(report.n_inputs for report in reports) == 10
    assert [report.n_chunks for report in reports] == [2, 1, 1]
    assert same_rows(tmp_path / "one", tmp_path / "some")


def test_the_number_of_processes_changes_no_byte(photos, tmp_path):
    batch(photos, tmp_path / "one")
    batch(photos, tmp_path / "two", engine=LocalEngine(2))  # of processes, which the first has none of
    for k in range(4):
        assert part(tmp_path / "one", k).read_bytes() == part(tmp_path / "two", k).read_bytes()


def test_too_many_errors_stop_the_run_and_what_is_done_stays(photos, tmp_path):
    for i in range(4, 10):
        (photos / f"{i:04d}.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="more than --max-errors 1"):
        batch(photos, tmp_path / "out", max_errors=1)
    assert part(tmp_path / "out", 0).exists()
    assert batch(photos, tmp_path / "out", resume=True).n_errors == 6
    for name in ("0005.png", "0006.png", "0007.png", "0008.png", "0009.png"):
        (photos / name).unlink()
    with pytest.raises(InputError, match="stopped: 1 input could not be used, more than"):
        batch(photos, tmp_path / "one", max_errors=0)


@pytest.fixture
def poisoned(photos, monkeypatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(Path(batch_support.__file__).parent))
    (photos / "0005.png").rename(photos / "0005 kill.png")
    (photos / "0008.png").rename(photos / "0008 hang.png")
    return photos


def test_an_input_that_kills_its_worker_twice_or_hangs_is_recorded_and_the_rest_is_done(poisoned, tmp_path):
    out = str(tmp_path / "out")
    run_batch([str(poisoned)], out, PACK, chunk_size=3, plan_only=True)
    worker = GuardedWorker(PoisonJob(out, PACK), timeout_s=10)
    reports = [worker.run(chunk) for chunk in range(4)]
    worker.close()
    assert sum(report.n_inputs for report in reports) == 10
    assert sum(report.n_errors for report in reports) == 2
    errors = [row["error"] for row in rows_of(tmp_path / "out") if row["error"]]
    assert "ended the process that read it twice (signal 9)" in errors[0]
    assert "took longer than 10 s" in errors[1]
    assert [report.n_again for report in reports] == [0, 1, 1, 0]
    assert all(error.endswith("left out; --resume tries it again") for error in errors)


def cut_off(out: Path, skip: dict[int, str], **kwargs) -> ChunkReport:
    """Do chunk 0 as a guard has it done that saw workers end."""
    return ChunkJob(str(out), PACK).run(0, skip, lambda at, n: None, **kwargs)


def test_what_was_cut_off_is_tried_again_by_the_next_runs_and_then_given_up(photos, tmp_path):
    out = tmp_path / "out"
    batch(photos, out)
    whole = {k: part(out, k).read_bytes() for k in range(4)}
    report = cut_off(out, {1: "ended the process that read it twice (signal 9); left out"})
    assert (report.n_errors, report.n_again) == (1, 1)
    (error,) = [row["error"] for row in rows_of(out) if row["error"]]
    assert error == "ended the process that read it twice (signal 9); left out; --resume tries it again"
    assert "again" not in pq.read_schema(part(out, 0)).names
    report = batch(photos, out, resume=True)
    assert (report.n_errors, report.n_again, report.n_done_before) == (0, 0, 7)
    assert {k: part(out, k).read_bytes() for k in range(4)} == whole, "as if nothing had been"
    said = [cut_off(out, {1: "took longer than 1 s; left out"}) for _ in range(MAX_RUNS)]
    assert [report.n_again for report in said] == [1] * (MAX_RUNS - 1) + [0]
    (error,) = [row["error"] for row in rows_of(out) if row["error"]]
    assert error == f"took longer than 1 s; left out; given up after {MAX_RUNS} runs"
    assert batch(photos, out, resume=True).n_done_before == 10
    part(out, 0).unlink()  # what the page says for whoever wants it tried all the same
    assert batch(photos, out, resume=True).n_errors == 0


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (CutOffError("x"), True),
        (MemoryError(), True),
        (ImageMemoryError("not enough memory to decode x"), True),
        (storage.failed("read", "s3://b/x", OSError("NETWORK_CONNECTION")), True),
        (storage.failed("read", "s3://b/x", FileNotFoundError("x")), False),
        (InputError("no face model"), False),
        (ImageFileError("x is no image"), False),
        (ValueError("unexpected"), False),
        (TimeoutError(errno.ETIMEDOUT, "x"), True),
        (PermissionError(errno.EACCES, "x"), False),
    ],
)
def test_an_error_of_the_moment_is_told_from_one_of_the_input(error, again):
    assert may_pass(error) is again
    assert failed_row("x", error)["again"] is again


def test_a_drive_that_does_not_answer_is_an_error_of_the_moment(tmp_path, monkeypatch):
    def stale(*_, **__):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(os, "open", stale)
    with pytest.raises(ImageFileError, match="Stale file handle") as error:
        read_image(tmp_path / "x.png")
    assert may_pass(error.value)


def test_a_worker_ends_when_the_one_who_started_it_is_gone(photos, tmp_path):
    run_batch([str(photos)], str(tmp_path / "out"), PACK, plan_only=True)
    code = (
        "import os, sys\n"
        "from tddfa.batch.chunk import ChunkJob\n"
        "from tddfa.batch.supervisor import GuardedWorker\n"
        "from tddfa.batch.settings import BatchSettings\n"
        f"job = ChunkJob({str(tmp_path / 'out')!r}, BatchSettings('3ddfa-v2-mb05'))\n"
        "worker = GuardedWorker(job, timeout_s=60)\n"
        "worker.run(0)\n"
        "print(worker.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)
    pid = int(done.stdout)
    for _ in range(600):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
                time.sleep(0.05)
                continue
        break
    else:
        pytest.fail("the worker still runs")


def test_killed_workers_and_runs_leave_rows_equal_to_those_of_an_undisturbed_run(tmp_path):
    """Kill -9 of workers and of the whole command, at random moments, until the batch is done."""
    photos = write_photos(tmp_path / "photos", 40)
    write_clip(photos / "clip.mp4", [toys.image()] * 8)
    batch(photos, tmp_path / "calm")
    command = [sys.executable, "-m", "tddfa", "batch", str(photos), "--out", str(tmp_path / "out")]
    command += ["--pack", "3ddfa-v2-mb05", "--chunk-size", "3", "--resume", "-j", "2"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    random = np.random.default_rng(0)
    kills = 0
    while True:
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        known = len(list(tmp_path.glob("out/faces/*/*.parquet")))
        victims = int(random.integers(1, 3))
        while kills < 5 and process.poll() is None:
            time.sleep(0.02)
            now = len(list(tmp_path.glob("out/faces/*/*.parquet")))
            if now > known:
                known = now
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                if victims and children:
                    os.kill(int(random.choice([int(child) for child in children])), signal.SIGKILL)
                    victims -= 1
                    kills += 1
                else:
                    process.kill()
                    kills += 1
        _, text = process.communicate()
        if process.returncode != -signal.SIGKILL:
            assert process.returncode == 0, text
            break
    assert kills == 5
    assert same_rows(tmp_path / "calm", tmp_path / "out")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_a_run_and_leaves_no_worker_and_nothing_half_written(tmp_path, number):
    photos, out = write_photos(tmp_path / "photos", 40), tmp_path / "out"
    batch(photos, tmp_path / "calm", chunk_size=2)
    command = [sys.executable, "-m", "tddfa", "batch", str(photos), "--out", str(out), "--chunk-size", "2"]
    command += ["--pack", "3ddfa-v2-mb05", "-j", "2"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), "TDDFA_TEST_RUN": str(tmp_path)}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(out.glob("faces/*/part-*")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1] == "tddfa: interrupted; go on with --resume"
    assert "Traceback" not in errors

    def workers() -> list[str]:
        found: list[str] = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"TDDFA_TEST_RUN={tmp_path}".encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        return [line for line in found if "tddfa" in line]

    while workers():  # until the limit of the test: a worker notices within a moment that it is alone
        time.sleep(0.05)
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]
    report = batch(photos, out, chunk_size=2, resume=True)
    assert report.is_complete
    assert report.n_done_before > 0
    assert same_rows(tmp_path / "calm", out)


def test_a_stopped_run_keeps_whole_parts_and_says_so(photos, tmp_path):
    stop = threading.Event()

    class StopAfterFirst:
        def planned(self, n_inputs): ...
        def started(self, n_inputs): ...
        def advanced(self, n_inputs):
            stop.set()

    report = batch(photos, tmp_path / "out", stop=stop, progress=StopAfterFirst())
    assert not report.is_complete
    done = batch(photos, tmp_path / "out", resume=True)
    assert done.is_complete
    assert done.n_done_before == report.n_inputs


def test_the_callable_pickles_small_and_takes_paths_or_bytes(photos):
    aligner = TableAligner("3ddfa-v2-mb05")
    assert len(pickle.dumps(aligner)) < 1000
    paths = [str(photos / f"{i:04d}.png") for i in (3, 4)]
    by_path = pickle.loads(pickle.dumps(aligner))(pa.table({"path": [*paths, "gone.png"]}))
    data = [Path(path).read_bytes() for path in paths]
    by_bytes = aligner(pa.table({"path": [*paths, "gone.png"], "bytes": [*data, None]}))
    assert by_path.schema == by_bytes.schema == aligner.schema
    assert by_path.slice(0, 2).equals(by_bytes.slice(0, 2))
    assert by_path.column("face").to_pylist() == [0, 0, -1]
    assert "no bytes" in by_bytes.column("error")[2].as_py()
    batches = list(aligner.batches(pa.table({"path": paths}).to_batches(max_chunksize=1)))
    assert pa.Table.from_batches(batches).equals(by_path.slice(0, 2))
    for table in (
        pa.table({"x": [1]}),
        pa.Table.from_arrays([pa.array(data[:1])] * 2, ["bytes", "bytes"]),
    ):
        with pytest.raises(InputError, match=r"one column path or bytes, or both; this one has (x|by)"):
            aligner(table)
    for table in (None, paths, {"path": paths}, data[0]):
        with pytest.raises(InputError, match=r"^table is .*; a pyarrow.Table or RecordBatch is needed"):
            aligner(table)


def test_an_empty_cell_of_the_callable_is_no_name_of_a_file(photos, monkeypatch):
    monkeypatch.chdir(photos)
    aligner = TableAligner("3ddfa-v2-mb05")
    for name in "012":
        Path(name).hardlink_to("0003.png")
    rows = aligner(pa.table({"path": ["0003.png", None, ""]}))
    assert rows.column("face").to_pylist() == [0, -1, -1]
    empty = [f"the path in row {k} is empty" for k in (1, 2)]
    assert rows.column("error").to_pylist()[1:] == empty
    (numbers,) = aligner(pa.table({"path": [3]})).column("error").to_pylist()
    assert numbers == "the path in row 0 is a int, and no text"
    (text,) = aligner(pa.table({"bytes": ["0003.png"]})).column("error").to_pylist()
    assert text == "0 is a str in the column bytes; the bytes of a file are needed, base64 after its decoding"


def test_a_process_loads_the_networks_once(photos, monkeypatch):
    from tddfa.batch import align

    cache = align.process_aligner.__wrapped__
    cache.cache_clear()
    path = str(photos / "0003.png")
    for _ in range(3):
        pickle.loads(pickle.dumps(TableAligner("3ddfa-v2-mb05")))(pa.table({"path": [path]}))
    assert cache.cache_info().misses == 1


def test_another_pack_on_a_machine_of_the_batch_is_refused(photos, tmp_path):
    with pytest.raises(PackError, match="is not the one that this batch was planned with"):
        PACK.aligner("another")


def test_a_folder_that_cannot_be_written_is_one_line(photos, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot (read|write) .*file/out"):
        batch(photos, tmp_path / "file" / "out")


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None, reason="mounts a disk"
)
def test_a_disk_that_fills_up_is_one_line_and_the_run_goes_on_when_there_is_space(tmp_path):
    """A disk of memory, which holds the plan and some parts."""
    photos, out = write_photos(tmp_path / "photos", 24), tmp_path / "disk"
    batch(photos, tmp_path / "calm", chunk_size=2)
    size = sum(path.stat().st_size for path in (tmp_path / "calm").rglob("*.parquet"))
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size // 2}", "none", str(out)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("may not mount a disk")
    try:
        command = [sys.executable, "-m", "tddfa", "batch", str(photos), "--out", str(out)]
        command += ["--pack", "3ddfa-v2-mb05", "--chunk-size", "2", "-j", "2"]
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"tddfa: error: cannot write {out}/faces/00000/part-")
        assert line.endswith("no space left on the disk; free some, then run again with --resume")
        assert not [path for path in out.rglob("*") if path.name.startswith(".")]
        subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
        report = batch(photos, out, chunk_size=2, resume=True)
        assert report.is_complete
        assert report.n_done_before > 0
        assert same_rows(tmp_path / "calm", out)
    finally:
        subprocess.run(["umount", str(out)], check=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_run_with_one_line(photos, tmp_path, monkeypatch):
    def no_space(*_: object, **__: object) -> None:
        with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
            full.write(b"x")

    monkeypatch.setattr("tddfa.batch.storage.atomic_path", no_space)
    with pytest.raises(StorageError, match="no space left on the disk; free some"):
        batch(photos, tmp_path / "out")


def test_the_command_says_what_was_done(photos, tmp_path, capsys):
    (photos / "0007.png").write_bytes(b"")
    out = str(tmp_path / "out")
    arguments = ["batch", str(photos), "--out", out, "--pack", "3ddfa-v2-mb05"]
    assert main([*arguments, "--plan-only"]) == 0
    assert "planned 10 inputs in 1 chunk in " in capsys.readouterr().out
    assert main([*arguments, "--resume"]) == 1
    said = capsys.readouterr()
    assert "10 inputs done: 9 faces, 0 inputs without a face, 1 with an error" in said.out
    assert "0007.png is empty" in said.err
    assert main(arguments) == 1
    assert "go on with --resume" in capsys.readouterr().err
    for wrong, text in (
        (["--shard", "4/3"], "'4/3' is no shard"),
        (["--crop", "head"], "--crop applies to ply, obj, glb; none is asked for (--kinds)"),
        (["--video-part", "-3"], "'-3' is not 0 or a number of seconds above it"),
    ):
        with pytest.raises(SystemExit) as usage:
            main(["batch", str(photos), "--out", out, *wrong])
        assert usage.value.code == 2
        assert text in capsys.readouterr().err


def test_workers_that_would_have_no_chunk_are_not_started(photos, tmp_path, monkeypatch):
    made = []
    new = GuardedWorker.__init__

    def counted(self, *args, **options):
        made.append(self)
        new(self, *args, **options)

    monkeypatch.setattr(GuardedWorker, "__init__", counted)
    monkeypatch.setattr(GuardedWorker, "run", lambda self, chunk, alive: ChunkReport(chunk, 5))
    report = batch(photos, tmp_path / "out", chunk_size=5, engine=LocalEngine(1_000_000))
    assert (report.is_complete, report.n_inputs) == (True, 10)
    assert len(made) == 2


def test_a_part_has_the_same_bytes_whether_photos_are_aligned_together_or_one_by_one(photos, tmp_path):
    """And its rows come in the order of the inputs, errors among them."""
    (photos / "0004.png").write_bytes(b"no image")
    out = str(tmp_path / "out")
    run_batch([str(photos)], out, PACK, plan_only=True)
    job, data = ChunkJob(out, PACK), []
    for careful in (False, True):
        part(tmp_path / "out", 0).unlink(missing_ok=True)  # it would count as a run before
        job.run(0, {5: "left out"}, lambda at, n: None, careful=careful)
        data.append(part(tmp_path / "out", 0).read_bytes())
    assert data[0] == data[1]
    table = pq.read_table(part(tmp_path / "out", 0))
    names = [Path(path).name for path in table.column("path").to_pylist()]
    assert names == [f"{k:04d}.png" for k in (2, 3, 4, 5, 6, 7, 8, 9, 0, 1)]
    errors = table.column("error").to_pylist()
    assert [k for k, error in enumerate(errors) if error is not None] == [2, 5]
    assert errors[5] == "left out; --resume tries it again"


def test_a_machine_that_stands_still_makes_no_input_late(monkeypatch):
    # Every clock runs on while a machine sleeps or a job is suspended; the waits are what is counted.
    waits: list[float] = []

    class Silent:
        def get(self, timeout):
            waits.append(timeout)
            if len(waits) == 5:
                return ("at", 0, 1)
            raise queue.Empty

    process = supervisor._Process.__new__(supervisor._Process)
    process._messages = Silent()  # type: ignore[assignment]
    assert process.receive(30) == ("at", 0, 1)
    assert max(waits) <= 1  # a stall in one of them is one of thirty
    waits[:] = [0] * 5
    assert process.receive(30) == ("late",)
    assert sum(waits) == 30


def test_a_plan_that_fails_half_way_says_so_and_nothing_else(photos, tmp_path, capfd):
    def units():
        yield from (Unit(str(photos / f"{k:04d}.png")) for k in range(4))
        raise InputError("no more")

    out = tmp_path / "out"
    with pytest.raises(InputError, match="no more"):
        make_plan(units(), {}, Storage.open(str(out)), chunk_size=2)
    gc.collect()
    assert capfd.readouterr().err == ""
    assert not out.exists()
    out.mkdir()
    with pytest.raises(InputError, match="no more"):
        make_plan(units(), {}, Storage.open(str(out)), chunk_size=2)
    assert list(out.iterdir()) == []


def test_planning_alone_sweeps_what_killed_runs_have_left(photos, tmp_path):
    out = tmp_path / "out"
    batch(photos, out)
    files = sorted(out.rglob("*"))
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=subprocess.PIPE)
    leftover = f".tddfa-{files_module._machine()}-{int(ended.stdout)}-00000000.parquet"
    for folder in ("plan", "faces/00000"):
        (out / folder / leftover).write_bytes(b"x")
    batch(photos, out, resume=True, plan_only=True)
    assert sorted(out.rglob("*")) == files


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_a_list_as_editors_of_windows_write_it_is_read(photos, tmp_path, mark):
    listed = tmp_path / "list.txt"
    listed.write_bytes(f"{mark}{photos / '0001.png'}\r\n\r\n{photos / '0002.png'}\r\n".encode())
    assert [unit.path for unit in Sources([str(listed)])] == [str(photos / f"000{k}.png") for k in (1, 2)]
    listed.write_bytes(f"{photos / '0001.png'}\r\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"list\.txt is a list in UTF-16; save it as UTF-8"):
        list(Sources([str(listed)]))


def test_a_batch_in_the_folder_of_its_inputs_is_none_of_them(photos, tmp_path):
    kinds = BatchSettings(pack=PACK.pack, kinds=("2d_sparse",))
    batch(photos, photos, settings=kinds)
    n = len(list(Sources([str(photos)])))
    report = batch(photos, photos, settings=kinds, resume=True)
    assert (n, report.n_inputs, report.n_done_before) == (10, 10, 10)
    assert len(list(Sources([str(photos / "**")]))) == 10
    assert report.left_out == "", "its own files are expected there"
    report = batch(photos, tmp_path / "other")
    assert report.n_inputs == 10
    assert report.left_out == "left out 15 files made by tddfa"  # drawn images, parts, the plan
    # A table that is named is an input, whoever made it.
    with pytest.raises(InputError, match="name it with --column"):
        list(Sources([str(photos / "plan")]))
