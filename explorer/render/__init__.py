"""Results to figures, wire lines and pages: pure functions, no Gradio."""
