"""What was measured of a bundle, as the lines of the stage's summary. Knows nothing about measuring."""

from __future__ import annotations

from collections.abc import Iterator

from bundle.evidence import Evidence, FreeRun, Measurement, Proof

WORRY = 0.8
"""Least share of free-running answers that end by themselves without a warning."""
_HEAD = ("type", "MB", "bits", "loss", "ppl", "KL", "KL 99%", "top", "kept", "prefill", "decode", "s/answer")


def lines(evidence: Evidence) -> list[str]:
    """All of it: the proof, the table of quantisations, and how free answers end."""
    said = list(_of_proof(evidence.proof)) if evidence.proof else []
    if evidence.quantisations:
        said += _of_quantisations(evidence.quantisations)
    if evidence.free_run and evidence.free_run.answers:
        said.append(_of_free_run(evidence.free_run))
    return said


def _of_proof(proof: Proof) -> Iterator[str]:
    yield (
        f"proven on {proof.records:,} held-out records: of {proof.tokens:,} answer tokens {proof.same_top:.2%} have "
        f"the same likeliest token, {proof.divergence:.6f} nats apart"
    )
    if proof.learned is not None:
        found = proof.adapter_found
        left = f", {found:.1%} of the drop is in the file" if found is not None else ", which is no drop"
        yield (
            f"loss {proof.loss_base:.3f} of the base, {proof.loss_trained:.3f} trained, {proof.loss_file:.3f} in the "
            f"file{left}; training moved it {proof.learned:.4f} nats"
        )
    yield (
        f"the end is the likeliest token at the end of {proof.ends_file} of {proof.records} answers, "
        f"and of {proof.ends_trained} in the trained model"
    )


def _of_quantisations(rows: list[Measurement]) -> list[str]:
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ] + ["KL: nats a token from the first row; kept: share of what training changed; * with importance matrix"]


def _cells(row: Measurement) -> tuple[str, ...]:
    same = row.reference
    return (
        row.quantisation + ("*" if row.importance else ""),
        f"{row.bytes / 1e6:,.0f}",
        f"{row.bits:.2f}",
        f"{row.loss:.4f}",
        f"{row.perplexity:.3f}",
        "-" if same else f"{row.divergence:.5f}",
        "-" if same else f"{row.divergence_99:.4f}",
        "-" if same else f"{row.same_top:.1%}",
        "-" if same or row.survival is None else f"{row.survival:.1%}",
        f"{row.prefill:,.0f}/s",
        f"{row.decode:,.0f}/s",
        f"{row.answer_seconds:.2f}",
    )


def _of_free_run(run: FreeRun) -> str:
    warning = "warning: " if run.ended < WORRY * run.answers or run.looped else ""
    return (
        f"{warning}{run.ended} of {run.answers} free-running answers end by themselves within {run.tokens} tokens, "
        f"{run.looped} loop"
    )
