"""Maps between points of a space and sentences: a toy language with a judge, and AriEL."""
