"""The appliance: a bundle in, answers out, over HTTP and in the terminal.

Knows nothing about training; installing it never brings torch.
"""
