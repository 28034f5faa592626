"""Convert: an adapter and its base model in, a sealed bundle of GGUF files out.

Knows nothing about training or serving.
"""

import os

# As in the appliance: llama.cpp's threads wait for each other in busy loops, and where another program needs a core,
# computing takes ten times as long. OpenMP reads this when llama.cpp is loaded, so it is set before that.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
