"""Storage that refuses: one line that says what to do, exit code 1, and nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from batch_support import InlineEngine, same_rows
from conftest import REPOSITORY
from tddfa.batch.run import run_batch
from tddfa.batch.settings import BatchSettings
from tddfa.cli.main import main
from tddfa.errors import InputError

PACK = BatchSettings(pack="3ddfa-v2-mb05")


class Refusing(BaseHTTPRequestHandler):
    """A server of S3 that answers every request with the same error."""

    protocol_version = "HTTP/1.1"
    says = (403, "AccessDenied")

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, code = Refusing.says
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"endpoint_override=http://127.0.0.1:{server.server_port}&region=us-east-1"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("inputs", "out", "message"),
    [
        ("photos", "out", "inputs is one name, 'photos'; put it into a list"),
        (3, "out", "inputs is a int; a list of names is needed"),
        (["photos", 3], "out", "inputs[1] is a int; a path is needed"),
        (["photos", ""], "out", "inputs[1] is empty; name a file, a folder, a glob or a URL"),
        (["a\0b"], "out", "inputs[0] is 'a\\x00b'; a path cannot hold a NUL character"),
        (["photos"], None, "out is a NoneType; a path is needed"),
        (["photos"], " ", "out is empty; name a file, a folder"),
    ],
)
def test_names_that_are_none_are_refused_before_anything_is_made(
    photos, tmp_path, monkeypatch, inputs, out, message
):
    monkeypatch.chdir(photos.parent)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as error:
        run_batch(inputs, out, PACK, engine=InlineEngine())
    assert str(error.value).startswith(message)
    assert sorted(tmp_path.rglob("*")) == before


def test_inputs_may_be_paths_and_any_iterable(photos, tmp_path):
    report = run_batch(iter([photos]), tmp_path / "out", PACK, engine=InlineEngine())
    assert report.is_complete
    assert report.n_inputs == 10


@pytest.mark.parametrize("name", ["notes.txt", "00000/part-00000009.parquet"])
def test_what_would_be_read_as_a_part_of_the_dataset_is_refused(photos, tmp_path, capsys, name):
    theirs = tmp_path / "out" / "faces" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("of others, or of a batch whose plan was removed")
    assert main(["batch", str(photos), "--out", str(tmp_path / "out"), "--pack", PACK.pack]) == 1
    error = capsys.readouterr().err
    assert f"faces holds {name.partition('/')[0]}, and no plan says that this batch made it" in error
    assert error.count("\n") == 1
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [theirs]


REFUSALS = {
    (403, "AccessDenied"): "access denied; check the credentials",
    (403, "InvalidAccessKeyId"): ("access denied; check the credentials", "the access key is not known"),
    (403, "SignatureDoesNotMatch"): ("access denied; check the credentials", "the secret key is wrong"),
    (400, "ExpiredToken"): "session token (AWS_SESSION_TOKEN) has not expired",
    (301, "PermanentRedirect"): "the bucket is in another region",
}


@pytest.mark.parametrize("says", REFUSALS, ids=[code for _, code in REFUSALS])
def test_a_bucket_that_refuses_is_one_line_for_inputs_and_outputs(server, photos, tmp_path, capsys, says):
    Refusing.says = says
    advice = REFUSALS[says]
    for inputs, out in (
        ([f"s3://bucket/in?{server}"], str(tmp_path / "out")),
        ([f"s3://bucket/in/*.jpg?{server}"], str(tmp_path / "out")),
        ([str(photos)], f"s3://bucket/out?{server}"),
        (["--resume"], f"s3://bucket/out?{server}"),
    ):
        assert main(["batch", *inputs, "--out", out]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("tddfa: error: cannot read s3://bucket/")
        assert any(text in line for text in ((advice,) if isinstance(advice, str) else advice))
        assert "endpoint_override" not in line


def test_a_server_that_is_not_there_is_one_line(photos, capsys, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    out = "s3://bucket/out?endpoint_override=http://127.0.0.1:9&region=us-east-1"
    assert main(["batch", str(photos), "--out", out]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("the server cannot be reached; check the network and endpoint_override")


def test_google_storage_is_tried_for_half_a_minute_and_not_for_a_quarter_of_an_hour():
    from tddfa.batch.storage import _with_limit

    assert _with_limit("gs://bucket/x") == "gs://bucket/x?retry_limit_seconds=30"
    assert _with_limit("gs://bucket/x?scheme=http") == "gs://bucket/x?scheme=http&retry_limit_seconds=30"
    assert _with_limit("gs://bucket/x?retry_limit_seconds=5") == "gs://bucket/x?retry_limit_seconds=5"
    assert _with_limit("abfs://bucket@account/x") == "abfs://bucket@account/x"


def test_a_device_that_is_not_there_is_one_line_and_leaves_no_plan(photos, tmp_path, capsys, monkeypatch):
    ort = types.SimpleNamespace(get_available_providers=lambda: ["CPUExecutionProvider"], __version__="1.2.3")
    monkeypatch.setattr("tddfa.runtime.devices.onnxruntime", lambda: ort)
    for device, text in (
        ("abacus", "device='abacus'; choose one of auto, cpu, cuda"),
        (
            "cuda",
            "device 'cuda' is not in the installed ONNX Runtime 1.2.3, which has cpu; install",
        ),
    ):
        for command in (["batch", str(photos), "--out", str(tmp_path / "out")], ["studio", "--no-browser"]):
            assert main([*command, "--device", device]) == 1
            (line,) = capsys.readouterr().err.splitlines()
            assert text in line
        assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
def test_a_disk_that_is_full_is_one_line_and_the_run_goes_on_from_there(photos, tmp_path):
    """A limit on the size of files stands for the disk: the plan fits, a part does not."""
    out = tmp_path / "out"
    run_batch([str(photos)], str(tmp_path / "calm"), PACK, chunk_size=3, engine=InlineEngine())
    sizes = {path: path.stat().st_size for path in (tmp_path / "calm").rglob("*.parquet")}
    plan = max(size for path, size in sizes.items() if path.parent.name == "plan")
    part = min(size for path, size in sizes.items() if path.parent.name != "plan")
    assert plan + 2000 < part
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({plan + 2000}, {plan + 2000}))\n"
        "from tddfa.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "batch", str(photos), "--out", str(out), "--chunk-size", "3"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run([*command, "--pack", "3ddfa-v2-mb05"], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"tddfa: error: cannot write {out}/faces/00000/part-00000000.parquet: ")
    assert "File too large" in line
    assert not [path for path in out.rglob("*") if path.name.startswith(".")], "nothing half-written stays"
    run_batch([str(photos)], str(out), PACK, chunk_size=3, engine=InlineEngine(), resume=True)
    assert same_rows(tmp_path / "calm", out)


@pytest.mark.parametrize("size", ["0", "-3", "4097", "99999999", "many"])
def test_crops_have_a_size_that_fits_into_memory(size, tmp_path, capsys):
    with pytest.raises(SystemExit) as usage:
        main(["batch", str(tmp_path), "--out", str(tmp_path / "out"), f"--crops={size}"])
    assert usage.value.code == 2
    assert size in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
