"""Locks of files: held by one live process, free as soon as it ends, however it ends."""

import os
import signal
import subprocess
import sys

import pytest

from stages.runtime import disk
from stages.runtime.errors import UserError
from tests.unit.small_corpus import ROOT

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from stages.runtime import disk
with disk.locked(Path(sys.argv[1])):
    child = subprocess.Popen(["sleep", "30"])
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_a_second_holder_is_refused_until_the_first_is_done(tmp_path):
    path = tmp_path / "x.csv"
    with disk.locked(path):
        with pytest.raises(UserError, match="another process is writing it"), disk.locked(path):
            pass
        with disk.locked(tmp_path / "y.csv"):
            pass
    with disk.locked(path):
        pass


def test_a_killed_holder_frees_its_lock_though_its_child_lives_on(tmp_path):
    path = tmp_path / "x.csv"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        child = int(holder.stdout.readline())
        try:
            with pytest.raises(UserError, match="another process is writing it"), disk.locked(path):
                pass
            holder.kill()
            holder.wait(timeout=30)
            with disk.locked(path):
                pass
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_forked_child_neither_holds_nor_frees_the_lock(tmp_path):
    path = tmp_path / "x.csv"
    with disk.locked(path):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        with pytest.raises(UserError, match="another process is writing it"), disk.locked(path):
            pass
