"""What of a model with eight billion parameters goes onto three made-up cards and a Mac, by the planner's arithmetic.

    python -m benchmarks.offload

Prints the table of docs/engine.md; measures nothing. That the sums are llama.cpp's is a test's business
(tests/appliance/test_engine_offload.py).
"""

from __future__ import annotations

from appliance.engine.offload import KV_BYTES, Shape, plan

WIDTH, INNER, HEADS, VOCABULARY, LAYERS = 4096, 14336, 8 * 128, 128_256, 32
"""Llama 3's 8B model: width, width of the feed-forward part, of keys and values, tokens, layers."""
Q4_0, Q6_K = 18 / 32, 210 / 256
"""Bytes a weight; llama.cpp makes the output Q6_K in a Q4_0 file."""
LAYER = round((2 * WIDTH * WIDTH + 2 * WIDTH * HEADS + 3 * WIDTH * INNER) * Q4_0 + 2 * WIDTH * 4)
SHAPE = Shape((LAYER,) * LAYERS, round(VOCABULARY * WIDTH * Q6_K), round(VOCABULARY * WIDTH * Q4_0), 2 * HEADS)
GIGABYTE = 10**9
ROOMS = {
    "card with 4 GB": 4 * GIGABYTE,
    "card with 6 GB": 6 * GIGABYTE,
    "card with 12 GB": 12 * GIGABYTE,
    "Mac with 16 GB": 2 * 16 * GIGABYTE // 3,  # as much as Metal lets a program have
}
CELLS = 4 * 8192


def main() -> None:
    """Print the table."""
    print("| GPU | memory of tokens | layers | on the GPU | on the processor |\n|---|---|---|---|---|")
    for name, room in ROOMS.items():
        for kv in KV_BYTES:
            found = plan(SHAPE, "auto", CELLS, kv, room)
            sizes = f"{found.gpu / 1e9:.2f} GB | {found.processor / 1e9:.2f} GB"
            print(f"| {name} | {kv}, {found.memory / 1e9:.2f} GB | {found.layers} of {found.of} | {sizes} |")


if __name__ == "__main__":
    main()
