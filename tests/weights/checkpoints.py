"""What training scripts save beside the weights, made after the habits of well-known programmes, not with their code.

KINDS: {kind: f(state_dict of a network, state_dict of another) -> what is saved}
ENTRIES: {kind: the entry that must be named}
"""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import random
import types
import uuid

import numpy as np
from oracles.pytorch import nn, torch

SPRUNG = []


def spring(*arguments):
    """Must never be called by a reader."""
    SPRUNG.append(arguments)
    return Planted()


class Planted:
    """Calls :func:`spring` when a pickle of it is loaded, as hostile files do."""

    def __reduce__(self):
        return spring, ("touch CANARY",)


class Mode(enum.Enum):
    TRAIN = "train"
    TEST = 2


@dataclasses.dataclass
class Config:
    lr: float = 0.1
    widths: tuple = (1, 2)
    mode: Mode = Mode.TRAIN

    class Inner:
        x = 1

    def rate(self, step):
        return self.lr / (step + 1)


class AttributeDict(dict):
    """As of EasyDict, Munch, Lightning: keys as attributes."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    __setattr__ = dict.__setitem__


class Ordered(collections.OrderedDict):
    pass


class Node:
    """As of OmegaConf: nodes that know their parents, with a state of their own."""

    def __init__(self, content, parent=None):
        self.__dict__["_content"] = {
            key: Node(item, self) if isinstance(item, dict) else item for key, item in content.items()
        }
        self.__dict__["_parent"] = parent

    def __getstate__(self):
        return dict(self.__dict__, _flags={"struct": True})

    def __setstate__(self, state):
        self.__dict__.update(state)


class Items(list):
    """As of fastai: a list of a class of its own."""


class Keywords:
    """A class that is made with keywords: opcode NEWOBJ_EX."""

    def __new__(cls, *, a):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"a": 1}


class Slots:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a, self.b = 1, [2]


Point = collections.namedtuple("Point", "x y")


def put(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def stepped(kind, **settings):
    """An optimiser with a state."""
    parameters = [nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.randn(2))]
    optimizer = kind([{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.2}], lr=0.1, **settings)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer


def sgd():
    return stepped(torch.optim.SGD, momentum=0.9)


def torch_state():
    return torch.get_rng_state()


def itself():
    namespace = argparse.Namespace(name="x")
    namespace.me, namespace.all = namespace, [namespace]
    return namespace


def beside(**others):
    """``others``: functions that make them."""
    return lambda state, other: {"model": state, **{key: make() for key, make in others.items()}}


def schedule(name, **settings):
    return lambda: getattr(torch.optim.lr_scheduler, name)(sgd(), **settings).state_dict()


def lightning(state, other):
    return {
        "epoch": 1,
        "global_step": 5,
        "pytorch-lightning_version": "2.1.0",
        "hparams_name": "kwargs",
        "loops": {"fit": {}},
        "state_dict": put("model.", state) | {"criterion.weight": torch.ones(10), "acc.total": torch.tensor(3)},
        "callbacks": {"ModelCheckpoint{'monitor': 'x'}": {"best_score": torch.tensor(0.5), "best": "/x.ckpt"}},
        "optimizer_states": [sgd().state_dict()],
        "lr_schedulers": [schedule("MultiStepLR", milestones=[3])()],
        "hyper_parameters": AttributeDict(lr=0.1, mode=Mode.TRAIN, config=Config()),
    }


def mmcv(state, other):
    meta = {"env_info": "Python: 3.8", "CLASSES": ("a", "b"), "time": datetime.datetime.now(), "seed": None}
    return {"meta": meta, "state_dict": Ordered(state), "optimizer": sgd().state_dict()}


def fairseq(state, other):
    return {
        "args": None,
        "cfg": Node({"model": {"lr": [0.1]}, "task": {"name": "x"}}),
        "model": state,
        "criterion": None,
        "optimizer_history": [{"optimizer_name": "Adam", "num_updates": 3}],
        "task_state": {},
        "extra_state": {"metrics": Ordered(a=[1]), "train_iterator": {"epoch": 2}},
        "last_optimizer_state": None,
    }


def dino(state, other):
    heads = {"module.head.mlp.0.weight": torch.randn(3, 2)}
    return {
        "student": put("module.backbone.", other) | heads,
        "teacher": put("backbone.", state) | heads,
        "optimizer": stepped(torch.optim.AdamW).state_dict(),
        "epoch": 3,
        "args": argparse.Namespace(arch="x"),
        "dino_loss": {"center": torch.zeros(1, 2)},
        "fp16_scaler": {"scale": 65536.0},
    }


def moco(state, other):
    both = put("module.encoder_q.", state) | put("module.encoder_k.", other)
    return {"epoch": 2, "arch": "resnet8", "state_dict": both | {"module.queue": torch.randn(4, 3)}}


def deepspeed(state, other):
    return {
        "module": state,
        "buffer_names": ["a"],
        "optimizer": None,
        "sparse_tensor_module_names": set(),
        "dp_world_size": 8,
        "param_shapes": [collections.OrderedDict((name, tensor.shape) for name, tensor in state.items())],
        "ds_config": {"zero": {"stage": 1}},
        "ds_version": "0.9",
        "rng": torch.get_rng_state(),
    }


def timm(state, other):
    return {
        "epoch": 7,
        "arch": "resnet8",
        "state_dict": state,
        "optimizer": sgd().state_dict(),
        "version": 2,
        "args": argparse.Namespace(lr=0.1, mean=None, opt_betas=[0.9], aa="rand-m9"),
        "metric": 77.1,
        "amp_scaler": {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 3},
    }


def with_attributes(state, other):
    parameters = {name: nn.Parameter(tensor, tensor.is_floating_point()) for name, tensor in state.items()}
    for parameter in parameters.values():
        parameter.no_weight_decay = True
    return parameters


def thop(state, other):
    counts = {"total_ops": torch.zeros(1, dtype=torch.float64), "layer1.0.total_params": torch.zeros(1)}
    return state | counts | {"epoch": 5, "arch": "resnet8", "bn1.num_batches_tracked": torch.tensor(7)}


KINDS = {
    "plain": lambda state, other: state,
    "references of torchvision": beside(
        optimizer=lambda: sgd().state_dict(),
        lr_scheduler=schedule("MultiStepLR", milestones=[3, 5]),
        epoch=int,
        args=lambda: argparse.Namespace(lr=0.1, device="cuda", world_size=8),
        scaler=dict,
    ),
    "references of torchvision, average": lambda state, other: {
        "model": other,
        "model_ema": put("module.", state) | {"n_averaged": torch.tensor(3)},
        "epoch": 1,
    },
    "example of ImageNet": lambda state, other: {
        "epoch": 9,
        "arch": "resnet8",
        "state_dict": put("module.", state),
        "best_acc1": torch.tensor(76.1),
        "optimizer": sgd().state_dict(),
        "scheduler": schedule("StepLR", step_size=3)(),
    },
    "pytorch-cifar": lambda state, other: {"net": put("module.", state), "acc": 95.1, "epoch": 200},
    "timm": timm,
    "timm, average": lambda state, other: timm(other, state) | {"state_dict_ema": state},
    "Lightning": lightning,
    "Lightning, compiled": lambda state, other: {"state_dict": put("model._orig_mod.", state), "callbacks": {}},
    "mmcv": mmcv,
    "mmengine": lambda state, other: mmcv(state, other) | {"message_hub": Items([1]), "param_schedulers": [{"a": 1}]},
    "detectron": beside(
        optimizer=lambda: sgd().state_dict(),
        iteration=int,
        scheduler=schedule("LinearLR"),
        __author__=str,
        matching_heuristics=bool,
    ),
    "ignite": beside(
        optimizer=lambda: sgd().state_dict(),
        rng_states=lambda: [random.getstate(), torch.get_rng_state()],
        trainer=lambda: collections.OrderedDict(epoch_length=3, iteration=9, max_epochs=2),
    ),
    "fastai": lambda state, other: {
        "model": state,
        "opt": {"state": [{"mom": 0.9}], "hypers": Items([{"lr": np.float64(0.1)}])},
    },
    "catalyst": lambda state, other: {
        "model_state_dict": state,
        "optimizer_state_dict": sgd().state_dict(),
        "stage": "train",
        "scheduler_state_dict": None,
        "epoch_metrics": collections.defaultdict(dict, train={"loss": 0.1}),
        "valid_metrics": {"loss": np.float32(1)},
    },
    "fairseq": fairseq,
    "Hydra": beside(cfg=lambda: Node({"a": {"b": {"c": [1, {"d": 2}]}}, "mode": Mode.TEST})),
    "DINO": dino,
    "MoCo": moco,
    "SimCLR": lambda state, other: (
        {"state_dict": put("module.encoder.", state) | {"module.projector.0.bias": torch.ones(2)}}
    ),
    "DeepSpeed": deepspeed,
    "average of weights": lambda state, other: put("module.", state) | {"n_averaged": torch.tensor(3)},
    "compiled": lambda state, other: put("_orig_mod.", state),
    "compiled and parallel": lambda state, other: put("module._orig_mod.", state),
    "backbone": lambda state, other: put("backbone.", state) | {"neck.weight": torch.ones(2)},
    "wrapped twice": lambda state, other: {"model": {"state_dict": state, "epoch": 1}},
    "an entry of another name": lambda state, other: {"ema_state_dict": state, "step": 1},
    "in a list": lambda state, other: [state, sgd().state_dict()],
    "in a tuple": lambda state, other: (state, 3),
    "in a subclass of OrderedDict": lambda state, other: {"weights": Ordered(state)},
    "in a defaultdict": lambda state, other: collections.defaultdict(list, state),
    "in a dict with attributes": lambda state, other: AttributeDict(model=AttributeDict(state), lr=1),
    "Parameters": lambda state, other: {n: nn.Parameter(t, t.is_floating_point()) for n, t in state.items()},
    "Parameters with attributes": with_attributes,
    "counts of thop": thop,
    "loss beside": lambda state, other: state | {"criterion.weight": torch.ones(10), "temperature": torch.tensor(1.0)},
    "NumPy": beside(
        best=lambda: np.float64(93.2),
        history=lambda: np.arange(3.0),
        rng=np.random.get_state,
        flag=lambda: np.bool_(True),
        text=lambda: np.str_("a"),
        generator=lambda: np.random.default_rng(0),
        structured=lambda: np.zeros(2, "i4,f8"),
        objects=lambda: np.array([1, "a"], object),
        dtype=lambda: np.dtype("f4"),
        day=lambda: np.datetime64("2020-01-01"),
    ),
    "random states": beside(
        python=random.getstate,
        numpy=np.random.get_state,
        torch=torch_state,
        cuda=lambda: [torch_state(), torch_state()],
        object=lambda: random.Random(0),
    ),
    "collections": beside(
        counter=lambda: collections.Counter("abca"),
        default=lambda: collections.defaultdict(list, a=[1]),
        deque=lambda: collections.deque([1, 2], maxlen=5),
        ordered=lambda: collections.OrderedDict(a=1),
        chain=lambda: collections.ChainMap({"a": 1}),
        user=lambda: collections.UserDict(a=1),
        point=lambda: Point(1, 2),
    ),
    "paths": beside(path=lambda: pathlib.PurePosixPath("/x"), windows=lambda: pathlib.PureWindowsPath("C:/x")),
    "sets": beside(a=lambda: {1, 2}, b=lambda: frozenset("ab"), c=set, d=lambda: {(1, "a"), None}),
    "dates": beside(
        now=datetime.datetime.now,
        day=datetime.date.today,
        delta=lambda: datetime.timedelta(1),
        time=datetime.time,
        zone=lambda: datetime.datetime.now(datetime.timezone.utc),
    ),
    "numbers": beside(
        decimal=lambda: decimal.Decimal("1.5"),
        fraction=lambda: fractions.Fraction(1, 3),
        complex=lambda: 1j,
        large=lambda: 2**70,
        huge=lambda: -(10**500),
        infinite=lambda: float("inf"),
        id=lambda: uuid.UUID(int=7),
    ),
    "keys of all kinds": beside(
        a=lambda: {
            1: "a",
            0.5: 1,
            False: 2,
            None: 3,
            (1, 2): 4,
            b"x": 5,
            2**70: 6,
            frozenset([1]): 7,
            -1: 8,
            Mode.TRAIN: 9,
            2j: 0,
        }
    ),
    "enums and data classes": beside(
        mode=lambda: Mode.TEST,
        config=Config,
        slots=Slots,
        keywords=lambda: Keywords(a=1),
        space=lambda: types.SimpleNamespace(a=1),
    ),
    "classes and functions": beside(
        function=lambda: print,
        relu=lambda: torch.nn.functional.relu,
        kind=lambda: nn.ReLU,
        inner=lambda: Config.Inner,
        part=lambda: functools.partial(max, 1, key=len),
        method=lambda: Config().rate,
        error=lambda: ValueError("a", 1),
    ),
    "values of Python": beside(
        slice=lambda: slice(1, 2),
        range=lambda: range(3),
        dots=lambda: ...,
        bytes=lambda: bytes(range(256)) * 9,
        array=lambda: bytearray(b"abc"),
        text=lambda: "é\n\0" * 99,
        nothing=lambda: NotImplemented,
        not_a_number=lambda: -0.0,
    ),
    "values of PyTorch": beside(
        size=lambda: torch.Size([3]),
        dtype=lambda: torch.bfloat16,
        device=lambda: torch.device("cuda:0"),
        layout=lambda: torch.strided,
        version=lambda: torch.__version__,
    ),
    "tensors of other kinds": beside(
        sparse=lambda: torch.eye(3).to_sparse(),
        complex=lambda: torch.zeros(2, dtype=torch.complex64),
        wide=lambda: torch.zeros(2, dtype=torch.complex128),
        small=lambda: torch.zeros(2).to(torch.float8_e4m3fn),
        unsigned=lambda: torch.zeros(2, dtype=torch.uint16),
        empty=lambda: torch.empty(0),
        storage=lambda: torch.UntypedStorage(3),
        typed=lambda: torch.FloatStorage(3),
        nowhere=lambda: torch.ones(2, device="meta"),
    ),
    "quantised tensors": beside(
        one=lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        rows=lambda: torch.quantize_per_channel(torch.ones(2, 2), torch.ones(2), torch.zeros(2), 0, torch.quint8),
    ),
    "Adam": beside(optimizer=lambda: stepped(torch.optim.Adam, amsgrad=True).state_dict()),
    "AdamW": beside(optimizer=lambda: stepped(torch.optim.AdamW).state_dict()),
    "RMSprop": beside(optimizer=lambda: stepped(torch.optim.RMSprop, centered=True).state_dict()),
    "Adagrad": beside(optimizer=lambda: stepped(torch.optim.Adagrad).state_dict()),
    "optimiser as an object": beside(optimizer=sgd),
    "optimiser by names": lambda state, other: {
        "model": state,
        "optimizer": {
            "state": {name: {"exp_avg": tensor, "step": torch.tensor(1.0)} for name, tensor in other.items()}
        },
    },
    "schedule: one cycle": beside(scheduler=schedule("OneCycleLR", max_lr=1, total_steps=9)),
    "schedule: restarts": beside(scheduler=schedule("CosineAnnealingWarmRestarts", T_0=3)),
    "schedule: plateau": beside(scheduler=schedule("ReduceLROnPlateau")),
    "schedule: function": beside(scheduler=schedule("LambdaLR", lr_lambda=Config().rate)),
    "schedule as an object": beside(scheduler=lambda: torch.optim.lr_scheduler.MultiStepLR(sgd(), [3])),
    "apex": lambda state, other: {"model": state, "amp": {"loss_scaler0": {"loss_scale": 65536.0, "unskipped": 3}}},
    "scaler of mixed precision": beside(scaler=lambda: {"scale": torch.tensor(2.0), "_growth": torch.tensor(1)}),
    "a loss as a module": beside(criterion=lambda: nn.CrossEntropyLoss(weight=torch.ones(3))),
    "another model as a module": beside(head=lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))),
    "arguments that hold themselves": beside(args=itself),
    "a log of 100,000 numbers": beside(log=lambda: [i / 7 for i in range(100_000)]),
    "histories as tensors": beside(losses=lambda: {"train": torch.ones(9), "test": torch.ones(3)}),
}
ENTRIES = {
    "references of torchvision, average": "model_ema",
    "timm, average": "state_dict_ema",
    "DINO": "teacher",
    "MoCo": "state_dict.module.encoder_q",
}
