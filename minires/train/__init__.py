"""Training: optimisers, schedules, the loop, and checkpoints from which it goes on bit for bit."""

from .checkpoint import Checkpoint, Position, load_checkpoint, load_model, publish, save_checkpoint
from .compiled_step import CompiledStep, compile_step
from .config import TrainConfig
from .fit import Result, fit, resume
from .interrupt import Interrupted
from .log import draw_curves, read_metrics
from .loop import run
from .optim import SGD, AdamW, clip_gradients
from .prepare import build_model, build_optimizer
from .schedule import constant, cosine, learning_rate, one_cycle, steps, warmup
from .step import Evaluation, accumulated_step, evaluate, evaluate_batches, train_step

__all__ = [
    "AdamW",
    "Checkpoint",
    "CompiledStep",
    "Evaluation",
    "Interrupted",
    "Position",
    "Result",
    "SGD",
    "TrainConfig",
    "accumulated_step",
    "build_model",
    "build_optimizer",
    "clip_gradients",
    "compile_step",
    "constant",
    "cosine",
    "draw_curves",
    "evaluate",
    "evaluate_batches",
    "fit",
    "learning_rate",
    "load_checkpoint",
    "load_model",
    "one_cycle",
    "publish",
    "read_metrics",
    "resume",
    "run",
    "save_checkpoint",
    "steps",
    "train_step",
    "warmup",
]
