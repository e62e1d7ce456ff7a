"""A compute worker: layers, tokens, tasks, memory pools, and checkpoints that are on the disk.

Run it, then look at http://localhost:9464/metrics:

    python examples/compute_worker.py

It works through its queue, makes two checkpoints and serves metrics until Ctrl-C or SIGTERM.
Started again with the same CHECKPOINT_DIR, it recovers from the newest one first. The model is
made up. CPU, memory, the disk and, where there are some, GPUs are read by the collectors.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import butterfly_otel
from butterfly_otel import arg, counted, decorators, disk, memory, metrics, result
from butterfly_otel.coordination import observe_queue

MODEL = "llama-70b"
LAYERS = 4
LAYER_BYTES = 1 << 20
LONGEST = 64
PROMPTS = ("why is the sky blue", "one two three", "x" * 100, "to be or not to be")


class Layer:
    """A layer whose weights are as real as memory, and whose arithmetic is not."""

    def __init__(self, index: int, weights: bytes) -> None:
        self.index = index
        self.weights = weights

    @decorators.layer_compute(layer_id=arg("self.index"), model=MODEL)
    def forward(self, hidden: bytes) -> bytes:
        """Compute; how long that takes and how large the tensors are is measured."""
        metrics.tensor_size_bytes.record(len(hidden), layer_id=self.index, direction="input")
        answer = bytes(each ^ self.weights[each] for each in hidden)
        metrics.tensor_size_bytes.record(len(answer), layer_id=self.index, direction="output")
        return answer


class Worker:
    """Takes prompts off a queue, and keeps what it has answered in checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.queue = deque(PROMPTS)
        self.answers: list[bytes] = []
        self.layers = [Layer(index, bytes([index]) * LAYER_BYTES) for index in range(LAYERS)]
        # What the books say of memory is taken out of the pool `system`, which is the rest.
        self.weights = memory.pool("model")
        self.weights.add(LAYERS * LAYER_BYTES)
        self.kept = memory.pool("buffer")
        self.kept.observe(lambda: sum(map(len, self.answers)), reserved=lambda: 4096)
        observe_queue(self.queue)

    @decorators.task()
    @counted(metrics.sequences_processed_total.bind(model=MODEL), when="success")
    @counted(metrics.tokens_processed_total.bind(model=MODEL), amount=result(len))
    def answer(self, prompt: str) -> bytes:
        """Answer a prompt, or fail as a model does that is asked too much."""
        if len(prompt) > LONGEST:
            raise MemoryError(prompt)
        hidden = prompt.encode()
        for layer in self.layers:
            hidden = layer.forward(hidden)
        return hidden

    @decorators.checkpoint(checkpoint_id=arg("name"), size=result())
    def save(self, name: str) -> int:
        """Write a checkpoint; it is on the disk, and compared, when this returns its size."""
        with decorators.checkpoint_phase("snapshot"):
            state = b"\n".join(each.hex().encode() for each in self.answers)
        path = self.folder / name
        with (
            decorators.checkpoint_phase("write"),
            disk.open_durable(path, "wb", operation="checkpoint_write") as file,
        ):
            file.write(state)
        with decorators.checkpoint_phase("verify"), disk.count_io_errors("read"):
            if path.read_bytes() != state:
                raise ValueError(path)
        return len(state)

    @decorators.recovery()
    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        with disk.count_io_errors("read"):
            self.answers = [bytes.fromhex(each) for each in path.read_text().split()]

    def work(self) -> None:
        """Empty the queue, with a checkpoint after every second prompt."""
        while self.queue:
            metrics.batch_size.set(1)
            with suppress(MemoryError):
                self.answers.append(self.answer(self.queue.popleft()))
            if len(self.queue) % 2 == 0:
                self.save(f"checkpoint-{time.time_ns()}")


def main() -> None:
    """Recover, work, and serve metrics."""
    folder = Path(os.environ.get("CHECKPOINT_DIR") or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    # SIGTERM ends it as Ctrl-C does; what was measured is exported at exit.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runtime = butterfly_otel.configure(
        node_id="compute-node-1", node_role="compute", checkpoint_dir=folder
    )
    print(f"metrics are on {runtime.prometheus_url}", flush=True)
    worker = Worker(folder)
    with suppress(KeyboardInterrupt):
        for newest in sorted(folder.glob("checkpoint-*"))[-1:]:
            worker.restore(newest)
        worker.work()
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
