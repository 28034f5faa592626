"""The steps by which the file came to look as it does; its `user_version` counts those that were taken.

A step is never changed once it is released: what must be different is a new step. Knows nothing about who takes them.
"""

from __future__ import annotations

_CONVERSATIONS = """
CREATE TABLE conversation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    created REAL NOT NULL,
    changed REAL NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    deleted REAL,
    leaf INTEGER,
    options TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    parent INTEGER REFERENCES message (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    writer TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    figures TEXT NOT NULL DEFAULT '{}',
    vote INTEGER NOT NULL DEFAULT 0,
    better TEXT NOT NULL DEFAULT '',
    voted REAL,
    created REAL NOT NULL
);
CREATE INDEX message_in_conversation ON message (conversation);
CREATE INDEX message_after ON message (parent);
CREATE INDEX message_in_writing ON message (writer) WHERE state = 'writing';
"""

# An answer is indexed once, when it has ended: indexing it anew with every piece would cost more with each.
_SEARCH = """
CREATE VIRTUAL TABLE message_text USING fts5 (
    text, content = 'message', content_rowid = 'id', tokenize = "unicode61 remove_diacritics 2 tokenchars '_'"
);
CREATE TRIGGER message_added AFTER INSERT ON message WHEN new.state <> 'writing' BEGIN
    INSERT INTO message_text (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER message_removed AFTER DELETE ON message WHEN old.state <> 'writing' BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER message_leaves AFTER UPDATE OF text, state ON message
WHEN old.state <> 'writing' AND new.state = 'writing' BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER message_enters AFTER UPDATE OF text, state ON message
WHEN old.state = 'writing' AND new.state <> 'writing' BEGIN
    INSERT INTO message_text (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER message_stays AFTER UPDATE OF text, state ON message
WHEN old.state <> 'writing' AND new.state <> 'writing' BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO message_text (rowid, text) VALUES (new.id, new.text);
END;
"""

_EVIDENCE = """
ALTER TABLE message ADD COLUMN evidence TEXT NOT NULL DEFAULT '{}';
"""

MIGRATIONS = (_CONVERSATIONS, _SEARCH, _EVIDENCE)
"""Each a script; the first makes version 1."""
