"""Traces that prove themselves: a model is run over what a file says, and every figure compared."""
