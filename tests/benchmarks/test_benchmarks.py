import json
import shutil
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from benchmarks.__main__ import data_folders, main
from benchmarks.accuracy import measure as accuracy_measure
from benchmarks.accuracy.fingerprints import of_pack
from benchmarks.accuracy.measure import measure_accuracy
from benchmarks.readme import BEGIN, END, readme_block, write_readme
from benchmarks.report import write_report
from benchmarks.samples import summary
from benchmarks.speed import measure
from benchmarks.speed.processes import Participant, Worker, environment, run_command
from benchmarks.speed.scenes import MOST_FACES, crowd, portrait, sized
from benchmarks.tables import TITLES

from evaluation_sets import toy_set, write_archive
from tddfa import FaceAligner
from tddfa.packs import find_pack
from waiting import wait_until

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
SCHEMA = json.loads((RESULTS / "schema.json").read_text())

WORKER = """
import sys, time
sys.path.insert(0, {folder!r})
from serve import serve

print("chatter of a program that starts")

def nap(ms):
    print("chatter of the program" * 10_000)
    return lambda: time.sleep(ms / 1000)

def fail(_):
    raise ValueError("no such thing")

serve({{"nap": nap, "fail": fail}}, {{"program": "test"}}, time.perf_counter())
"""


@pytest.fixture
def worker(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(folder=str(measure.WORKERS)))
    made = Worker(Participant("nap", [sys.executable, str(script)]))
    yield made
    made.close()


class TestWorker:
    def test_it_times_what_it_is_asked_for(self, worker):
        times = worker.time("nap", 4, 0.0)
        assert len(times) == 3
        assert min(times) >= 4  # and no upper bound: a busy machine can take any time for a nap
        wait_until(lambda: len(worker.time("nap", 1, 1.0)) > 5)
        assert worker.peak_mb > 5

    def test_a_stage_that_fails_leaves_the_others_alone(self, worker):
        assert worker.time("fail", None, 0.0) == []
        assert worker.errors == {"fail": "ValueError: no such thing"}
        assert worker.time("nap", 1, 0.0)

    def test_a_program_that_does_not_start_says_why(self, tmp_path):
        with pytest.raises(RuntimeError, match=r"broken does not start: .*No module named 'nonsense'"):
            Worker(Participant("broken", [sys.executable, "-c", "import nonsense"]))


def test_a_whole_command_has_time_memory_and_the_last_line_of_its_error():
    env = environment(1, ())
    fine = run_command([sys.executable, "-S", "-c", "x = bytearray(60_000_000); print(1)"], Path(), env)
    assert fine.error is None
    assert fine.seconds > 0
    assert fine.peak_mb > 57
    small = run_command([sys.executable, "-S", "-c", "pass"], Path(), env)
    assert small.peak_mb < fine.peak_mb - 40
    wrong = run_command([sys.executable, "-c", "raise SystemExit('no luck')"], Path(), env)
    assert wrong.error == "no luck"


