"""All experiments, in the order of the articles: whoever adds one adds it here."""

from . import degradation, ensemble, finer_steps, lesions, ode_order, without_norm

EXPERIMENTS = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (degradation, lesions, ode_order, without_norm, finer_steps, ensemble)
}
