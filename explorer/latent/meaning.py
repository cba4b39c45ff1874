"""An order of the words in which those that are used alike stand side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def meaning_order(vectors: NDArray[np.floating]) -> tuple[int, ...]:
    """All ids, in the order of the leaves of a tree of what is alike; the end (0) stays first.

    Words are joined by the cosine between their vectors (average linkage), and at every joint
    the two sides are turned so that neighbours are as alike as can be (optimal leaf ordering:
    Bar-Joseph, Gifford, Jaakkola, 2001); the implementation is SciPy's.

    Args:
        vectors: [ids, width], of id 0 on; at least three ids.

    >>> meaning_order(np.array([[9, 9], [1, 0], [0, 1], [1, 0.1], [0.1, 1]]))
    (0, 1, 3, 4, 2)
    """
    # Imported here: it takes half a second, and only this function needs it. It has no types.
    from scipy.cluster import hierarchy  # type: ignore[import-untyped]  # noqa: PLC0415

    words = np.asarray(vectors, dtype=np.float64)[1:]
    tree = hierarchy.linkage(words, "average", metric="cosine", optimal_ordering=True)
    return (0, *(int(leaf) + 1 for leaf in hierarchy.leaves_list(tree)))
