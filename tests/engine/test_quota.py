"""The cores of a container: its quota, from stand-ins for the files of the kernel."""

import os
import platform

import pytest

import minires
from minires.engine import quota as module
from minires.engine.quota import cores, processor

V2, V1 = "0::{}\n", "5:memory:/a\n3:cpu,cpuacct:{}\n0::/\n"


def stand_in(root, group, files):
    """A root folder with these files below sys/fs/cgroup."""
    for name, content in {"proc/self/cgroup": group, **{f"sys/fs/cgroup/{k}": v for k, v in files.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def v1(folder, quota, period=100_000):
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


GROUPS = {
    "no quota": (V2.format("/"), {"cpu.max": "max 100000\n"}, 64),
    "two cores": (V2.format("/"), {"cpu.max": "200000 100000\n"}, 2),
    "one and a half": (V2.format("/"), {"cpu.max": "150000 100000\n"}, 2),
    "half a core": (V2.format("/"), {"cpu.max": "50000 100000\n"}, 1),
    "a thousandth": (V2.format("/"), {"cpu.max": "1000 1000000\n"}, 1),
    "more than there are": (V2.format("/"), {"cpu.max": "90000000 100000\n"}, 64),
    "the group of a service": (V2.format("/user/job"), {"user/job/cpu.max": "300000 100000\n"}, 3),
    "a parent grants less": (
        V2.format("/user/job"),
        {"user/job/cpu.max": "max 100000\n", "user/cpu.max": "400000 100000\n"},
        4,
    ),
    "the path of the host": (V2.format("/docker/4f3a"), {"cpu.max": "500000 100000\n"}, 5),
    "v1": (V1.format("/"), v1("cpu", 250_000), 3),
    "v1, no quota": (V1.format("/"), v1("cpu", -1), 64),
    "v1, a group": (V1.format("/docker/4f3a"), v1("cpu/docker/4f3a", 700_000), 7),
    "v1, the path of the host": (V1.format("/docker/4f3a"), v1("cpu", 20_000, 10_000), 2),
    "v1, another period": (V1.format("/"), v1("cpu", 45_000, 10_000), 5),
    "nonsense": (V2.format("/"), {"cpu.max": "many\n"}, 64),
    "empty": (V2.format("/"), {"cpu.max": ""}, 64),
    "half a file": (V1.format("/"), {"cpu/cpu.cfs_quota_us": "100000\n"}, 64),
}


@pytest.fixture
def host(monkeypatch):
    """A machine of 64 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)


@pytest.mark.parametrize("name", GROUPS)
def test_the_quota_counts(name, tmp_path, host):
    group, files, expected = GROUPS[name]
    assert cores(stand_in(tmp_path, group, files)) == expected


def test_the_cores_of_the_process_where_there_are_no_groups(tmp_path, host, monkeypatch):
    assert cores(tmp_path) == 64
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 5})
    assert cores(tmp_path) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores(tmp_path) == 1


def test_compile_takes_them_by_default(monkeypatch):
    monkeypatch.setattr("minires.engine.compiled.cores", lambda: 7)
    assert minires.compile(minires.layers.ReLU()).threads == 7
    assert minires.compile(minires.layers.ReLU(), threads=3).threads == 3
    assert 1 <= module.cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: A Processor: 3 GHz\nprocessor\t: 1\nmodel name\t: B\n", "A Processor: 3 GHz"),
        ("processor\t: 0\n", None),
        (None, None),
    ],
)
def test_the_processor_has_a_name(tmp_path, text, name):
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cpuinfo").write_text(text)
    assert processor(tmp_path) == (name or platform.processor() or platform.machine())


def test_a_browser_has_one(tmp_path, host, monkeypatch):
    monkeypatch.setattr("sys.platform", "emscripten")
    assert cores(tmp_path) == 1
