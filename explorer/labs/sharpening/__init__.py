"""Sharpening: a model improves by preferring what it finds likely itself."""
