"""The contract between the rooms: records, prompt template, manifest, digests, atomic writes.

Knows nothing about models, tokens or the network, and imports none of the other rooms.
"""
