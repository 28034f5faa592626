"""The engine: prompts as tokens in, answers as events out, many at once. The only room that imports llama.cpp.

    expert.py     a bundle, loaded and ready: prompt, cache, engine in one hand
    weights.py    its served file, held to the manifest and being loaded
    engine.py     the thread that answers many requests at once, and the queue before it
    batching.py   the running answers, and what each step computes for them
    slot.py       one request on its way, and its answer in the making
    waiting.py    the requests that wait, in turn
    memory.py     the sequences in the shared memory: what a new one can take over, and whether it has room
    cells.py      who holds which cell of it
    stats.py      what the engine has done, in numbers
    request.py    what is asked of the engine, and the events that come back
    prompt.py     a conversation as tokens, safe against special tokens in people's text
    model.py      a loaded GGUF file: tokens and pieces
    context.py    llama.cpp's context, its batch and its memory
    sampler.py    llama.cpp's samplers of one answer
    candidates.py tokens and their logits as samplers take them
    json_grammar.py a JSON schema as a grammar
    scores.py     log-probabilities from logits
    text.py       pieces of bytes as text: whole characters, stop strings
    answers.py    the disk cache of whole answers
    prefixes.py   the disk cache of what prompts begin with
    disk.py       a bounded cache of bytes on disk
    checked.py    the digests of files that were read before
    bindings.py   llama.cpp's functions, without the rest of llama-cpp-python
    backend.py    what llama.cpp computes on
    offload.py    how many layers go onto the GPU
    threads.py    how many threads compute
    native_log.py llama.cpp's log, silenced
    errors.py     what can go wrong

Knows nothing about HTTP.
"""

import os

# llama.cpp's threads meet several hundred times a token, and by default wait for each other in long busy loops; where
# another program needs a core, a token then takes ten times as long. A short loop loses next to nothing where none
# does. OpenMP reads this when llama.cpp is loaded, so it is set before any module here imports it.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
