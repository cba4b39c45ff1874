"""Labs run from anywhere: the page, the command line, Python."""
