"""The trainer: a dataset and a recipe in, a LoRA adapter out.

Knows nothing about where records come from, about GGUF or about serving.
"""
