"""The trainer: a dataset and a recipe in, a LoRA adapter out.

Knows nothing about where records come from or about serving.
"""

import logging

# bitsandbytes remarks, when it is imported, on a kernel from a hub that isn't used here.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
