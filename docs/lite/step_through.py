# %% [markdown]
# # Step through a gradient
#
# The gradient of a small residual network, block by block. Press the arrows; point at a word to see what it means.

# %%
import numpy as np

from minires.data import load
from minires.models import build
from minires.trace import trace

few = load("digits", "test").subset(slice(8))
net = build("digits_resnet20", block="full_preact", rng=0)
ledger = trace(net, few.images.astype(np.float32) / 255, few.labels)
ledger.to_widget(name="digits_resnet20")

# %% [markdown]
# Build another: `block="original"` puts a ReLU behind the addition, `build("digits_plain20", rng=0)` has no shortcuts.
