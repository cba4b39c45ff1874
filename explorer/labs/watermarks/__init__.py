"""Watermarks: planted without a trace in the law, found again with the key, edits and all."""
