# %% [markdown]
# # The laboratory
#
# Two networks learn the same pictures, side by side. Choose how each is built, press *Train*, and watch the loss, the
# gradient by depth, its two terms at each block, and the verdict on the "1".
#
# 实验室：两个网络并排学习同样的图片。中文界面：`to_widget("zh")`。

# %%
from minires.lab import to_widget

to_widget()

# %% [markdown]
# There is no BLAS in a browser: a step of the two networks of 56 layers takes some seconds there, one of 8 layers
# a tenth of that. `minires lab` shows the same page on your machine.
