"""How the small models of the project are made: texts, tokenizer, loop, measures.

Run as `python -m explorer.training`; the models themselves lie in `assets/models/`.
"""
