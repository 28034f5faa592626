"""A judge: a model at an OpenAI-compatible endpoint that gives marks to two candidates' answers, blind."""
