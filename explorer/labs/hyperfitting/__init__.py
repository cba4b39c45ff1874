"""Hyperfitting: training to near-zero loss on a few texts, for the sake of greedy decoding."""
