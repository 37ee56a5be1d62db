"""A page of documentation whose sections are written by different programs."""

import datetime
import os
import platform
import re
from pathlib import Path


def sections_of(text):
    """The top of a page, and its sections by their headings (the lines that begin with "## "), in their order."""
    parts = re.split(r"^(## .*)\n", text, flags=re.MULTILINE)
    return parts[0], dict(zip(parts[1::2], parts[2::2], strict=True))


def write_top(path, text):
    """Replaces what stands before the first section."""
    _write(path, text, _read(path)[1])


def write_section(path, heading, text):
    """Replaces a section, or appends it."""
    top, sections = _read(path)
    _write(path, top, {**sections, f"## {heading}": text})


def _read(path):
    return sections_of(Path(path).read_text() if Path(path).exists() else "")


def _write(path, top, sections):
    pieces = [top.strip(), *(f"{heading}\n\n{body.strip()}" for heading, body in sections.items())]
    Path(path).write_text("\n\n".join(piece for piece in pieces if piece) + "\n")


def machine():
    """The machine and the day, in a sentence each."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.machine())  # fmt: skip
    return (
        f"Machine: {os.cpu_count()} processors ({model}), Linux {platform.release().split('-')[0]}. "
        f"Date: {datetime.date.today().isoformat()}."
    )
