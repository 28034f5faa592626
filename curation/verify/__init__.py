"""Verification: a draft's code is run, twice, in the sandbox; what it printed becomes the record's output."""
