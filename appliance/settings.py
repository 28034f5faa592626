"""The appliance's part of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bundle.settings import SettingsPart

GpuLayers = Literal["auto", "all", "none"] | Annotated[int, Field(ge=0)]
KvType = Literal["F16", "Q8_0", "Q4_0"]


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
    """Origins of web pages that may ask and read the answer (CORS), e.g. `https://docs.example.org`, beside those that
    have a public key."""
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
    """Whether it reads any where a request doesn't say (its field `grounding`). Left out, it reads if it is trained for
    it (`curation.grounded.share`; its bundle says so): a small model that isn't may answer worse with documentation
    than without."""
    passages: int | None = Field(default=None, ge=1, le=20)
    """How many passages at most; left out, as many as it is trained with, or else 3."""
    tokens: int | None = Field(default=None, ge=50)
    """How long they may be together, never more than a quarter of the context, or half of what a question leaves; left
    out, as long as it is trained with, or else 400."""


CheckPolicy = Literal["off", "flag", "repair"]


class Checking(SettingsPart):
    """How the code of answers is held to what exists, where the bundle has a symbol table."""

    policy: CheckPolicy = "flag"
    """Where a request doesn't say (its field `check`): `flag` tells what in a code block doesn't exist as soon as the
    block closes; `repair` looks at each statement before it is told, and has the answer go on otherwise where that
    names what doesn't exist, or is no Python; `off` doesn't look."""


class Preset(SettingsPart):
    """Options of a conversation, under one name."""

    system: str = ""
    """System prompt; empty for the expert's own."""
    temperature: float | None = Field(default=None, ge=0, le=10)
    """0 is greedy; left out, the server's."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Longest answer, in tokens; left out, the server's."""


class ChatSettings(SettingsPart):
    """The chat in the terminal."""

    theme: str = ""
    """Its colours: `boffin`, `boffin-contrast` or one of Textual's themes; empty for what fits the terminal."""
    keys: dict[str, str] = Field(default={})
    """Other keys for its actions, by the ids that the help (F1) shows: `"chat.again" = "ctrl+k,f5"`."""
    phrases: dict[str, str] = Field(default={})
    """Commands of your own: `tests = "Write tests for {}"` makes `/tests`; what follows it goes where `{}` is."""
    presets: dict[str, Preset] = Field(
        default={
            "precise": Preset(temperature=0.0),
            "inventive": Preset(temperature=0.9),
            "brief": Preset(system="Answer with one short code example and at most two sentences.", max_tokens=256),
        }
    )
    """Options that a conversation can be given by name (F6)."""


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
    """Tokens that there is memory for, of all answers together; 0 for `slots` times `context`. Less than that needs
    `shared`; an answer begins then when its prompt and its `max_tokens` fit in beside the others."""
    shared: bool = False
    """Whether all answers share one memory, rather than each slot having `context` tokens of its own. It holds more
    in less: an answer takes what it needs, and a beginning that several have in common is there once. But it is slower
    on a processor, where each answer then looks past the tokens of all others."""
    strict: bool = False
    """Whether a request's answer is the same, bit for bit, whatever else is answered meanwhile; each answer is then
    computed by itself, in memory of its own, which takes several times as long when many are made at once."""
    queue: int = Field(default=64, ge=1)
    """How many requests may wait for a slot; beyond that a request is refused at once."""
    threads: int = Field(default=0, ge=0)
    """Threads for llama.cpp; 0 takes as many as are the fastest, measured once on this machine when it isn't busy."""
    speculation: Literal["auto", "off"] = "auto"
    """Whether next tokens are guessed from what the prompt and the answer said before, and computed several at once:
    `auto` where what steps cost, measured once for a machine and a model when it isn't busy, says that it pays."""
    gpu_layers: GpuLayers = "auto"
    """Layers to offload to a CUDA or Metal device: `auto` as many as fit, `all`, `none`, or a number."""
    kv_type: KvType = "F16"
    """Type of the numbers in the memory of tokens. `Q8_0` takes about half of F16's room, `Q4_0` a little over a
    quarter; either turns on flash attention and costs some quality."""
    allow_cpu: bool = False
    """Whether a llama.cpp that was built for a GPU may run on the processor where it finds none; else that is an
    error."""
    adapters: dict[str, Path] = Field(default={})
    """LoRA adapters for the served file, as GGUF files, by the names that requests have for them."""
    routing: bool = True
    """Whether the bundle's adapter for a library answers what is about that, where it has any and a request names the
    expert alone."""
    offline: bool = False
    """Whether the server may reach nothing but its own machine: any other connection that it would make, or name that
    it would look up, is an error. The container images set it."""
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
    chat: ChatSettings = ChatSettings()
    """The chat in the terminal."""
