"""Another definition of the convolution."""

from minires.mutants.conv import ConvSteps


class CentredFilters(ConvSteps):
    """Each filter less a times its mean, over C, KH and KW, stands in the place of weight."""

    def _weight_rows(self):
        rows = super()._weight_rows()
        return rows - self.a * rows.mean(axis=1, keepdims=True)

    def kernels(self):
        return self._centred(super().kernels())

    def dweight(self, rows, x, out):
        return self._centred(super().dweight(rows, x, out))

    def _centred(self, weight):
        return weight - self.a * weight.mean(axis=(1, 2, 3), keepdims=True)
