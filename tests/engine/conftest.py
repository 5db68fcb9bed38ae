"""Small batches are cut into chunks as large ones are."""

import pytest


@pytest.fixture(autouse=True)
def several_chunks(monkeypatch):
    monkeypatch.setattr("minires.engine.cpu.constants.PIXELS", 0)
    monkeypatch.setattr("minires.engine.cpu.constants.ROWS", 0)
