"""Set-based prompting: a prompt whose parts have no order."""
