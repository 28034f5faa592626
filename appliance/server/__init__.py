"""The endpoint: the engine over HTTP, in the shapes that OpenAI's, Ollama's and llama.cpp's clients know.

    process.py           the server's life: address, loading, stop
    signals.py           what the operating system tells it
    listening.py         uvicorn around the application
    logs.py              what it writes to standard error
    connection.py        a connection that waits for its client only so long
    app.py               the routes, and what stands before them
    journal.py           a line for each request, ids, counts
    guard.py             what is refused before it is read: foreign hosts, endless bodies
    gate.py              who may pass: keys and their rates
    serving.py           what is served, under which names, to whom
    answering.py         answers on their way from cache or engine to one client
    courier.py           the way from the engine's thread into the event loop
    stream.py            a stream of bytes as a reply
    failures.py          errors in OpenAI's shape, and in Ollama's
    schema.py            what every request may say
    openai_schema.py     the bodies of chats and completions
    replies.py           what their clients get
    scored.py            log-probabilities in OpenAI's shapes
    chat.py              /v1/chat/completions
    completions.py       /v1/completions
    responses.py         /v1/responses
    responses_schema.py  its body
    ollama.py            /api
    ollama_schema.py     its bodies
    tokens.py            /tokenize, /detokenize, /apply-template
    state.py             /health, /v1/models, /props, /metrics
    metrics.py           the numbers for Prometheus

Knows nothing about llama.cpp.
"""

from appliance.server.process import serve

__all__ = ["serve"]
