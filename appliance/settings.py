"""The appliance's part of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from bundle.settings import SettingsPart


class Sampling(SettingsPart):
    """How answers are sampled where a request doesn't say."""

    temperature: float = Field(default=0.3, ge=0)
    """0 is greedy."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Nucleus sampling: the share of probability that is kept."""
    repeat_penalty: float = Field(default=1.1, gt=0)
    """Penalty on tokens of the last 64; 1 is none."""
    max_tokens: int = Field(default=512, ge=1)
    """Longest answer, in tokens."""


class AnswerCache(SettingsPart):
    """The disk cache of whole answers."""

    enabled: bool = True
    """Whether the same question with the same settings gives the stored answer."""
    max_megabytes: int = Field(default=256, ge=1)
    """Hard bound on its size on disk; the least recently used answers go first."""
    keep_days: int = Field(default=30, ge=1)
    """Days after which an answer is made anew."""


class PrefixCache(SettingsPart):
    """The disk cache of what prompts begin with, such as the system prompt, so that a restarted server knows it."""

    enabled: bool = True
    """Whether a beginning that two prompts had in common is stored."""
    max_megabytes: int = Field(default=512, ge=1)
    """Hard bound on its size on disk; the least recently used go first. A thousand tokens take about 23 MB for a model
    of 135 million parameters and 130 MB for one of 8 billion."""


class Access(SettingsPart):
    """Who may ask."""

    keys: Path | None = None
    """File of API keys, which `boffin keys` writes; where one is named, every request but `/health` needs
    one of its keys."""
    open: bool = False
    """Whether other machines may ask without a key; else an address that they can reach is not listened on."""
    hosts: tuple[str, ...] = ()
    """Names by which this server is reached, beside those that only mean this machine. A request under another name is
    refused, since a web page can make a browser send one."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may ask and read the answer (CORS), e.g. `https://docs.example.org`."""
    tls_certificate: Path | None = None
    """Certificate chain in PEM; with it the server speaks HTTPS."""
    tls_key: Path | None = None
    """Its private key in PEM, unless it is in the same file."""


class Limits(SettingsPart):
    """What clients may take."""

    body_bytes: int = Field(default=4_000_000, ge=1_000)
    """Largest body of a request."""
    connections: int = Field(default=512, ge=1)
    """Most connections at once; beyond that requests are refused."""
    patience: float = Field(default=30.0, gt=0)
    """Seconds that a client gets to send its request whole, and to take what waits for it."""
    grace: float = Field(default=10.0, ge=0)
    """Seconds that running answers get to finish when the server is told to stop."""


class Logs(SettingsPart):
    """What is written to standard error, a JSON object a line."""

    requests: bool = True
    """Whether each request is."""
    prompts: bool = False
    """Whether with it the prompts are, as the model gets them."""


class Grounding(SettingsPart):
    """What of the documentation the expert reads before it answers, where its bundle has an index."""

    enabled: bool | None = None
    """Whether it reads any where a request doesn't say (its field `grounding`); left out, a tuned expert does, and a
    base model, which answers worse with documentation than without, doesn't."""
    passages: int = Field(default=3, ge=1, le=20)
    """How many passages at most."""
    tokens: int = Field(default=400, ge=50)
    """How long they may be together; never more than a quarter of the context, or half of what a question leaves."""


CheckPolicy = Literal["off", "flag", "repair"]


class Checking(SettingsPart):
    """How the code of answers is held to what exists, where the bundle has a symbol table."""

    policy: CheckPolicy = "flag"
    """Where a request doesn't say (its field `check`): `flag` tells what in a code block doesn't exist as soon as the
    block closes; `repair` tries once more where something doesn't, and gives the better answer, as a whole; `off`
    doesn't look."""


class ApplianceSettings(SettingsPart):
    """How the expert is served."""

    host: str = "127.0.0.1"
    """Address to listen on. One that other machines can reach needs `access.keys` or `access.open`."""
    port: int = Field(default=8639, ge=0, le=65535)
    """TCP port to listen on; 0 takes any free one."""
    quantisation: str = ""
    """Which of the bundle's GGUF files is served; empty for the bundle's first."""
    slots: int = Field(default=4, ge=1, le=64)
    """How many answers are generated at most at once."""
    context: int = Field(default=2048, ge=256)
    """Longest prompt plus answer of one request, in tokens."""
    memory: int = Field(default=0, ge=0)
    """Tokens that there is memory for, of all answers together; 0 for `slots` times `context`. An answer begins when
    its prompt and its `max_tokens` fit in beside the others."""
    shared: bool = True
    """Whether all answers share one memory, in which prompts that begin alike are computed once, and stored for a
    restart. Else each slot has `context` tokens of its own, of which its next answer can go on with what it begins
    with; many long answers at once are then faster, since each looks past fewer tokens of others."""
    strict: bool = False
    """Whether a request's answer is the same, bit for bit, whatever else is answered meanwhile; each answer is then
    computed by itself, in memory of its own, which takes several times as long when many are made at once."""
    queue: int = Field(default=64, ge=1)
    """How many requests may wait for a slot; beyond that a request is refused at once."""
    threads: int = Field(default=0, ge=0)
    """Threads for llama.cpp; 0 takes every core that this process may use."""
    gpu_layers: int = Field(default=-1, ge=-1)
    """Layers to offload to a CUDA or Metal device; -1 offloads all, 0 none."""
    adapters: dict[str, Path] = Field(default={})
    """LoRA adapters for the served file, as GGUF files, by the names that requests have for them."""
    access: Access = Access()
    """Who may ask."""
    limits: Limits = Limits()
    """What clients may take."""
    log: Logs = Logs()
    """What is written to standard error."""
    sampling: Sampling = Sampling()
    """How answers are sampled where a request doesn't say."""
    cache: AnswerCache = AnswerCache()
    """The disk cache of whole answers."""
    grounding: Grounding = Grounding()
    """What of the documentation the expert reads before it answers."""
    checking: Checking = Checking()
    """How the code of answers is held to what exists."""
    prefixes: PrefixCache = PrefixCache()
    """The disk cache of what prompts begin with."""
