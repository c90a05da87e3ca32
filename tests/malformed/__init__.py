"""Malformed and unexpected input, one table: what is written, what is called, what may come of it."""
