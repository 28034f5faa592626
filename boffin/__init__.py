"""The front door: command line, settings, the order of the stages, doctor.

Imports a room only inside the command that needs it.
"""
