"""The endpoint: the engine over HTTP, in the shapes that OpenAI's clients know.

    process.py    the server's life: address, loading, signals, stop
    app.py        the routes
    answering.py  an answer on its way from cache or engine to one client
    schema.py     what clients may send
    replies.py    what they get
    scored.py     log-probabilities in OpenAI's completions shape
    failures.py   errors in OpenAI's shape
    guard.py      what is refused before it is read: foreign hosts, endless bodies

Knows nothing about llama.cpp.
"""

from appliance.server.process import serve

__all__ = ["serve"]