def test_a_program_is_held_to_its_threads_and_sees_only_its_own_packages(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    env = environment(2, ())
    assert env["OMP_NUM_THREADS"] == "2"
    assert "PYTHONPATH" not in env


def test_the_summary_is_the_median_and_the_spread_of_all_rounds():
    rounds = [[1.0, 2.0, 3.0], [10.0, 11.0, 12.0], []]
    s = summary(rounds)
    assert s["median"] == 6.5
    assert s["round_medians"] == [2.0, 11.0]
    assert s["p10"] < 2 < 11 < s["p90"]
    assert s["n"] == 6


def test_scenes_show_as_many_faces_as_they_say():
    assert portrait().shape == sized(720).shape == (720, 1280, 3)
    picture, boxes = crowd(MOST_FACES)
    assert picture.shape == (1080, 1920, 3)
    assert len(set(boxes)) == MOST_FACES == 32
    alone, [(x0, y0, x1, y1)] = crowd(1)
    face = alone[y0:y1, x0:x1]
    for x0, y0, x1, y1 in boxes:
        np.testing.assert_array_equal(picture[y0:y1, x0:x1], face)
        assert 0 <= x0 < x1 <= 1920
        assert 0 <= y0 < y1 <= 1080


@pytest.fixture
def small(monkeypatch, packs_folder, toy_pack):
    """A benchmark of the toy pack with little to do."""
    shutil.copytree(toy_pack.folder, packs_folder / "3ddfa-v2-mb05")
    monkeypatch.setattr(measure, "STAGES", ("read", "regress", "draw_3d", "draw_3d_1080"))
    monkeypatch.setattr(measure, "THREADED", ("regress",))
    monkeypatch.setattr(measure, "GROWTH", {"faces": (1, 2), "detect_sized": (90,), "triangles": (0, 1)})


def test_every_stage_has_a_title_in_the_report():
    assert list(measure.STAGES) == list(TITLES)


def test_a_run_gives_results_of_the_schema_and_a_report_with_plots(small, toy_pack, tmp_path):
    speed = measure.measure_speed(["3ddfa-v2-mb05"], rounds=1, seconds=0.0, commands=False)
    jsonschema.validate(speed, SCHEMA)
    assert speed["errors"] == {}
    assert set(speed["stages"]["1"]) == {"read", "regress", "draw_3d", "draw_3d_1080"}
    assert set(speed["growth"]["faces"]["3ddfa-v2-mb05"]) == {"1", "2"}

    write_archive(tmp_path / "aflw2000", toy_set(FaceAligner(toy_pack)))
    accuracy = measure_accuracy(["3ddfa-v2-mb05"], tmp_path / "aflw2000")
    jsonschema.validate(accuracy, SCHEMA)
    # The toy set has no pictures, so what needs them is reported as missing, not left out in silence.
    missing = {"aflw2000 detector", "stability from-last-frame", "stability one-euro"}
    assert set(accuracy["errors"]) == {f"3ddfa-v2-mb05 {what}" for what in missing}

    results = tmp_path / "results"
    results.mkdir()
    for name, result in (("speed", speed), ("accuracy", accuracy)):
        (results / f"{name}.json").write_text(json.dumps(result))
    write_report(results, tmp_path / "docs")
    text = (tmp_path / "docs" / "benchmarks.md").read_text()
    median = speed["stages"]["1"]["regress"]["3ddfa-v2-mb05"]["median"]
    assert f"| crop + network + 68 landmarks, one face | {median:.3g} [" in text
    larger = speed["stages"]["1"]["draw_3d_1080"]["3ddfa-v2-mb05"]["median"]
    assert f"| draw the lit mesh, 1920×1080 | {larger:.3g} [" in text
    assert "| MediaPipe" not in text
    (compared,) = [
        line for line in text.splitlines() if line.startswith("| 3ddfa-v2-mb05 | ") and "–" in line
    ]
    headline = accuracy["packs"]["3ddfa-v2-mb05"]["aflw2000-3d-68/ground-truth/1"]["mean_of_bins"]
    assert f"**{headline:.3f}**" in text
    assert f"| {headline:.3f} |" in compared
    for image in ("stages", "growth", "accuracy_speed"):
        assert (tmp_path / "docs" / "images" / f"{image}.png").stat().st_size > 5000
        assert f"images/{image}.png" in text


def test_a_record_is_used_again_while_pack_and_code_are_the_same(small, toy_pack, tmp_path, monkeypatch):
    write_archive(tmp_path / "aflw2000", toy_set(FaceAligner(toy_pack)))
    packs, measured = ["3ddfa-v2-mb05"], []
    evaluate = accuracy_measure.evaluate

    def counted(protocol, *arguments, **options):
        measured.append(protocol)
        return evaluate(protocol, *arguments, **options)

    monkeypatch.setattr(accuracy_measure, "evaluate", counted)
    first = measure_accuracy(packs, tmp_path / "aflw2000")
    assert "aflw2000" in measured
    record = first["packs"]["3ddfa-v2-mb05"]["aflw2000-3d-68/ground-truth/1"]
    measured.clear()
    again = measure_accuracy(packs, tmp_path / "aflw2000", known=first)
    assert measured.count("aflw2000") == 1  # with crops by the detector, which gave no record
    assert again["packs"] == first["packs"]
    record["run"]["networks"] = "others"
    measured.clear()
    measure_accuracy(packs, tmp_path / "aflw2000", known=first)
    assert measured.count("aflw2000") == 2


def test_accuracy_out_of_time_keeps_what_is_known_of_the_same_networks(
    small, toy_pack, tmp_path, monkeypatch
):
    write_archive(tmp_path / "aflw2000", toy_set(FaceAligner(toy_pack)))
    packs, folder = ["3ddfa-v2-mb05"], tmp_path / "aflw2000"
    known = measure_accuracy(packs, folder)
    records = known["packs"]["3ddfa-v2-mb05"]
    (record,) = records.values()
    earlier = {**record, "run": {**record["run"], "name": "stability one-euro", "source": "of before"}}
    records["stability/synthetic/1 one-euro"] = earlier
    hurried = measure_accuracy(packs, folder, known=known, minutes=0)
    assert hurried["packs"]["3ddfa-v2-mb05"] == records
    missing = {f"3ddfa-v2-mb05 {name}" for name in ("aflw2000 detector", "stability from-last-frame")}
    assert set(hurried["errors"]) == missing
    assert all("no time was left" in text for text in hurried["errors"].values())


def test_one_command_measures_and_writes_everything(small, toy_pack, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "_commands", lambda *_: {})
    (tmp_path / "data" / "eval").mkdir(parents=True)
    write_archive(tmp_path / "data" / "eval" / "aflw2000_dev", toy_set(FaceAligner(toy_pack)))
    (tmp_path / "README.md").write_text(f"{BEGIN}\n{END}\n")
    places = {"--results": "results", "--docs": "docs", "--readme": "README.md", "--data": "data"}
    options = [word for option, name in places.items() for word in (option, str(tmp_path / name))]
    command = ["benchmarks", "all", "--packs", "3ddfa-v2-mb05", "--minutes", "0", *options]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 0
    for name in ("accuracy", "speed"):
        jsonschema.validate(json.loads((tmp_path / "results" / f"{name}.json").read_text()), SCHEMA)
    assert readme_block(tmp_path / "results") in (tmp_path / "README.md").read_text()
    assert "## Model comparison" in (tmp_path / "docs" / "benchmarks.md").read_text()
    # The toy set has no pictures: what could not be measured is said, and does not stop the rest.
    assert "not measured: 3ddfa-v2-mb05 aflw2000 detector: " in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*command, "--upstream", str(tmp_path)])
    with pytest.raises(SystemExit, match="is no copy of 3DDFA_V2"):
        main()


