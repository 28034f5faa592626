"""Curation: documentation sources in, a dataset of instruction pairs out.

Knows nothing about models, tokens or training.
"""
