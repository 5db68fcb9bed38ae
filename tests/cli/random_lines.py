"""Random command lines over all options of all commands, as their help has them: right, at the edge, hostile."""

import itertools
import random
import sys

from cli.options import options_of

from minires import cli
from minires.bench.workers import SYSTEMS
from minires.data import DATASETS

HOSTILE = ("", " ", "x\ny", "a" * 300, "日本", "\udcff", *"None -- -1 $(x) ../.. 0x10 %s {} = '".split())
INTS = tuple("0 1 2 3 7 28 64 -1 -0 +4 007 1_000 2147483648 9223372036854775808 1.5 1e3".split()) + ("9" * 23,)
FLOATS = tuple("0 0.1 0.5 0.9 1 1.0 -0.0 -1 1e-300 1e308 1e309 inf -inf nan 1_0.5 .5".split())
MODELS = tuple("resnet8 preact_resnet8 plain8 resnet14 wrn_10_1 resnext29_2x4d highway8 resnet18 nin".split())
WRONG_MODELS = ("resnet" + "9" * 23, *"resnet6000002 resnet19 resnet vgg1000000 wrn_10_1_1 densenetbc_0_0".split())
CASES = ("forward conv3x3_4@8 b1", "dw conv1x1_4@4 b2", "infer nothing b1", "train resnet8", "x*", "dx conv3x3_1@1 b0")
EXPERIMENTS = ("ode_order", "ode_order", "ode", "ODE_ORDER")  # one of no time; not all
PATHS = tuple("run run/checkpoint.safetensors file folder link dangling device absent absent/absent . empty".split())
PATHS += tuple("run/metrics.jsonl file/x weights.safetensors ~nobody/x /proc/x pictures ./-x".split())
POOLS = {  # where a word that is right must be known
    "--model": MODELS + WRONG_MODELS,
    "--data": tuple(DATASETS) + ("cifar", "mnist ", "folder"),
    "--block": ("original", "full_preact", "relu_only_preact", "None"),
    "--shortcut": ("A", "B", "C", "A-both", "none"),
    "--systems": SYSTEMS,
    "--cases": CASES,
    "--card": ("h100", "l4", "t4", "rtx", "H100"),
    "--precision": ("float32", "tf32", "bf16", "fp8"),
    "--option": ("dropout=0.3", "dropout=1", "stride_on=1x1", "rng=1", "shortcut=B", "x", "x=", "=x", "x=[", "a=b=c"),
    "--python": ("chainer=/nope", f"torch={sys.executable}", "torch", "x=y", "dezero=", "chainer=."),
}
# what decides how long it takes: always given, with a value that is small, or wrong
SMALL = {
    "train": {
        "--limit-train": ("1", "2", "17", "33", "0", "x"),
        "--limit-test": ("1", "9", "0"),
        "--epochs": ("1", "1", "2", "0"),
        "--model": ("resnet8", "preact_resnet8", "plain8", "wrn_10_1") + WRONG_MODELS[:3],
    },
    "eval": {"--limit-test": ("1", "20", "0", "x")},
    "trace": {"--batch-size": ("1", "2", "3", "0"), "--model": ("resnet8", "plain8", *WRONG_MODELS[:4])},
    "step": {"--batch-size": ("1", "2", "0"), "--model": ("resnet8", "plain8") + WRONG_MODELS[:4]},
    "check": {"--seeds": ("0", "-1", "x", "", "1.5", "1")},
    "experiment": {"--seeds": ("0", "1", "0,1", "x", "", "-1", "0,")},
    "bench": {"--cases": CASES, "--systems": ("reference", "x"), "--threads": ("1", "x"), "--rounds": ("1",)},
}
OFTEN = {
    "train": 8,
    "eval": 5,
    "models": 5,
    "trace": 4,
    "step": 3,
    "data": 3,
    "bench": 1,
    "experiment": 1,
    "assign": 1,
    "check": 0.15,
    "lab": 0,  # it stays until Ctrl-C
}
COLUMNS = (None, None, "60", "1", "5", "0", "-3", "x", "100000000")
ENCODINGS = ("utf-8", "utf-8", "ascii", "cp1252")
TYPED = b"n;s;u ReLU;p y 0 0;g 5;b;l;w;u norm(dx) < 1;u (;\xff\xfe;p;".split(b";")


def lines(seed):
    """Yield dicts without end: argv, env (of the terminal), encoding, stdin (bytes), json (is JSON asked for?)."""
    rng = random.Random(seed)
    options = {command: options_of(command) for command in cli.COMMANDS}
    for _ in itertools.count():
        (command,) = rng.choices(list(options), [OFTEN.get(command, 2) for command in options])
        argv = [command, *words(rng, command, options[command])]
        if rng.random() < 0.02:
            argv.insert(rng.randrange(len(argv) + 1), rng.choice(("--help", "-h", "--no-such-option", *HOSTILE)))
        env = {"COLUMNS": rng.choice(COLUMNS), "NO_COLOR": rng.choice((None, "1"))}
        yield {
            "argv": argv,
            "env": env,
            "encoding": rng.choice(ENCODINGS),
            "stdin": b"\n".join(rng.choices(TYPED, k=rng.randrange(6))),
            "json": "--json" in argv and not {"--help", "-h"} & set(argv),
        }


def words(rng, command, options):
    small, found = SMALL.get(command, {}), []
    for option in options:
        fixed = next((name for name in option.names if name in small), None)
        if fixed:
            found += [[fixed, rng.choice(small[fixed])]]
        elif rng.random() < min(0.5, 3 / len(options)):
            found += [option_words(rng, option)]
    rng.shuffle(found)
    return [word for words in found for word in words]


def option_words(rng, option):
    """An option with its values; as ``--name=value`` now and then."""
    if not option.values:
        return [rng.choice(option.names)]
    many = "..." in option.values
    count = rng.randrange(4) if many else 3 if option.values == "R G B" else 1
    values = [value_of(rng, option) for _ in range(count)]
    if not option.names:
        return values
    name = rng.choice(option.names)
    return [f"{name}={values[0]}"] if len(values) == 1 and rng.random() < 0.4 else [name, *values]


def value_of(rng, option):
    name, kind = (option.names or ("",))[0], option.values
    if rng.random() < 0.15:
        return rng.choice(HOSTILE)
    if kind.startswith("{") and "None" not in kind:
        return rng.choice(kind.strip("{}").split(","))
    if name in POOLS:
        return rng.choice(POOLS[name])
    if "INT" in kind:
        return rng.choice(INTS)
    if "FLOAT" in kind or kind == "R G B":
        return rng.choice(FLOATS)
    if kind == "[NAME ...]":
        return rng.choice(EXPERIMENTS)
    if kind == "[NAME]":
        return rng.choice(MODELS + WRONG_MODELS + tuple(DATASETS))
    return rng.choice(PATHS)  # FILE, DIR, RUN, and whatever is new
