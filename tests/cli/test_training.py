"""minires train, as far as nothing is trained."""

import sys
from types import SimpleNamespace

import pytest

from minires.cli import main

TRAIN = ["train", "--parallel", "mpi", "--data", "digits", "--epochs", "1"]


def test_without_mpi4py_one_sentence_names_the_extra(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert main(TRAIN) == 1
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and err.startswith("minires: no MPI (") and "pip install 'minires[mpi]'" in err
    assert out == "" and not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_the_mpiexec_of_another_mpi_is_told(monkeypatch, capsys, tmp_path, name):
    """Each of its processes would believe to be alone, and train all."""
    monkeypatch.chdir(tmp_path)
    world = SimpleNamespace(Get_size=lambda: 1, Get_rank=lambda: 0)
    library = SimpleNamespace(COMM_WORLD=world, Get_library_version=lambda: "Open MPI v5.0.11, package: ...\nmore")
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=library))
    monkeypatch.setenv(name, "4")
    assert main(TRAIN) == 1
    err = capsys.readouterr().err
    assert "mpiexec has started 4 processes, but mpi4py sees 1: it loads Open MPI v5.0.11" in err
    assert not any(tmp_path.iterdir())
