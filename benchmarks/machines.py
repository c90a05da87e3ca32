"""Ray clusters of several machines on this one: every machine is a group of processes, which are killed at once."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import final


@final
class Machines:
    """A head of so many cores and others of one, that know one token."""

    def __init__(self, *, cores: int = 1) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            # A dead machine is missed after two seconds, not after half a minute.
            "RAY_health_check_period_ms": "500",
            "RAY_health_check_timeout_ms": "1000",
            "RAY_health_check_failure_threshold": "3",
        }
        # Names of sockets are short: a directory deep inside others would not do.
        self._directory = Path(tempfile.mkdtemp(prefix="machines-"))
        self._started: list[subprocess.Popen[bytes]] = []
        head = self._start(
            "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._directory}", cores=cores,
        )  # fmt: skip
        while not _listens(port):
            if head.poll() is not None:
                raise RuntimeError((self._directory / "machine-0.log").read_text()[-500:])
            time.sleep(0.1)

    def add(self, *, gpus: int = 0) -> subprocess.Popen[bytes]:
        """Another machine; its GPUs are only counted."""
        return self._start(f"--address={self.address}", f"--num-gpus={gpus}")

    def kill(self, machine: subprocess.Popen[bytes]) -> None:
        """As when it loses its power."""
        os.killpg(machine.pid, signal.SIGKILL)
        machine.wait()

    def end(self) -> None:
        for machine in self._started:
            if machine.poll() is None:
                self.kill(machine)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self, *options: str, cores: int = 1) -> subprocess.Popen[bytes]:
        with (self._directory / f"machine-{len(self._started)}.log").open("wb") as log:
            started = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", *options, f"--num-cpus={cores}", "--block"],
                env=self.environment, stdout=log, stderr=log, start_new_session=True,
                cwd=self._directory,  # as on a cluster: not where commands are given
            )  # fmt: skip
        self._started.append(started)
        return started


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
