"""The Traces page: files opened without a model, branches, proofs, and what parts two lanes."""
