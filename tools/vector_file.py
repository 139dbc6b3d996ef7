"""Writing a file of vectors: the number of cases on top, the checksum at the end."""

import hashlib
import pathlib
import re

OUT = pathlib.Path(__file__).parent.parent / "vectors"
CLOSING = re.compile(r"(MD|Mac|Result|Digest|Verdict|Shared|OKM|Sealed|Answer) = ")


def write(name, lines):
    head = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    cases = sum(1 for line in lines if CLOSING.match(line))
    lines = [*lines[:head], f"[Cases = {cases}]", *lines[head:]]
    text = "\n".join(lines) + "\n\n"
    (OUT / name).write_text(text + f"Checksum = {hashlib.sha256(text.encode()).hexdigest()}\n")
