"""The memory: which sequences it holds, what a new one can take over, and whether it has room.

An answer's worst case is promised before it begins, so that none is cut short by another. What an answer leaves behind
is kept for prompts that begin alike, and goes, the least recently used first, when room is needed.

Either each sequence has an equal part of the memory, and what another one has is copied into it. Or all share the whole
of it; a copied prefix takes no memory then, but every sequence makes every step slower, since the running ones look
past it (on two cores, a 135M model and four answers: a fifth for every thousand tokens); so the busier the engine is,
the less is kept. Knows nothing about requests, text or threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.engine.cells import Cells
from appliance.engine.context import Context
from appliance.engine.prefixes import STATE, PrefixStore

WORTH_WAITING = 32
"""A prompt waits when it could have this many more tokens from one that is just being computed; fewer are not worth
a copy, either."""


@dataclass(eq=False)
class Held:
    """A sequence in the memory."""

    number: int
    """Its id there."""
    adapter: str = ""
    """What it was computed with; sequences of different adapters share nothing."""
    tokens: list[int] = field(default_factory=list)
    """What the memory holds of it, in order."""
    prompt: list[int] = field(default_factory=list)
    """The tokens that it will hold soon, those it holds among them; of no use to others where it is empty."""
    promised: int = 0
    """Cells that it may yet take."""
    cells: list[int] = field(default_factory=list)

    def shared(self, prompt: list[int]) -> int:
        """How many tokens a prompt can take over; its last one is always computed, for its logits."""
        return common(self.tokens, prompt, len(prompt) - 1)


class Memory:
    """The sequences of a context, running and kept."""

    def __init__(
        self,
        context: Context,
        *,
        cells: int,
        slots: int,
        kept: int,
        keeps: bool = True,
        shared: bool = True,
        prefixes: PrefixStore | None = None,
    ) -> None:
        """At most `slots` sequences run at once, and at most `kept` are kept beside them.

        Without `keeps` none is kept at all. A memory that isn't `shared` has a part for each slot, which keeps one.
        """
        self._context = context
        self._cells = Cells(cells)
        self._slots = slots
        self._numbers = list(reversed(range(slots + kept)))
        self._keeps = keeps
        self._shared = shared
        self._prefixes = prefixes if keeps else None
        self.restored = 0
        """Tokens that came from disk."""
        self.running: list[Held] = []
        """In the order in which they began."""
        self.kept: list[Held] = []
        """The least recently used first."""

    @property
    def used(self) -> int:
        """How many cells are held."""
        return self._cells.size - self._cells.free

    @property
    def promised(self) -> int:
        """How many cells the running sequences may yet take."""
        return sum(held.promised for held in self.running)

    def begin(self, prompt: Sequence[int], most: int, *, adapter: str = "", reuse: bool = True) -> Held | None:
        """A running sequence that holds as much of a prompt as is there already, with room for `most` tokens in all.

        None where there is no room yet, or where another prompt that begins alike is just being computed. With `reuse`
        off, nothing is taken over.
        """
        if len(self.running) == self._slots:
            return None
        prompt = list(prompt)
        source, shared = self._longest(prompt, adapter) if reuse and self._keeps else (None, 0)
        if reuse and self._keeps and self._soon(prompt, adapter) >= shared + WORTH_WAITING:
            return None
        stored = self._prefixes.longest(prompt, adapter) if reuse and self._prefixes else 0
        if stored < shared + WORTH_WAITING:
            stored = 0
        begun = source.cells[:shared] if source and not stored else []
        pinned = set().union(begun, *(held.cells for held in self.running))
        if len(pinned) + self.promised + most - len(begun) > self._cells.size:
            return None
        entry = self._prefixes.load(prompt[:stored], adapter) if stored and self._prefixes else None
        if stored and entry is None:
            return self.begin(prompt, most, adapter=adapter)  # without it, for now it is forgotten
        due = 0
        if source and not stored and shared < len(source.tokens) and self._prefixes:  # two go on differently
            due = self._prefixes.due(prompt[:shared], adapter)
        start = self._start if self._shared else self._start_apart
        held = start(*(None, 0) if entry else (source, due or shared))
        held.prompt = prompt if reuse else []
        held.adapter = adapter
        held.promised = most - len(held.tokens)
        self.running.append(held)
        while self._cells.free < self.promised:
            self._forget(self.kept[0])
        if entry and self._context.restore(held.number, entry, stored, start=STATE):
            self.computed(held, prompt[:stored])
            self.restored += stored
        elif due and len(held.tokens) == due and self._prefixes:
            self._prefixes.store(held.tokens, adapter, self._context.state(held.number))
        return held

    def computed(self, held: Held, tokens: Sequence[int]) -> None:
        """Note that tokens of a sequence have been computed."""
        held.tokens += tokens
        held.cells += self._cells.take(len(tokens))
        held.promised -= len(tokens)

    def end(self, held: Held) -> None:
        """A sequence runs no more; it is kept as far as there is room for such."""
        self.running.remove(held)
        held.promised = 0
        held.prompt = []
        self.kept.append(held)
        if self._keeps and not self._shared:
            return
        room = self._cells.size * (self._slots - len(self.running)) // self._slots if self._keeps else 0
        while len(set().union(*(one.cells for one in self.kept))) > room:
            self._forget(self.kept[0])

    def clear(self) -> None:
        """Forget every sequence; none runs any more."""
        self._context.clear()
        for held in self.running + self.kept:
            self._cells.drop(held.cells)
            self._numbers.append(held.number)
        self.running, self.kept = [], []

    def _longest(self, prompt: list[int], adapter: str) -> tuple[Held | None, int]:
        """The sequence that has most of a prompt, and how many tokens of it."""
        fitting = [held for held in self.kept + self.running if held.adapter == adapter]
        best = max(fitting, key=lambda held: held.shared(prompt), default=None)
        shared = best.shared(prompt) if best else 0
        return (best, shared) if shared else (None, 0)

    def _soon(self, prompt: list[int], adapter: str) -> int:
        """How much of a prompt the sequences will have that are being computed."""
        prompts = [held.prompt for held in self.running if held.adapter == adapter]
        return max((common(one, prompt, len(prompt) - 1) for one in prompts), default=0)

    def _start(self, source: Held | None, shared: int) -> Held:
        """A sequence with the first `shared` tokens of another one, in the shared memory."""
        alone = not (self._numbers or len(self.kept) > 1)
        if source in self.kept and (alone or shared == len(source.tokens)):
            return self._go_on(source, shared)
        if not self._numbers:
            self._forget(next(held for held in self.kept if held is not source))
        held = Held(self._numbers.pop())
        if source is not None:
            self._context.copy(source.number, held.number, shared)
            held.tokens = source.tokens[:shared]
            held.cells = self._cells.share(source.cells[:shared])
        return held

    def _start_apart(self, source: Held | None, shared: int) -> Held:
        """A sequence in a part of the memory of its own, with the first `shared` tokens of another one if that pays."""
        place = self._place()
        worth = source is not None and shared >= WORTH_WAITING
        if source in self.kept and (source.number == place or (worth and len(source.tokens) - shared < WORTH_WAITING)):
            return self._go_on(source, shared)
        for held in self.kept:
            if held.number == place:
                self._forget(held)
                break
        self._numbers.remove(place)
        held = Held(place)
        if source is not None and worth:
            self._context.copy(source.number, place, shared)
            held.tokens = source.tokens[:shared]
            held.cells = self._cells.take(shared)
        return held

    def _place(self) -> int:
        """A part of the memory in which nothing runs: beside others in which something does, since llama.cpp computes
        only neighbours together; of those one that is empty, or else the least recently used."""
        running = {held.number for held in self.running}
        free = [*reversed(self._numbers), *(held.number for held in self.kept)]
        return max(free, key=lambda number: (number - 1 in running) + (number + 1 in running))

    def _go_on(self, held: Held, length: int) -> Held:
        """A kept sequence itself, cut to its first `length` tokens."""
        self.kept.remove(held)
        self._context.cut(held.number, length)
        self._cells.drop(held.cells[length:])
        del held.tokens[length:], held.cells[length:]
        return held

    def _forget(self, held: Held) -> None:
        self.kept.remove(held)
        self._context.cut(held.number, 0)
        self._cells.drop(held.cells)
        self._numbers.append(held.number)


def common(one: list[int], other: list[int], limit: int) -> int:
    """How many tokens two lists begin with alike, at most `limit`."""
    limit = min(limit, len(one), len(other))
    if one[:limit] == other[:limit]:
        return limit
    least = 0
    while limit - least > 1:
        middle = (least + limit) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            limit = middle
    return least
