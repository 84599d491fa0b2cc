"""A real S3-compatible server on loopback, which checks the signature of every request."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask

from lifecycle.config import BucketAccount, Settings
from lifecycle.insight.health import HealthReader
from lifecycle.records.files.bucket import open_bucket
from tests.installation import free_port

ACCESS_KEY, SECRET_KEY, NAME = "AKIDTEST", "the bucket's secret", "files"
_RCLONE = Path(sys.executable).with_name("rclone")


@dataclass
class BucketServer:
    """Objects are files of its folder. It can be ended and started again, on the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def account(self) -> BucketAccount:
        return BucketAccount(
            endpoint=f"http://127.0.0.1:{self.port}", name=NAME, access_key=ACCESS_KEY, secret_key=SECRET_KEY
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a process is told that keeps files here."""
        return {
            "FILE_STORAGE": "s3",
            "S3_ENDPOINT": self.account.endpoint,
            "S3_BUCKET": NAME,
            "S3_ACCESS_KEY": ACCESS_KEY,
            "S3_SECRET_KEY": SECRET_KEY,
        }

    def objects(self) -> list[Path]:
        return sorted(path for path in (self.folder / NAME).rglob("*") if path.is_file())

    def start(self) -> None:
        (self.folder / NAME).mkdir(exist_ok=True)
        address, keys = f"127.0.0.1:{self.port}", f"{ACCESS_KEY},{SECRET_KEY}"
        self._process = subprocess.Popen(
            # Without its cache of folders a test may look at them, and change what lies there.
            [
                _RCLONE,
                "serve",
                "s3",
                "--addr",
                address,
                "--auth-key",
                keys,
                "--dir-cache-time",
                "0s",
                self.folder,
            ],
            env={**os.environ, "RCLONE_CONFIG": os.devnull},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("The server of the bucket did not start.")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def reset(self) -> None:
        """Start it if it was ended, and empty it."""
        if self._process is None:
            self.start()
        for path in self.objects():
            path.unlink()


@contextmanager
def running_bucket_server(folder: Path) -> Iterator[BucketServer]:
    server = BucketServer(folder)
    server.start()
    yield server
    server.stop()


def keep_files_in(app: Flask, settings: Settings) -> None:
    """Give an application other settings of where files are kept, as if it had been started with them."""
    app.extensions["settings"] = settings
    app.extensions["bucket"] = bucket = open_bucket(settings)
    app.extensions["health"] = HealthReader(settings, bucket)
