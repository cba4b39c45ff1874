"""Starts the Generation Explorer: python app.py, or a Hugging Face Space."""

from explorer.services.settings import read_settings
from explorer.ui.serve import serve

if __name__ == "__main__":
    serve(read_settings())
