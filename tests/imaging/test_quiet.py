"""Threads that decode at once share what silences the codecs."""

import subprocess
import sys

import pytest

CODE = """
import sys, threading
sys.setswitchinterval(1e-6)
from tddfa.imaging import quiet
together = threading.Barrier(16)
variables = []
def ask():
    together.wait()
    variables.append(quiet._c_stderr())
threads = [threading.Thread(target=ask) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(variables), len(set(map(id, variables))))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="its C library's variable cannot be assigned")
def test_threads_that_ask_for_the_first_time_at_once_get_the_same_variable():
    """With one each, the first that ends shows the errors of the others."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "16 1\n"