def test_the_numbers_of_the_readme_are_those_of_the_results_in_the_repository():
    text = (RESULTS.parents[1] / "README.md").read_text()
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == readme_block(RESULTS)


def test_the_readme_keeps_everything_around_its_numbers(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    write_readme(RESULTS, readme)
    once = readme.read_text()
    assert once == f"before\n\n{BEGIN}\n\n{readme_block(RESULTS)}\n\n{END}\n\nafter\n"
    write_readme(RESULTS, readme)
    assert readme.read_text() == once
    readme.write_text("no marks")
    with pytest.raises(SystemExit, match="no place for the results"):
        write_readme(RESULTS, readme)


def test_a_folder_of_sets_gives_each_protocol_its_own(tmp_path):
    with pytest.raises(SystemExit, match="is no folder"):
        data_folders(tmp_path / "nowhere")
    assert data_folders(tmp_path) == {"aflw2000": tmp_path}
    (tmp_path / "eval" / "aflw2000_dev").mkdir(parents=True)
    (tmp_path / "videos").mkdir()
    found = data_folders(tmp_path)
    assert found == {
        "aflw2000": tmp_path / "eval/aflw2000_dev",
        "eyes": None,
        "clips": tmp_path / "videos",
        "photos": None,
    }


def test_rounds_end_in_time_but_every_program_has_its_turn():
    def done(until):
        return [list(work) for work in measure._rounds(["a", "b"], 3, "test", until)]

    assert done(None) == [["a", "b"]] * 3
    assert done(0.0) == [["a", "b"]]


@pytest.mark.parametrize("name", ["speed", "accuracy"])
def test_the_results_in_the_repository_are_of_the_schema(name):
    path = RESULTS / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{name} has not been measured")
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)


def test_ratios_compare_with_the_faster_path_of_the_published_program():
    from benchmarks.report import _stage_table

    times = {"open": 2.0, "3ddfa_v2 torch": 8.0, "3ddfa_v2 onnx": 3.0, "mediapipe": 1.0}
    stages = {"track": {name: summary([[t]]) for name, t in times.items()}}
    row = _stage_table(stages, list(times))[2]
    assert "2 [2, 2] **×1.5**" in row
    assert row.count("×") == 1


def test_the_accuracy_that_is_shown_is_that_of_the_networks_that_ship():
    records = json.loads((RESULTS / "accuracy.json").read_text(encoding="utf-8"))["packs"]["open"]
    measured = {record["run"]["networks"] for record in records.values() if "run" in record}
    assert measured == {of_pack(find_pack("open"))}
