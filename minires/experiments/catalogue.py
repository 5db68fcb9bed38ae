"""All experiments, in the order of the articles: whoever adds one adds it here."""

from . import (
    batch_norm,
    degradation,
    dropped_blocks,
    ensemble,
    finer_steps,
    initialisation,
    lesions,
    loss_landscape,
    nested_families,
    ode_order,
    one_plus,
    path_lengths,
    placements,
    relu_before_add,
    shattered_masks,
    shattered_noise,
    shattered_plain,
    shattered_residual,
    shattered_textbook,
    shortcuts,
    split_transform_merge,
    without_norm,
)

EXPERIMENTS = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        one_plus,
        degradation,
        placements,
        relu_before_add,
        shortcuts,
        path_lengths,
        shattered_masks,
        shattered_plain,
        shattered_residual,
        shattered_noise,
        lesions,
        nested_families,
        ode_order,
        batch_norm,
        initialisation,
        split_transform_merge,
        without_norm,
        loss_landscape,
        shattered_textbook,
        finer_steps,
        dropped_blocks,
        ensemble,
    )
}
