"""A compute worker with PyTorch: a model whose memory is tracked and whose blocks are timed.

Needs torch, of any device; run it, then look at http://localhost:9464/metrics:

    pip install torch
    python examples/compute_worker_torch.py

The pool `model` has the bytes of the model's parameters and buffers. On a GPU the pool `tensor`
has the rest of what PyTorch holds there, and `butterfly_layer_memory_bytes` what each block has
left allocated; on a CPU there is no such book to read, so both are missing rather than made up.
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import torch

import butterfly_otel
from butterfly_otel import arg, counted, decorators, memory, metrics

MODEL = "tiny-mlp"
WIDTH = 64
BLOCKS = 3
BATCHES = 5
BATCH = 8


class Block(torch.nn.Module):
    """A layer of the model."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index
        self.linear = torch.nn.Linear(WIDTH, WIDTH)

    @decorators.layer_compute(
        layer_id=arg("self.index"), model=MODEL, memory=decorators.torch_memory
    )
    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Compute; the hooks of PyTorch run around what is measured."""
        size = hidden.element_size() * hidden.nelement()
        metrics.tensor_size_bytes.record(size, layer_id=self.index, direction="input")
        return torch.relu(self.linear(hidden))


@counted(metrics.sequences_processed_total.bind(model=MODEL), amount=arg("batch", len))
@counted(metrics.tokens_processed_total.bind(model=MODEL), amount=arg("batch", torch.numel))
def infer(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Run a batch of sequences, one token an element."""
    metrics.batch_size.set(len(batch))
    with torch.inference_mode():
        answer: torch.Tensor = model(batch)
    return answer


def main() -> None:
    """Run some batches and serve metrics until Ctrl-C or SIGTERM."""
    # SIGTERM ends it as Ctrl-C does; what was measured is exported at exit.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runtime = butterfly_otel.configure(node_id="compute-node-1", node_role="compute")
    print(f"metrics are on {runtime.prometheus_url}", flush=True)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = torch.nn.Sequential(*map(Block, range(BLOCKS))).to(device)
    tracked = memory.track_model(model)
    with suppress(KeyboardInterrupt), tracked:
        for _ in range(BATCHES):
            infer(model, torch.rand(BATCH, WIDTH, device=device))
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
