"""Loops: how often they come, how they feed themselves, what they look like, who escapes."""
