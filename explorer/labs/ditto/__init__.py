"""DITTO: training a model not to feed its own loops."""
