"""The teacher: a model behind an OpenAI-compatible endpoint that rewrites what records say, never their code."""

from curation.teacher.teacher import Teacher

__all__ = ["Teacher"]
