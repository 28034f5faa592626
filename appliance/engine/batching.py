"""Continuous batching: the running answers, and what each step computes for them.

A step computes one token of each running answer, together with a bounded chunk of the prompts that wait, so that a long
prompt never stalls the others for long; answers of different adapters are computed one adapter after the other.
llama.cpp's kernels round otherwise for other batch sizes and for other places in the memory; where an answer must not
depend on what else runs, `strict` gives each sequence memory and batches of its own, for the time that this takes.
Knows nothing about queues or threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.engine.context import BATCH, MAX_SEQUENCES, Context
from appliance.engine.errors import Cancelled, EngineError, InvalidRequest
from appliance.engine.memory import Memory
from appliance.engine.model import Model
from appliance.engine.prefixes import PrefixStore
from appliance.engine.request import Failed, Finished, PromptScored, TokenScore
from appliance.engine.slot import Answer, Ticket, guesses
from appliance.engine.speculation import MOST, Costs
from appliance.engine.stats import Counts
from appliance.settings import KvType
from bundle.digests import digest_file

CHUNK_BESIDE_ANSWERS = 128
"""Most prompt tokens in a step in which answers are running; it bounds the pause that a new prompt makes in them."""
SCORED_PER_STEP = 128
"""Most prompt tokens a step whose log-probabilities are wanted: each needs a whole row of logits."""
CHOSEN_ALONE = 4
"""From this many answers on, their next tokens are chosen by several threads: that takes up to a millisecond each."""
GUESSED_PER_STEP = 4 * MOST
"""Most tokens a step that are only guessed: each needs a row of logits."""
KEPT = 32
"""Most sequences that are kept for prompts that begin alike."""


@dataclass(frozen=True)
class _Part:
    """What a step computes for one answer: `count` tokens whose first is at `index` of the batch."""

    answer: Answer
    index: int
    count: int
    guess: tuple[int, ...] = ()
    """The last of the tokens, which nothing has chosen yet."""

    @property
    def output(self) -> int:
        """Where in the batch the logits are that the next token is chosen from."""
        return self.index + self.count - 1 - len(self.guess)


class Batching:
    """The answers that are being made; to be closed."""

    def __init__(
        self,
        model: Model,
        *,
        slots: int,
        length: int,
        cells: int,
        threads: int,
        offload: bool,
        kv_type: KvType,
        strict: bool,
        shared: bool,
        prefixes: PrefixStore | None,
        adapters: Mapping[str, Path],
        costs: Costs | None = None,
    ) -> None:
        """Load the adapters and set aside memory.

        `slots` answers of up to `length` tokens each are made at once; all of them have `cells` tokens of memory. Where
        the `costs` of steps are known, next tokens are guessed as far as that pays.

        Raises:
            BundleError: an adapter isn't one of the model's.
            ServerError: the memory isn't there.
        """
        self._model = model
        self._length = length
        self._strict = strict
        self._adapters = {"": ("", None)} | {
            name: (digest_file(path), model.adapter(path)) for name, path in adapters.items()
        }
        """The digest and llama.cpp's handle of each."""
        shared = shared and not strict
        kept = min(KEPT, MAX_SEQUENCES - slots) if shared else 0
        self._context = Context(
            model,
            sequences=slots + kept,
            cells=cells,
            outputs=SCORED_PER_STEP + slots + GUESSED_PER_STEP * (costs is not None),
            threads=threads,
            offload=offload,
            kv_type=kv_type,
            shared=shared,
        )
        keeps = self._context.cuttable and not strict
        self._costs = costs if keeps else None
        self._shared = shared
        self.memory = Memory(
            self._context, cells=cells, slots=slots, kept=kept, keeps=keeps, shared=shared, prefixes=prefixes
        )
        self._choosers = ThreadPoolExecutor(threads, thread_name_prefix="choosers")
        self.counts = Counts()
        self.answers: list[Answer] = []
        """In the order in which they began."""
        self.seconds_per_answer = 1.0
        """How long answers took lately."""

    def begin(self, ticket: Ticket) -> bool:
        """Begin an answer, if there is a slot and memory for its worst case."""
        request = ticket.request
        limit = min(request.max_tokens, self._length - len(request.tokens))
        # Where scores of the prompt are wanted, every token of it must be computed.
        held = self.memory.begin(
            request.tokens,
            len(request.tokens) + limit,
            adapter=self._adapters[request.adapter][0],
            reuse=not request.score_prompt,
        )
        if held is None:
            return False
        self.answers.append(Answer(ticket, self._model, held, limit))
        self.counts.reused_tokens += len(held.tokens)
        return True

    def end_those_who_must(self, now: float) -> None:
        """End the answers that nobody waits for any more, and those whose time is up."""
        for answer in list(self.answers):
            if answer.ticket.replaced:
                self._end(answer, answer.finished("stop"))
            elif answer.ticket.cancelled:
                self.counts.cancelled += 1
                self._end(answer, Failed(Cancelled("the request was cancelled")))
            elif answer.ticket.expires <= now:
                self.counts.expired += 1
                self._end(answer, answer.finished("deadline"))

    def step(self) -> None:
        """Compute the next tokens.

        Raises:
            EngineFailed: llama.cpp can't; what the memory holds is not to be trusted then.
        """
        for parts in self._compose():
            self._context.compute()
            now = time.monotonic()
            self.counts.steps += 1
            speaking = [part for part in parts if self._absorb(part)]
            for part, token in zip(speaking, self._choose(speaking), strict=True):
                self._speak(part.answer, token, part.output, now)
                if part.guess:
                    self._go_on(part, token, now)

    def abandon(self, error: EngineError) -> None:
        """Fail every answer and forget all that the memory holds."""
        for answer in self.answers:
            answer.ticket.emit(Failed(error))
        self.counts.failed += len(self.answers)
        self.answers = []
        self.memory.clear()

    def close(self) -> None:
        """Free the memory."""
        self._choosers.shutdown()
        self._context.close()

    def _compose(self) -> Iterator[list[_Part]]:
        """Fill a batch for the answers of each adapter; in strict mode one for each answer."""
        groups: dict[object, list[Answer]] = {}
        for answer in self.answers:
            groups.setdefault(answer if self._strict else answer.request.adapter, []).append(answer)
        for group in groups.values():
            self._context.begin(self._adapters[group[0].request.adapter][1])
            yield self._fill(group)

    def _fill(self, answers: list[Answer]) -> list[_Part]:
        """Fill the batch: a token of each answer and, as far as there is room, the prompts, the first first."""
        counts = {answer.held.number: 1 for answer in answers if not answer.prompting}
        # In strict mode a prompt's parts must not depend on what else runs.
        room = min(CHUNK_BESIDE_ANSWERS if counts or self._strict else BATCH, BATCH - len(counts))
        scored = SCORED_PER_STEP
        for answer in answers:
            if answer.prompting:
                scoring = answer.request.score_prompt
                count = min(len(answer.request.tokens) - answer.done, room, scored if scoring else room)
                counts[answer.held.number] = count
                room -= count
                scored -= count if scoring else 0
        # In ascending order: with a memory each, only sequences that follow one another are computed together.
        ordered = sorted(answers, key=lambda answer: answer.held.number)
        guessed: dict[Answer, tuple[int, ...]] = {}
        # With a memory each, llama.cpp computes sequences together only where all have as many tokens.
        alike = self._shared or len(ordered) == 1
        if self._costs and alike and not any(answer.prompting for answer in ordered):
            guessed = guesses(ordered, self._costs, GUESSED_PER_STEP)
        parts = [(answer, counts[answer.held.number], guessed.get(answer, ())) for answer in ordered]
        return [self._part(answer, count, guess) for answer, count, guess in parts if count]

    def _part(self, answer: Answer, count: int, guess: tuple[int, ...]) -> _Part:
        """Add an answer's next tokens to the batch."""
        place = answer.held.number
        if not answer.prompting:
            tokens = (answer.next_token, *guess)
            index = self._context.add(tokens, len(answer.held.tokens), place, outputs=len(tokens))
            return _Part(answer, index, len(tokens), guess)
        prompt, end = answer.request.tokens, answer.done + count
        outputs = count if answer.request.score_prompt else int(end == len(prompt))
        return _Part(answer, self._context.add(prompt[answer.done : end], answer.done, place, outputs=outputs), count)

    def _absorb(self, part: _Part) -> bool:
        """Note what a step has computed for an answer; whether its next token is to be chosen now."""
        answer, request = part.answer, part.answer.request
        if not answer.prompting:
            self.memory.computed(answer.held, (answer.next_token,))
            return True
        if request.score_prompt:
            answer.ticket.emit(PromptScored(tuple(self._score_prompt(part))))
        self.memory.computed(answer.held, request.tokens[answer.done : answer.done + part.count])
        self.counts.prompt_tokens += part.count
        answer.done += part.count
        if not answer.prompting and request.max_tokens == 0:
            self.counts.finished += 1
            self._end(answer, answer.finished("length"))
            return False
        return not answer.prompting

    def _choose(self, parts: list[_Part]) -> list[int | InvalidRequest]:
        """The next token of each answer, or why it has none."""
        if len(parts) < CHOSEN_ALONE:
            return [self._chosen(part) for part in parts]
        # At the first look llama.cpp puts its outputs in order; from then on they are only read.
        return [self._chosen(parts[0]), *self._choosers.map(self._chosen, parts[1:])]

    def _chosen(self, part: _Part) -> int | InvalidRequest:
        try:
            return part.answer.sample(self._context.handle, part.output)
        except InvalidRequest as error:  # a grammar that leads nowhere
            return error

    def _go_on(self, part: _Part, token: int | InvalidRequest, now: float) -> None:
        """Take what of a guess is right after its answer's next `token`, and forget the rest."""
        answer, right = part.answer, 0
        for number, guessed in enumerate(part.guess, start=1):
            if token != guessed or answer not in self.answers:
                break
            right = number
            self.memory.computed(answer.held, (guessed,))
            rest = replace(part, guess=part.guess[number:])
            token = self._chosen(rest)
            self._speak(answer, token, rest.output, now)
        self.counts.guessed_tokens += len(part.guess)
        self.counts.guessed_right += right
        if right < len(part.guess):
            self._context.cut(answer.held.number, len(answer.held.tokens))

    def _speak(self, answer: Answer, token: int | InvalidRequest, output: int, now: float) -> None:
        """Add a token, chosen from an output of the step, to an answer, and end it if it is complete."""
        request = answer.request
        if isinstance(token, InvalidRequest):
            self.counts.failed += 1
            self._end(answer, Failed(token))
            return
        answer.count(self.counts, now)
        scored = None
        if request.logprobs is not None:
            from appliance.engine.scores import score

            scored = score(self._context.logits(output), [token], request.logprobs)[0]
        piece, reason = answer.take(token, scored)
        if piece.text or piece.score:
            answer.ticket.emit(piece)
        if reason:
            self.counts.finished += 1
            self.seconds_per_answer += 0.2 * (now - answer.began - self.seconds_per_answer)
            self._end(answer, answer.finished(reason))

    def _score_prompt(self, part: _Part) -> list[TokenScore]:
        """Scores of the prompt's tokens that follow those of a part, and of its very first with the first part."""
        from appliance.engine.scores import score

        request, done = part.answer.request, part.answer.done
        targets = request.tokens[done + 1 : done + 1 + part.count]
        scores = score(self._context.logits(part.index, part.count), targets, request.logprobs or 0)
        return scores if done else [TokenScore(request.tokens[0], None), *scores]

    def _end(self, answer: Answer, event: Finished | Failed) -> None:
        self.answers.remove(answer)
        self.memory.end(answer.held)
        answer.ticket.emit(event)
