"""Convert: an adapter and its base model in, a sealed bundle of GGUF files out.

Knows nothing about training or serving.
"""
