"""Sweeps: prompts x decoders x seeds x models, resumable, on this machine or on a cluster."""
