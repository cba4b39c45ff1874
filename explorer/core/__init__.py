"""The floor everything stands on: types, engine, distributions, models, traces."""
