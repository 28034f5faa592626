"""Evaluation: candidates that answer over HTTP in, one report out.

Grades only what is shipped: the GGUF, through the endpoint. Knows nothing about how a model was made.
"""
