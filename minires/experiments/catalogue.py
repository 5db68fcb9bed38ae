"""All experiments, in the order of the articles: whoever adds one adds it here."""

from . import degradation, dropped_blocks, ensemble, finer_steps, lesions, loss_landscape, ode_order, without_norm

EXPERIMENTS = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (degradation, lesions, ode_order, without_norm, loss_landscape, finer_steps, dropped_blocks, ensemble)
}
