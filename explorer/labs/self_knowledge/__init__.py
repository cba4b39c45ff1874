"""What does it know? Whether a model can tell which of its answers are right."""
