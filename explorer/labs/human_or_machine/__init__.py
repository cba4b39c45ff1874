"""Zero-shot statistical tests: is this text the model's own?"""
