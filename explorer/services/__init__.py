"""State, threads and files: models, runs, sessions, exports; no Gradio."""
