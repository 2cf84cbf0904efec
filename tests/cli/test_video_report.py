"""`tddfa video --report` and `--plot`."""

import json
import re

from studio_client import ROOT
from tddfa import read_image
from tddfa.cli.main import main


def test_the_report_is_one_file_with_everything_in_it_and_the_plot_an_image(tmp_path):
    clip = ROOT / "examples" / "clip.mp4"
    assert main(["video", str(clip), "--report", "--plot", "-d", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"clip_report.html", "clip_plot.png"}
    page = (tmp_path / "clip_report.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    data = re.search(r'<script type="application/json" id="timeline">(.*?)</script>', page, re.DOTALL)
    timeline = json.loads(data[1])
    assert (timeline["title"], timeline["n_frames"], len(timeline["people"])) == ("clip", 125, 2)
    plot = read_image(tmp_path / "clip_plot.png")
    assert plot.shape[1] == 1600
    lane = plot[64 + 26 : 64 + 52, 168:1572].reshape(-1, 3)
    # Face 0 is seen in 58 % of the frames: so much of its lane has its colour.
    share = (lane == (0, 114, 178)).all(axis=1).mean()
    assert abs(share - timeline["people"][0]["share"]) < 0.02


def test_a_title_cannot_end_the_script_that_carries_it(tmp_path):
    import numpy as np

    from tddfa.streams.sinks.timeline import report_bytes
    from tddfa.streams.timeline import Timeline

    title = "</script><script>alert(1)</script>"
    page = report_bytes(Timeline(title, np.zeros(0), (), ("yaw_deg",), ())).decode()
    assert "alert(1)</script>" not in page
    assert "\\u003c/script>" in page


def test_a_part_of_a_video_begins_and_ends_where_it_does(tmp_path):
    import numpy as np

    from tddfa.streams.sinks.plot import plot_image
    from tddfa.streams.timeline import Person, Timeline

    n = 90
    seen = np.arange(n) < n // 2
    person = Person(0, np.zeros((8, 8, 3), np.uint8), seen, {"yaw_deg": np.zeros(n, np.float32)})
    timeline = Timeline("a", 600 + np.arange(n) / 30, (), ("yaw_deg",), (person,))
    assert timeline.record()["duration_s"] == 603
    assert timeline.record()["people"][0]["present"] == [[600, 601.5]]
    lane = plot_image(timeline)[64 + 26 : 64 + 52, 196:1572].reshape(-1, 3)
    assert abs((lane == (0, 114, 178)).all(axis=1).mean() - 0.5) < 0.01
