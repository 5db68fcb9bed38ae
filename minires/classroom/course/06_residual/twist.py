"""Another definition of the residual block."""

from minires.layers import Residual


class ScaledBranch(Residual):
    """y = shortcut(x) + a branch(x)."""

    def forward(self, x, train=False):
        across, shortcut_cache = self.shortcut.forward(x, train)
        along, branch_cache = self.branch.forward(x, train)
        return across + self.a * along, (shortcut_cache, branch_cache)

    def terms(self, dy, cache):
        _, branch_cache = cache
        along = self.branch.backward(self.a * dy, branch_cache)
        return {"shortcut": self.shortcut_term(dy, cache), "branch": along}
