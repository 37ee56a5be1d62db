"""A disk that is soon full: a file system of some kilobytes, in memory. Needs the right to mount."""

import contextlib
import os
import subprocess
from pathlib import Path


class DiskError(Exception):
    """Nothing can be mounted here; the message says why."""


class TinyDisk:
    """A file system of `size` bytes at `directory`, gone at the end."""

    def __init__(self, directory, size=256 * 1024):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.path.ismount(self.directory):  # Of a process that was killed.
            self.close()
        try:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.directory)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise DiskError("mount is missing") from None
        if done.returncode:
            raise DiskError(done.stderr.strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def ballast(self):
        return self.directory / "ballast"

    def fill(self):
        """From now on nothing more can be written."""
        with open(self.ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def free(self):
        """Removes everything in it."""
        for each in self.directory.iterdir():
            each.unlink()

    def close(self):
        subprocess.run(["umount", "-l", str(self.directory)], capture_output=True, check=False)
