"""Digests of weights that lie outside our cache, computed once a version of the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from explorer.core.weight_files import weights_digest


def remembered_digest(files: Sequence[Path], cache: Path) -> str:
    """Digest ("sha256:…") of a model's weights files.

    It is kept in `<cache>/digests/` under the files' paths, sizes and times of change, so
    that a gigabyte is read once and a changed file is noticed. A cache that cannot be
    written to costs time, not the answer.
    """
    stats = [(str(path.resolve()), path.stat()) for path in files]
    key = json.dumps([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])
    note = cache / "digests" / (hashlib.sha256(key.encode()).hexdigest()[:32] + ".json")
    try:
        known = json.loads(note.read_text("utf-8"))
        if known["files"] == key:
            return str(known["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not known yet, or unreadable: both are answered by computing it
    digest = weights_digest(files)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        draft = note.with_suffix(".draft")
        draft.write_text(json.dumps({"files": key, "digest": digest}), "utf-8")
        draft.replace(note)
    except OSError:
        pass
    return digest
