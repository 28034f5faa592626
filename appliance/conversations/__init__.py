"""People's conversations, kept in one SQLite file.

    message.py      what a conversation and a message are
    place.py        where the file lies
    migrations.py   how the file came to look as it does, step by step
    database.py     opens it: for its owner alone, safe for several processes at once
    claim.py        which processes are alive, so that an answer whose writer was killed is known to have ended
    store.py        conversations and their trees of messages
    draft.py        an answer while it is being written
    thread.py       one branch of a conversation, as it is read and gone on with
    search.py       full-text search
    exchange.py     export and import
    votes.py        votes as preferences to train on

Knows nothing about terminals, Textual or HTTP.
"""

from appliance.conversations.message import Conversation, Figures, Message, Options
from appliance.conversations.place import default_place
from appliance.conversations.store import Store
from appliance.conversations.thread import Thread

__all__ = ["Conversation", "Figures", "Message", "Options", "Store", "Thread", "default_place"]
