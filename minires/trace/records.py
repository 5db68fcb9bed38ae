"""What passed through the forks and the blocks of one backward: the lines of the ledger."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol


from ..backend import Array
from .block import SHORTCUT
from .derivative import backward_with_terms, derivative_error
from .norms import cosine, difference, frozen, norm, ratio, worst
from .trunk import Trunk, Visit

PLAIN = "plain"  # the kind of a block without a fork


@dataclass(frozen=True, eq=False)
class ForkRecord:
    """What passed through one fork on the way back; arrays are read-only copies that share no memory.

    incoming: the gradient behind the fork   outgoing: the gradient before it, as backward returned it
    terms: {name: term}, which add up to ``outgoing``   visit: the forward that this is the backward of
    """

    path: str
    kind: str
    incoming: Array
    terms: dict
    outgoing: Array
    visit: Visit = field(repr=False)

    @property
    def balance_error(self) -> float:
        """|sum of the terms - outgoing| / |outgoing|: proves that no term is missing from the account of backward,
        not that backward is right.
        """
        return difference(sum(self.terms.values()), self.outgoing)

    @cached_property
    def derivative_error(self) -> float:
        """Proves that the fork's terms and their sum are the derivative of its forward (in float64, on first use)
        and that it left the incoming gradient as it was: :func:`~minires.trace.derivative.derivative_error`.
        """
        return derivative_error(self.visit, self.incoming)

    @property
    def closure_error(self) -> float:
        """The larger of ``balance_error`` (rounding of the dtype) and ``derivative_error`` (rounding of float64)."""
        return worst((self.balance_error, self.derivative_error))

    @property
    def shortcut_scaling(self) -> float:
        """|shortcut term| / |incoming|; NaN where the fork has no shortcut or nothing comes in."""
        return ratio(norm(self.terms[SHORTCUT]), norm(self.incoming)) if SHORTCUT in self.terms else float("nan")

    @property
    def residual(self) -> Array:
        """The sum of all terms but the shortcut's."""
        rest = [term for name, term in self.terms.items() if name != SHORTCUT]
        return sum(rest) if rest else 0 * self.outgoing

    @property
    def residual_ratio(self) -> float:
        """|residual| / |incoming|."""
        return ratio(norm(self.residual), norm(self.incoming))

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the shortcut term and the residual; NaN where one of them is zero."""
        return cosine(self.terms[SHORTCUT], self.residual) if SHORTCUT in self.terms else float("nan")


@dataclass(frozen=True, eq=False)
class BlockRecord(ForkRecord):
    """A block of the trunk: a :class:`ForkRecord` from g_{l+1}, the gradient behind the block, to g_l, that before it.

    index: l, from 0   identity: the cumulative identity gradient A_l^T ... A_{n-1}^T g_n, what arrives from the
    output of the last block on shortcuts alone   fork: the record of the fork itself, without the layers around it;
    None for a block of a plain network, whose one term is "branch"
    """

    index: int
    identity: Array
    fork: ForkRecord | None = field(repr=False)

    @property
    def derivative_error(self) -> float:
        """That of the fork, 0 of a plain block; of other layers, ask :func:`~minires.gradcheck.gradcheck`."""
        return self.fork.derivative_error if self.fork else 0.0

    @property
    def identity_ratio(self) -> float:
        """|cumulative identity gradient| / |g_l|."""
        return ratio(norm(self.identity), norm(self.outgoing))


class Traced(Protocol):
    """What sums over the blocks ask of a :class:`~minires.trace.Ledger`."""

    trunk: Trunk
    blocks: tuple[BlockRecord, ...]

    def g(self, position: int) -> Array:
        raise NotImplementedError

    def span(self, start: int, stop: int | None) -> tuple[int, int]:
        raise NotImplementedError


def block_records(trunk, gradients, forks):
    """One :class:`BlockRecord` a block, from the input to the output.

    gradients: as from :meth:`~minires.trace.trunk.Trunk.gradients`   forks: what :func:`noting` recorded meanwhile
    """
    fork_of = {(id(record.visit.fork), id(record.visit.cache)): record for record in forks}
    records, identity = [], None
    numbers = [i for i, (block, _, _) in enumerate(gradients) if not block.link]
    for block, incoming, outgoing in gradients[numbers[-1] :: -1] if numbers else ():
        identity = block.shortcut(incoming if identity is None else identity)
        if block.link:
            continue
        fork = block.fork and fork_of[id(block.fork.layer), id(block.fork.cache)]
        # the account of the fork is that of the block unless layers before the fork belong to the block
        terms = fork.terms if fork and not block.pre else block.terms(incoming)
        records.append(
            BlockRecord(
                path=block.path,
                kind=fork.kind if fork else PLAIN,
                incoming=frozen(incoming),
                terms={name: frozen(term) for name, term in terms.items()},
                outgoing=frozen(outgoing),
                visit=fork and fork.visit,
                index=len(numbers) - 1 - len(records),
                identity=frozen(identity),
                fork=fork,
            )
        )
    return records[::-1]


def noting(path, fork, backward, trunk, records):
    """``fork.backward``, noting incoming, terms and outgoing gradients as copies, in the order of backward."""

    def noted(dy, cache):
        visit, incoming = trunk.visit(fork, cache), frozen(dy)
        outgoing, terms = backward_with_terms(fork, backward, dy, cache)
        records.append(ForkRecord(visit.path, type(fork).__name__, incoming, terms, frozen(outgoing), visit))
        return outgoing

    return noted
