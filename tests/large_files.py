"""Pre-commit hook: refuse files over 1 MB outside assets/."""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT_BYTES = 1_000_000


def main(paths: list[str]) -> int:
    large = [
        path
        for path in paths
        if not path.startswith("assets/") and Path(path).stat().st_size > LIMIT_BYTES
    ]
    for path in large:
        print(f"{path}: {Path(path).stat().st_size:,} bytes, at most {LIMIT_BYTES:,}")
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
