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
# There is no BLAS in a browser: networks of 56 layers take their time here, those of 8 answer at once. `minires lab`
# shows the same page on your own machine, faster.
