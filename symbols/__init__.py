"""Symbols: installed libraries in, a table of what exists out; code in, what in it does not exist out."""
