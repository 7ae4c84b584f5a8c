"""Train hxp-tiny and write it as GGUF: `python -m tools.train.train --help`, from the root of the repository."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from tools.train.batches import Batch, Batches
from tools.train.dataset import Dataset, load_dataset, vocabulary_texts
from tools.train.export import read_tokenizer, read_weights, write_gguf
from tools.train.model import Llama, Shape, case_blind_embeddings
from tools.train.optimizer import Muon
from tools.train.tokenizer import Tokenizer, train_merges

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "services/hxp-model/src/hxp_model/bundled/hxp-tiny.gguf"


def arguments() -> argparse.Namespace:
    """Read the command line; the defaults are those of the bundled model."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=BUNDLED, help="GGUF file to write")
    parser.add_argument("--start", type=Path, help="GGUF file to continue from, instead of from nothing")
    parser.add_argument("--steps", type=int, default=1650, help="optimizer steps")
    parser.add_argument("--tokens", type=int, default=3072, help="tokens per step, padding included")
    parser.add_argument("--rate", type=float, default=0.005, help="peak learning rate")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=5)
    parser.add_argument("--inner", type=int, default=448, help="width of the feed-forward part")
    parser.add_argument("--merges", type=int, default=1277, help="BPE merges; 259 tokens come on top")
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--save-every", type=int, default=500, help="steps between two GGUF snapshots")
    return parser.parse_args()


class Trainer:
    """One model with its optimizers and schedule.

    Args:
        model: What to train.
        steps: After how many steps the learning rate reaches zero.
        rate: The highest learning rate.
    """

    def __init__(self, model: Llama, *, steps: int, rate: float) -> None:
        self.model = model
        self._steps = steps
        self._rate = rate
        inside = [weight for name, weight in model.named_parameters() if _is_inner_matrix(name, weight)]
        others = [weight for name, weight in model.named_parameters() if not _is_inner_matrix(name, weight)]
        self._muon = Muon(inside)
        self._adam = torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)

    def step(self, number: int, batch: Batch) -> float:
        """Learn from one batch and return its loss in nats per token."""
        loss = self._loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        rate = self._rate * min(1.0, (number + 1) / 50, (self._steps - number) / (0.6 * self._steps))
        for group in self._adam.param_groups:
            group["lr"] = rate * 0.5
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        self._muon.step(rate)
        return float(loss.detach())

    def _loss(self, batch: Batch) -> Tensor:
        stream = self.model(batch.ids[:, :-1], batch.offset)
        learn = batch.learn[:, 1:]
        return functional.cross_entropy(self.model.logits(stream[learn]), batch.ids[:, 1:][learn])


def _is_inner_matrix(name: str, weight: Tensor) -> bool:
    return weight.dim() == 2 and name.startswith("blk.")


def beginning(options: argparse.Namespace, data: Dataset) -> tuple[Llama, Tokenizer]:
    """Return a fresh model with a vocabulary made for the data, or the one to continue from."""
    if options.start is None:
        tokenizer = Tokenizer.from_merges(train_merges(vocabulary_texts(data), options.merges))
    else:
        tokenizer = read_tokenizer(options.start)
    shape = Shape(len(tokenizer.tokens), options.width, options.layers, options.heads, options.inner)
    model = Llama(shape, dropout=options.dropout)
    with torch.no_grad():
        if options.start is None:
            model.token_embd.weight.copy_(case_blind_embeddings(tokenizer.tokens, shape.width))
        else:
            weights = {name: torch.from_numpy(weight.copy()) for name, weight in read_weights(options.start).items()}
            model.load_state_dict(weights)
    return model, tokenizer


def save(path: Path, model: Llama, tokenizer: Tokenizer) -> None:
    """Write the model as it is now."""
    weights = {name: weight.detach().numpy() for name, weight in model.named_parameters()}
    write_gguf(path, weights, model.shape, tokenizer)


def main() -> None:
    """Train from the data folder alone; the same inputs give the same file on the same machine."""
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    data = load_dataset()
    model, tokenizer = beginning(options, data)
    print(f"{model.parameter_count() / 1e6:.2f} M parameters, {asdict(model.shape)}", flush=True)
    trainer = Trainer(model, steps=options.steps, rate=options.rate)
    batches = iter(Batches(data, tokenizer, tokens=options.tokens, context=model.shape.context, seed=options.seed))
    began = time.monotonic()
    average = 0.0
    for number in range(options.steps):
        loss = trainer.step(number, next(batches))
        average = loss if number == 0 else 0.98 * average + 0.02 * loss
        done = number + 1
        if done % 20 == 0:
            spent = time.monotonic() - began
            left = spent / done * (options.steps - done)
            print(f"step {done}/{options.steps} loss {average:.4f} {spent:.0f} s, {left:.0f} s left", flush=True)
        if done % options.save_every == 0 and done < options.steps:
            save(options.out.with_suffix(".part.gguf"), model, tokenizer)
    options.out.with_suffix(".part.gguf").unlink(missing_ok=True)
    save(options.out, model, tokenizer)
    print(f"wrote {options.out.name}: {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
