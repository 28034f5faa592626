"""The sandbox: untrusted Python in; its exit, its output and the reason it ended out."""
