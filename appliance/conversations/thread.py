"""One branch of a conversation, from its first question to its newest answer: what is read, and gone on with.

A conversation is only in the store once it has a question. Knows nothing about HTTP or about what is shown.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Self

from appliance.conversations.draft import Draft
from appliance.conversations.evidence import Evidence
from appliance.conversations.message import MAX_TEXT, Conversation, Figures, Message, Options, State
from appliance.conversations.store import Store
from appliance.sanitise import clean


class Thread:
    """The branch that is being read, in a conversation that may not have begun yet."""

    def __init__(self, store: Store, conversation: Conversation | None = None, options: Options | None = None) -> None:
        """`options` are those of a conversation that has not begun."""
        self.store = store
        self.conversation = conversation
        self._options = options or Options()
        self._messages: dict[int, Message] = {}
        self._children: defaultdict[int | None, list[int]] = defaultdict(list)
        self.path: list[Message] = []
        """The branch, the oldest message first; questions and answers take turns."""

    @classmethod
    def open(cls, store: Store, conversation: int, at: int | None = None) -> Self:
        """The branch that was last read, or the newest that has message `at` in it.

        Raises:
            ConversationError: it is gone.
        """
        store.recover()
        thread = cls(store, store.conversation(conversation))
        for message in store.messages(conversation):
            thread._keep(message)
        leaf = at if at in thread._messages else store.leaf(conversation)
        thread._follow(leaf if leaf in thread._messages else None)
        return thread

    @property
    def options(self) -> Options:
        """What the conversation asks of its answers."""
        return self.conversation.options if self.conversation else self._options

    @options.setter
    def options(self, options: Options) -> None:
        if self.conversation is None:
            self._options = options
            return
        self.store.set_options(self.conversation.id, options)
        self.conversation = self.conversation.model_copy(update={"options": options})

    def ask(self, text: str, model: str = "") -> Draft:
        """Add a question at the end of the branch and open its answer."""
        return self._ask(text, self.path[-1].id if self.path else None, model)

    def edit(self, question: Message, text: str, model: str = "") -> Draft:
        """Ask an earlier question otherwise: a branch beside it, which becomes the one that is read."""
        return self._ask(text, question.parent, model)

    def again(self, answer: Message, model: str = "") -> Draft:
        """Open another answer to the same question, beside the one that is there."""
        assert answer.parent is not None and self.conversation is not None
        return self._answer(answer.parent, model)

    def go_on(self, answer: Message) -> Draft:
        """Open the answer at the end of the branch once more."""
        draft = self.store.reopen(answer)
        self._keep(answer.model_copy(update={"state": "writing"}))
        return draft

    def end(
        self, draft: Draft, state: State, figures: Figures | None = None, evidence: Evidence | None = None
    ) -> Message:
        """Close an answer."""
        draft.finish(state, figures, evidence)
        return self.reload(draft.message)

    def vote(self, answer: Message, vote: int, better: str = "") -> Message:
        """Keep a verdict; the one that is there already is taken back by giving it once more."""
        given = 0 if vote == answer.vote and not better else vote
        self.store.vote(answer.id, 1 if given > 0 else -1 if given < 0 else 0, better)
        return self.reload(answer.id)

    def rename(self, title: str) -> None:
        """Give the conversation another name."""
        if self.conversation is not None:
            self.store.rename(self.conversation.id, title)
            self.conversation = self.store.conversation(self.conversation.id)

    def branches(self, message: Message) -> tuple[int, int]:
        """Which of the messages at the same place this one is, from 1, and how many there are."""
        beside = self._children[message.parent]
        return beside.index(message.id) + 1, len(beside)

    def switch(self, message: Message, step: int) -> bool:
        """Read the branch before (-1) or after (1) the one that `message` begins; False where there is none."""
        beside = self._children[message.parent]
        place = beside.index(message.id) + step
        if not 0 <= place < len(beside):
            return False
        self._follow(beside[place])
        assert self.conversation is not None
        self.store.set_leaf(self.conversation.id, self.path[-1].id)
        return True

    def sent(self, draft: Draft, left_out: int = 0) -> list[dict[str, str]]:
        """What the model is sent for an answer: the system prompt, the turns before it but for the first `left_out`,
        the question. An answer that is gone on with comes last, as far as it goes.
        """
        messages = [{"role": "system", "content": self.options.system}] if self.options.system else []
        for question, answer in self.before(draft)[left_out:]:
            messages.append({"role": "user", "content": question.text})
            messages.append({"role": "assistant", "content": answer.text})
        asked = self._messages[draft.message].parent
        assert asked is not None
        messages.append({"role": "user", "content": self._messages[asked].text})
        if draft.text:
            messages.append({"role": "assistant", "content": draft.text})
        return messages

    def before(self, draft: Draft) -> list[tuple[Message, Message]]:
        """The turns before an answer's own that got an answer."""
        turns = []
        for question, answer in zip(self.path[::2], self.path[1::2], strict=False):
            if answer.id == draft.message:
                break
            if answer.text:
                turns.append((question, answer))
        return turns

    def take_back(self, draft: Draft, *, question: bool) -> None:
        """Forget an answer that never had a word, and its question if that was asked for it alone."""
        answer = self._messages[draft.message]
        gone = [draft.message, *([answer.parent] if question and answer.parent is not None else [])]
        above = self._messages[gone[-1]].parent
        for number in gone:
            self.store.remove(number)
            self._children[self._messages.pop(number).parent].remove(number)
        assert self.conversation is not None
        self._follow(above)
        self.store.set_leaf(self.conversation.id, self.path[-1].id if self.path else None)
        if not self._messages:
            self._options = self.conversation.options
            self.store.delete(self.conversation.id)
            self.conversation = None

    def reload(self, number: int) -> Message:
        """Read one message from the store again."""
        message = self.store.message(number)
        self._keep(message)
        return message

    def _ask(self, text: str, parent: int | None, model: str) -> Draft:
        text = clean(text)[:MAX_TEXT]
        if self.conversation is None:
            self.conversation = self.store.begin(text, self._options)
        question = self.store.add(self.conversation.id, Message(id=0, parent=parent, role="user", text=text))
        self._keep(question)
        return self._answer(question.id, model)

    def _answer(self, question: int, model: str) -> Draft:
        assert self.conversation is not None
        answer, draft = self.store.begin_answer(self.conversation.id, question, model)
        self._keep(answer)
        self._follow(answer.id)
        return draft

    def _keep(self, message: Message) -> None:
        if message.id not in self._messages:
            self._children[message.parent].append(message.id)
        self._messages[message.id] = message
        self.path = [message if one.id == message.id else one for one in self.path]

    def _follow(self, number: int | None) -> None:
        """Read the branch that `number` is in: up to its first question, and down the newest way."""
        down = number
        while self._children.get(down):
            down = self._children[down][-1]
        path: list[Message] = []
        while down is not None:
            path.append(self._messages[down])
            down = path[-1].parent
        self.path = path[::-1]
