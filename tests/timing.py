"""How long a command takes on a machine that does nothing else."""

import os
import subprocess

from waiting import PATIENCE_S


def cpu_seconds(command: list[str]) -> float:
    """CPU time of a command, s. It is what a quiet machine takes, and does not grow when others work too."""
    before = os.times()
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
