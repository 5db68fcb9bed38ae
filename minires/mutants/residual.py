"""Mistakes in Residual: two paths, two terms."""

from ..layers import BatchNorm2d, Conv2d, Residual, Sequential, Tanh
from .base import plant


class ShortcutDropped(Residual):
    """y = shortcut(x) + F(x) depends on x along two paths: the gradient along the shortcut is missing."""

    def terms(self, dy, cache):
        _, branch_cache = cache
        return {"branch": self.branch.backward(dy, branch_cache)}


class ShortcutTermDropped(Residual):
    """The backward of the shortcut runs, for the gradients of its weights."""

    def terms(self, dy, cache):
        return {"branch": super().terms(dy, cache)["branch"]}


class BranchDropped(Residual):
    """y = shortcut(x) + F(x) depends on x along two paths: the gradient along the branch is missing."""

    def terms(self, dy, cache):
        return {"shortcut": self.shortcut_term(dy, cache)}


class BranchTermDropped(Residual):
    """The backward of the branch runs, for the gradients of its weights."""

    def terms(self, dy, cache):
        return {"shortcut": super().terms(dy, cache)["shortcut"]}


class BranchTwice(Residual):
    """Each path counts once: the gradient along the branch has been added twice."""

    def backward(self, dy, cache):
        terms = self.terms(dy, cache)
        return terms["shortcut"] + terms["branch"] + terms["branch"]


class BranchRunTwice(Residual):
    """By its backward, that adds to the gradients of its weights twice, too."""

    def backward(self, dy, cache):
        _, branch_cache = cache
        return super().backward(dy, cache) + self.branch.backward(dy, branch_cache)


class ShortcutTwice(Residual):
    """Each path counts once: the gradient along the shortcut has been added twice."""

    def backward(self, dy, cache):
        return super().backward(dy, cache) + self.shortcut_term(dy, cache)


class ShortcutTermTwice(Residual):
    """By one backward."""

    def terms(self, dy, cache):
        terms = super().terms(dy, cache)
        return {**terms, "shortcut": 2 * terms["shortcut"]}


class IdentityAndShortcut(Residual):
    """As dy, the identity's, and by its backward."""

    def backward(self, dy, cache):
        return dy + super().backward(dy, cache)


class Averaged(Residual):
    """Gradients of paths that meet in x add up; they are not averaged."""

    def backward(self, dy, cache):
        return 0.5 * super().backward(dy, cache)


class GradientSplit(Residual):
    """An addition passes the whole dy to each of its terms; it does not share it out."""

    def terms(self, dy, cache):
        return super().terms(0.5 * dy, cache)


class AddedInPlace(Residual):
    """The identity hands dy itself on: += into its term changes the dy of the caller and of the other branch."""

    def backward(self, dy, cache):
        terms = self.terms(dy, cache)
        dx = terms["shortcut"]
        dx += terms["branch"]
        return dx


class AddedIntoDy(Residual):
    """Into dy, as if the shortcut were the identity always."""

    def backward(self, dy, cache):
        _, branch_cache = cache
        dy += self.branch.backward(dy, branch_cache)
        return dy


class PathsChained(Residual):
    """Shortcut and branch lie side by side: each gets dy, neither the gradient of the other."""

    def terms(self, dy, cache):
        shortcut_cache, branch_cache = cache
        shortcut = self.shortcut.backward(dy, shortcut_cache)
        return {"shortcut": shortcut, "branch": self.branch.backward(shortcut, branch_cache)}


class PathsChainedTheOtherWay(Residual):
    """The shortcut gets the gradient of the branch."""

    def terms(self, dy, cache):
        shortcut_cache, branch_cache = cache
        branch = self.branch.backward(dy, branch_cache)
        return {"shortcut": self.shortcut.backward(branch, shortcut_cache), "branch": branch}


class TermsMultiplied(Residual):
    """1 + dF/dx is a sum: the gradients of the two paths add up, they are not multiplied."""

    def terms(self, dy, cache):
        terms = super().terms(dy, cache)
        return dict.fromkeys(terms, terms["shortcut"] * terms["branch"])

    def backward(self, dy, cache):
        return self.terms(dy, cache)["branch"]


class ProjectionIgnored(Residual):
    """Only the identity passes dy on as it is: a shortcut with weights has a backward of its own."""

    def terms(self, dy, cache):
        _, branch_cache = cache
        return {"shortcut": dy, "branch": self.branch.backward(dy, branch_cache)}


class ProjectionTermIgnored(Residual):
    """The backward of the shortcut runs, for the gradients of its weights."""

    def terms(self, dy, cache):
        return {**super().terms(dy, cache), "shortcut": dy}


class InputAdded(Residual):
    """Forward adds what the shortcut makes of x: x itself only where the shortcut is the identity."""

    def forward(self, x, train=False):
        f, branch_cache = self.branch.forward(x, train)
        return x + f, branch_cache

    def terms(self, dy, cache):
        return {"shortcut": dy, "branch": self.branch.backward(dy, cache)}


class ShortcutNotAdded(Residual):
    """The block computes F(x) + shortcut(x): without the shortcut it is a plain network."""

    def forward(self, x, train=False):
        return self.branch.forward(x, train)

    def terms(self, dy, cache):
        return {"branch": self.branch.backward(dy, cache)}


class ModeNotHandedOn(Residual):
    """The layers of the two paths need to know the mode, too: hand ``train`` on to their forwards."""

    def forward(self, x, train=False):
        return super().forward(x, False)


def _branch(rng):
    return Sequential(Conv2d(4, 4, 3, padding=1, rng=rng), Tanh())


def _identity(cls, rng):
    return cls(_branch(rng))


def _projection(cls, rng):
    return cls(_branch(rng), Conv2d(4, 4, 1, rng=rng))


def _normed(cls, rng):
    return cls(Sequential(Conv2d(4, 4, 3, padding=1, rng=rng), BatchNorm2d(4)), BatchNorm2d(4))


ROWS = (
    (ShortcutDropped, _identity, ShortcutTermDropped),
    (BranchDropped, _identity, BranchTermDropped),
    (BranchTwice, _identity, BranchRunTwice),
    (ShortcutTwice, _projection, ShortcutTermTwice, IdentityAndShortcut),
    (Averaged, _identity),
    (GradientSplit, _identity),
    (AddedInPlace, _identity, AddedIntoDy),
    (PathsChained, _projection, PathsChainedTheOtherWay),
    (TermsMultiplied, _identity),
    (ProjectionIgnored, _projection, ProjectionTermIgnored),
)
MUTANTS = tuple(plant(Residual, wrong, build, (3, 4, 5, 6), forms) for wrong, build, *forms in ROWS)
SILENT = (
    plant(Residual, ShortcutNotAdded, _identity, (3, 4, 5, 6)),
    plant(Residual, InputAdded, _projection, (3, 4, 5, 6)),
    plant(Residual, ModeNotHandedOn, _normed, (3, 4, 5, 6)),
)
