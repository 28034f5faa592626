"""Asks a model over HTTP, as OpenAI's chat completions go. Knows nothing about records.

The key comes from an environment variable, travels in a header, and is in no message and no file.
"""

from __future__ import annotations

import os
import threading

import httpx
from pydantic import BaseModel, Field, ValidationError

from bundle.errors import SourceError
from curation.settings import Teacher as TeacherSettings

TRIES = 5
PAUSE = 1.0
"""Seconds before the second try, twice as many before each further one."""
LONGEST_PAUSE = 60.0
"""Seconds that are waited at most, whatever the endpoint asks for."""
TIMEOUT = httpx.Timeout(300, connect=10)
MAX_REPLY = 1_000_000
"""Bytes beyond which a reply is not read on."""
MAX_TOKENS = 1000
TEMPERATURE = 0.3
_CHARACTERS_A_TOKEN = 4


class Reply(BaseModel):
    """What the model answered, and what it took."""

    content: str
    tokens_in: int = Field(ge=0)
    tokens_out: int = Field(ge=0)


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model] = Field(min_length=1)


class Endpoint:
    """An endpoint; its methods may be called from several threads."""

    def __init__(self, settings: TeacherSettings) -> None:
        """Nothing is asked yet."""
        self._url = settings.url.rstrip("/")
        self._key = os.environ.get(settings.key_variable, "").strip()
        self._model = settings.model
        self._closed = threading.Event()
        if not (self._key.isascii() and self._key.isprintable()):
            raise SourceError(f"curation.teacher: {settings.key_variable} holds no key; look at it")
        try:
            address = httpx.URL(self._url)
        except httpx.InvalidURL as error:
            raise self._error(f"no address ({error}); look at `url`") from None
        if address.scheme not in ("http", "https") or not address.host:
            raise self._error("no http(s) address; look at `url`")
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT)

    def close(self) -> None:
        """Give up what is waiting, and close the connections."""
        self._closed.set()
        self._client.close()

    @property
    def model(self) -> str:
        """The model's name; where the settings have none, the first that the endpoint lists.

        Raises:
            SourceError: nothing answers, or it lists none.
        """
        if not self._model:
            content = self._request("GET", "/models", None)
            try:
                self._model = _Models.model_validate_json(content).data[0].id
            except ValidationError:
                raise self._error("it lists no models; name one in `model`") from None
        return self._model

    def body(self, system: str, user: str) -> dict[str, object]:
        """What is sent for a question: everything that the reply depends on, but for the endpoint itself."""
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        return {"model": self.model, "messages": messages, "temperature": TEMPERATURE, "max_tokens": MAX_TOKENS}

    def ask(self, body: dict[str, object]) -> Reply:
        """The model's reply. Where the endpoint doesn't count tokens, four characters are taken for one.

        Raises:
            SourceError: nothing answers, or what does is no such endpoint, or refuses.
        """
        content = self._request("POST", "/chat/completions", body)
        try:
            completion = _Completion.model_validate_json(content)
        except ValidationError:
            raise self._error("its reply is no chat completion; is that an OpenAI-compatible endpoint?") from None
        text = completion.choices[0].message.content or ""
        usage = completion.usage or _Usage(
            prompt_tokens=len(str(body["messages"])) // _CHARACTERS_A_TOKEN,
            completion_tokens=len(text) // _CHARACTERS_A_TOKEN,
        )
        return Reply(content=text, tokens_in=usage.prompt_tokens, tokens_out=usage.completion_tokens)

    def _request(self, method: str, path: str, body: dict[str, object] | None) -> bytes:
        trouble, pause = "", 0.0
        for attempt in range(TRIES):
            if attempt and self._closed.wait(min(max(pause, PAUSE * 2 ** (attempt - 1)), LONGEST_PAUSE)):
                break
            pause = 0.0
            try:
                with self._client.stream(method, self._url + path, json=body) as response:
                    content = self._read(response)
            except (httpx.RequestError, RuntimeError) as error:
                trouble = f"nothing answers ({self._told(str(error)) or type(error).__name__}); look at `url`"
                continue
            if response.is_success:
                return content
            told = self._told(content[:2000].decode(errors="replace"))
            trouble = f"{path} is refused with {response.status_code} ({told or 'no reason given'})"
            if response.status_code in (401, 403):
                trouble += "; look at `key_variable`"
            if response.status_code not in (408, 429) and response.status_code < 500:
                break
            asked = response.headers.get("retry-after", "")
            pause = float(asked) if asked.isascii() and asked.isdigit() else 0.0
        raise self._error(trouble)

    def _read(self, response: httpx.Response) -> bytes:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_REPLY:
                raise self._error(
                    f"its reply has more than {MAX_REPLY:,} bytes; is that an OpenAI-compatible endpoint?"
                )
        return bytes(content)

    def _told(self, text: str) -> str:
        """What the other side says, on one line, without the key should it repeat it."""
        text = text.replace(self._key, "…") if self._key else text
        return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:200]

    def _error(self, trouble: str) -> SourceError:
        return SourceError(f"curation.teacher at {self._told(self._url)}: {trouble}")
