"""A Ray cluster of several nodes on this machine, whose parts are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

import toys
from batch_support import rows_of, same_rows, write_photos
from clips import write_clip
from conftest import REPOSITORY
from tddfa.batch.align import TableAligner
from tddfa.batch.run import run_batch
from tddfa.batch.settings import BatchSettings
from tddfa.cli.main import main
from tddfa.errors import InputError

PACK = BatchSettings(pack="3ddfa-v2-mb05")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the clusters of these tests are processes of Linux"),
]


@pytest.fixture
def cluster(monkeypatch):
    """A head without CPUs and two nodes with one each."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # Ray makes workers nice, and gives up those that take a minute to start: on a busy machine, all of them.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("RAY_worker_register_timeout_seconds", "600")
    monkeypatch.setenv("RAY_health_check_timeout_ms", "60000")
    memory = {"object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **memory})
    cluster.nodes = [cluster.add_node(num_cpus=1, **memory) for _ in range(2)]
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_kills_of_actors_nodes_and_driver_leave_the_rows_of_an_undisturbed_run(cluster, tmp_path):
    from tddfa.batch.ray import RayEngine

    photos = write_photos(tmp_path / "photos", 160)
    for k in range(2):
        write_clip(photos / f"clip{k}.mp4", [toys.image()] * 6)
    run_batch([str(photos)], str(tmp_path / "calm"), PACK, chunk_size=2)
    out = tmp_path / "out"

    def n_parts() -> int:
        return len(list(out.glob("faces/*/*.parquet")))

    # The driver, a process of its own, is killed when a few parts are there.
    command = [sys.executable, "-m", "tddfa", "batch", str(photos), "--out", str(out), "--chunk-size", "2"]
    command += ["--pack", "3ddfa-v2-mb05", "--engine", "ray", "--address", cluster.address]
    driver = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")})
    while n_parts() < 3:
        assert driver.poll() is None
        time.sleep(0.1)
    driver.kill()
    driver.wait()
    done_by_first = n_parts()
    assert done_by_first < 70
    ended, killed = threading.Event(), list[str]()

    def more_parts() -> bool:
        """Wait until more parts are there; a run that has ended writes none."""
        at = n_parts()
        while n_parts() < at + 2 and not ended.is_set():
            time.sleep(0.02)
        return not ended.is_set()

    def kill_an_actor() -> None:
        if not more_parts():
            return
        for line in subprocess.check_output(["ps", "-eo", "pid,ppid,args"], text=True).splitlines():
            pid, _, name = line.split(maxsplit=2)
            if name.startswith("ray::ChunkActor"):
                os.kill(int(pid), signal.SIGKILL)
                killed.append("an actor")
                break
        if more_parts():
            cluster.remove_node(cluster.nodes[0], allow_graceful=False)
            killed.append("a node")

    trouble = threading.Thread(target=kill_an_actor)
    trouble.start()
    import ray

    ray.init(address=cluster.address, log_to_driver=False)
    while ray.available_resources().get("CPU", 0) < 2:  # those of the first driver are given back
        time.sleep(0.2)
    report = run_batch([str(photos)], str(out), PACK, engine=RayEngine("auto"), resume=True, chunk_size=2)
    ended.set()
    trouble.join()
    assert killed == ["an actor", "a node"], "while the run went on"
    assert report.is_complete
    assert report.n_done_before > 0
    assert same_rows(tmp_path / "calm", out)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_a_run_on_a_cluster_and_leaves_nothing_half_written(cluster, tmp_path, number):
    photos, out = write_photos(tmp_path / "photos", 40), tmp_path / "out"
    run_batch([str(photos)], str(tmp_path / "calm"), PACK, chunk_size=8)
    command = [sys.executable, "-m", "tddfa", "batch", str(photos), "--out", str(out), "--chunk-size", "8"]
    command += ["--pack", "3ddfa-v2-mb05", "--kinds", "glb", "--engine", "ray", "--address", cluster.address]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    driver = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    # A part is whole and the next ones are begun: their files have hidden names as yet.
    while not (list(out.glob("faces/*/part-*")) and list(out.glob("faces/*/.tddfa-*"))):
        assert driver.poll() is None
        time.sleep(0.01)
    driver.send_signal(number)
    _, errors = driver.communicate()
    assert driver.returncode == 130, errors
    assert errors.splitlines()[-1] == "tddfa: interrupted; go on with --resume"
    assert "Traceback" not in errors
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]
    report = run_batch([str(photos)], str(out), replace(PACK, kinds=("glb",)), resume=True, chunk_size=8)
    assert report.is_complete
    assert 0 < report.n_done_before < 40
    assert same_rows(tmp_path / "calm", out)


def test_more_workers_than_free_cpus_are_refused_and_not_waited_for(cluster, tmp_path):
    import ray

    from tddfa.batch.ray import RayEngine

    ray.init(address=cluster.address, log_to_driver=False)
    photos = write_photos(tmp_path / "photos", 2)
    with pytest.raises(InputError, match="3 workers need a CPU each, and 2 of the 2 CPUs"):
        run_batch([str(photos)], str(tmp_path / "out"), PACK, engine=RayEngine("auto", 3))


def test_a_cluster_that_cannot_be_reached_is_one_line(tmp_path):
    pytest.importorskip("ray")
    from tddfa.batch.ray import RayEngine

    photos = write_photos(tmp_path / "photos", 2)
    with pytest.raises(
        InputError, match=r"no Ray cluster auto: .*start one with 'ray start --head'"
    ) as error:
        run_batch([str(photos)], str(tmp_path / "out"), PACK, engine=RayEngine("auto"))
    assert "\n" not in str(error.value)


def test_ray_data_runs_the_callable_in_a_pool_of_actors(cluster, tmp_path):
    import ray

    ray.init(address=cluster.address, log_to_driver=False)
    photos = write_photos(tmp_path / "photos", 6)
    paths = sorted(map(str, Path(photos).rglob("*.png")))
    data = ray.data.from_arrow(pa.table({"path": paths}))
    faces = data.map_batches(
        TableAligner,
        fn_constructor_args=("3ddfa-v2-mb05",),
        batch_format="pyarrow",
        batch_size=2,
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    assert sorted(row["path"] for row in faces.take_all()) == paths
    assert rows_of


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no.such.host.invalid:6379"])
def test_an_address_where_nothing_answers_is_one_line_at_once_and_leaves_no_plan(tmp_path, address, capsys):
    pytest.importorskip("ray")
    photos = write_photos(tmp_path / "photos", 2)
    out = tmp_path / "out"
    started = time.monotonic()
    arguments = ["batch", str(photos), "--out", str(out), "--engine", "ray", "--address", address]
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"no Ray cluster at {address}: " in line
    assert line.endswith("start one with 'ray start --head', or leave --address out")
    assert time.monotonic() - started < 60
    assert not out.exists()
