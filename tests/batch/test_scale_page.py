"""The examples of docs/scale.md for clusters: they parse, and call the command as it is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess

import pytest

from conftest import REPOSITORY
from tddfa.cli.main import build_parser

PAGE = (REPOSITORY / "docs" / "scale.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def command_of(line: str, **variables: str) -> list[str]:
    """The words of a command line as a shell gives them, without the name of the program."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    script = f"tddfa() {{ printf '%s\\n' \"$@\"; }}\n{line}"
    done = subprocess.run(["bash", "-c", script], env=variables, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_the_slurm_script_is_one_that_bash_reads_and_each_task_does_its_shard():
    (script,) = [block for block in blocks("bash") if "SBATCH" in block]
    assert script.startswith("#!/bin/bash\n#SBATCH ")
    options = dict(word.removeprefix("--").split("=") for word in re.findall(r"--\S+=\S+", script))
    first, last = map(int, options["array"].split("-"))
    shards = []
    for task in (first, last):
        args = build_parser(["batch"]).parse_args(command_of(script, SLURM_ARRAY_TASK_ID=str(task)))
        shards.append((args.shard.index, args.shard.count))
        assert args.resume
        assert args.jobs == int(options["cpus-per-task"])
    assert shards == [(0, last), (last - 1, last)]


def test_the_kubernetes_job_parses_and_each_pod_does_its_shard():
    yaml = pytest.importorskip("yaml")
    (job,) = [found for found in map(yaml.safe_load, blocks("yaml")) if found.get("kind") == "Job"]
    assert job["apiVersion"] == "batch/v1"
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed", "or there is no JOB_COMPLETION_INDEX"
    assert spec["template"]["spec"]["restartPolicy"] == "Never", "as backoffLimitPerIndex needs it"
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["sh", "-c"]
    for index in (0, spec["completions"] - 1):
        words = command_of(container["args"][0], JOB_COMPLETION_INDEX=str(index))
        args = build_parser(["batch"]).parse_args(words)
        assert (args.shard.index, args.shard.count) == (index, spec["completions"])
        assert args.resume
        assert args.jobs == container["resources"]["requests"]["cpu"]


def test_the_ray_cluster_parses_and_its_head_has_no_actors():
    yaml = pytest.importorskip("yaml")
    (cluster,) = [found for found in map(yaml.safe_load, blocks("yaml")) if "cluster_name" in found]
    kinds = cluster["available_node_types"]
    assert kinds[cluster["head_node_type"]]["resources"]["CPU"] == 0
    assert kinds["worker"]["max_workers"] <= cluster["max_workers"]


def test_ray_takes_the_cluster_of_the_page():
    yaml = pytest.importorskip("yaml")
    util = pytest.importorskip("ray.autoscaler._private.util", reason="needs ray")
    (cluster,) = [found for found in map(yaml.safe_load, blocks("yaml")) if "cluster_name" in found]
    util.validate_config(util.prepare_config(cluster))  # by Ray's own schema


def test_every_command_line_of_the_page_is_one_that_the_command_takes():
    lines = [line for block in blocks("") for line in block.splitlines() if line.startswith("tddfa ")]
    assert len(lines) >= 4
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        assert build_parser(words).parse_args(words).command == "batch"
