"""The front door: command line, settings, the order of the stages, doctor.

Imports a room only inside the command that needs it.
"""

import os

# llama.cpp's and torch's threads wait for each other in busy loops, and where two of them share a process, or another
# program needs a core, computing takes ten times as long. OpenMP reads this once, when the first of them is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
