"""The page: the only floor that imports Gradio."""
