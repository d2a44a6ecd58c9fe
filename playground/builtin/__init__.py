"""The built-in plugin. It uses the same hooks as any plugin; components are imported at first use."""

from __future__ import annotations

from collections.abc import Mapping

from playground.builtin import torch_optim
from playground.plugins.hookspecs import Factory, hookimpl

PACKAGE = __name__


@hookimpl
def playground_tasks() -> Mapping[str, Factory]:
    """Return the tasks."""
    return {
        "classification": f"{PACKAGE}.tasks.classification:Classification",
        "derivative": f"{PACKAGE}.tasks.derivative:DerivativeCheck",
        "minimize": f"{PACKAGE}.tasks.minimize:Minimize",
        "regression": f"{PACKAGE}.tasks.regression:Regression",
    }


@hookimpl
def playground_models() -> Mapping[str, Factory]:
    """Return the models."""
    return {
        "attention": f"{PACKAGE}.sequences:Attention",
        "handwritten": f"{PACKAGE}.models:Handwritten",
        "linear": f"{PACKAGE}.models:linear",
        "mlp": f"{PACKAGE}.models:mlp",
        "perceptron": f"{PACKAGE}.models:Perceptron",
        "polynomial": f"{PACKAGE}.models:Polynomial",
        "rnn": f"{PACKAGE}.sequences:RecurrentNetwork",
    }


@hookimpl
def playground_losses() -> Mapping[str, Factory]:
    """Return the losses."""
    names = ("bce", "bce_with_logits", "cross_entropy", "hinge", "huber", "mae", "mse", "smooth_l1")
    return {name: f"{PACKAGE}.losses:{name}" for name in names}


@hookimpl
def playground_optimizers() -> Mapping[str, Factory]:
    """Return the optimizers: our update rules, and every optimizer of the installed torch as `torch.NAME`."""
    rules = {
        "adadelta": "Adadelta",
        "adagrad": "Adagrad",
        "adam": "Adam",
        "adamax": "Adamax",
        "adamw": "AdamW",
        "lion": "Lion",
        "nadam": "NAdam",
        "radam": "RAdam",
        "rmsprop": "RMSprop",
        "rprop": "Rprop",
        "sgd": "SGD",
    }
    ours = {name: f"{PACKAGE}.optimizers:{rule}" for name, rule in rules.items()}
    return ours | {f"torch.{name}": f"torch.optim:{name}" for name in torch_optim.optimizer_names()}


@hookimpl
def playground_schedules() -> Mapping[str, Factory]:
    """Return the learning-rate schedules."""
    names = ("constant", "cosine", "exponential", "linear_warmup", "one_cycle", "polynomial", "step")
    return {name: f"{PACKAGE}.schedules:{name}" for name in names}


@hookimpl
def playground_functions() -> Mapping[str, Factory]:
    """Return the test functions; `expression` builds the function for a formula in a scenario."""
    known = {
        "classic": "ackley beale booth expression goldstein_price griewank himmelblau levy matyas quadratic rastrigin "
        "rosenbrock six_hump_camel sphere styblinski_tang three_hump_camel",
        "convex": "log_cosh_sum pseudo_huber sum_of_powers trid tridiagonal",
        "kinks": "chebyshev_rosenbrock maximum_norm maximum_of_quadratics weighted_l1",
        "plateaus": "gaussian_well log_goldstein_price product_chain rippled_bowl saturating_bowl",
        "saddles": "linear_network matrix_factorization monkey_saddle phase_retrieval strict_saddle",
        "scales": "layer_scales normalized_quadratic",
        "valleys": "biggs dixon_price helical_valley powell_singular wood zakharov",
    }
    return {name: f"{PACKAGE}.functions.{module}:{name}" for module, names in known.items() for name in names.split()}


@hookimpl
def playground_datasets() -> Mapping[str, Factory]:
    """Return the datasets."""
    gates = tuple(f"{gate}_gate" for gate in ("and", "nand", "nor", "or", "xnor", "xor"))
    known = {
        "datasets": (*gates, "blobs", "circles", "csv", "inline", "line", "moons", "spirals"),
        "linear_data": ("halfspaces", "linear_response"),
        "real_data": ("breast_cancer", "digits", "iris", "wine"),
        "sequences": ("echo", "reversal"),
        "noise": ("drift", "factor_noise", "masks", "normal_noise", "rare_push", "sign_flips", "student_noise"),
    }
    return {name: f"{PACKAGE}.{module}:{name}" for module, names in known.items() for name in names}


@hookimpl
def playground_reporters() -> Mapping[str, Factory]:
    """Return the reporters, which write results to a file."""
    return {
        "console": "playground.report.console:write",
        "html": "playground.report.html.reporter:Html",
        "json": "playground.report.document:write",
        "junit": "playground.report.junit:write",
        "picture": "playground.report.picture:write",
    }


@hookimpl
def playground_executors() -> Mapping[str, Factory]:
    """Return the executors, which run scenarios."""
    return {
        "processes": "playground.builtin.executors:processes",
        "serial": "playground.builtin.executors:serial",
    }


@hookimpl
def playground_operations() -> Mapping[str, Factory]:
    """Return the operations of torch that `explain` knows; several names may share one operation."""
    known = {
        "arithmetic": "add sub rsub mul multiply=mul div rtruediv=rdiv rdiv "
        "pow=power rpow square maximum minimum matmul mm=matmul bmm=matmul spmm=matmul mv=matmul dot=matmul "
        "vdot=matmul linear",
        "elementary": "neg sqrt rsqrt reciprocal exp exp2 expm1 log log1p log2 log10 sin cos tan asin acos atan "
        "sinh cosh asinh acosh atanh erf erfc abs=absolute nan_to_num",
        "activations": "sigmoid expit=sigmoid tanh relu leaky_relu relu6 elu selu celu gelu silu softplus logsigmoid "
        "hardtanh mish hardswish prelu glu softsign tanhshrink softshrink hardshrink threshold "
        "clamp clip=clamp clamp_min clamp_max",
        "dropout": "dropout dropout1d dropout2d dropout3d",
        "shapes": "reshape view=reshape flatten=reshape unflatten=reshape squeeze=reshape unsqueeze=reshape expand "
        "expand_as=expand broadcast_to=expand transpose t=transpose mt=transpose swapaxes=transpose permute clone=same "
        "contiguous=same to=same double=same float=same getitem stack cat concat=cat "
        "where ones_like=constant zeros_like=constant full_like=constant detach=constant sign=constant",
        "selection": "flip roll repeat tile repeat_interleave select narrow gather index_select take take_along_dim "
        "diagonal diag triu tril movedim masked_select masked_fill pad interpolate "
        "pixel_shuffle sort topk kthvalue median",
        "reductions": "sum=total mean prod=product max=extreme_max amax min=extreme_min amin norm matrix_norm=norm "
        "vector_norm=norm linalg_vector_norm=norm var std cumsum softmax softmin log_softmax logsumexp",
        "products": "outer addmm einsum bilinear cosine_similarity normalize scaled_dot_product_attention",
        "layers": "layer_norm batch_norm instance_norm group_norm rms_norm embedding",
        "convolutions": "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
        "pooling": "max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d "
        "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d",
        "losses": "mse_loss l1_loss huber_loss smooth_l1_loss binary_cross_entropy binary_cross_entropy_with_logits "
        "bce_with_logits=binary_cross_entropy_with_logits cross_entropy nll_loss",
    }
    pairs = [(module, *name.split("=")) for module, names in known.items() for name in names.split()]
    return {name: f"{PACKAGE}.operations.{module}:{(*factory, name)[0]}" for module, name, *factory in pairs}


@hookimpl
def playground_diagnoses() -> Mapping[str, Factory]:
    """Return the diagnoses."""
    known = {
        "numbers": "nonfinite_data nonfinite_operation nonfinite_update",
        "gradients": "cut_off wrong_backward zero_gradient exploding_product",
        "optimizers": "forgotten_zero_grad undamped_momentum wrong_sign",
        "features": "unscaled_features",
        "rates": "rate_too_large",
        "units": "dead_relu saturated_sigmoid",
        "capacity": "bounded_output cannot_represent plateau",
    }
    return {name: f"{PACKAGE}.diagnoses.{module}:{name}" for module, names in known.items() for name in names.split()}


@hookimpl
def playground_loop_diagnoses() -> Mapping[str, Factory]:
    """Return the diagnoses of watched loops."""
    known = {
        "order": "forgotten_zero_grad step_without_gradient step_never_called accumulation_count scaled_gradient "
        "scheduler_before_optimizer",
        "graph": "cut_graph optimizer_of_another_model parameters_without_gradient parameters_not_in_optimizer",
        "losses": "softmax_before_cross_entropy sigmoid_before_bce_with_logits probabilities_in_nll_loss "
        "broadcast_in_loss",
        "modes": "eval_mode_left_on",
        "numbers": "nonfinite",
        "rates": "rate_too_large",
    }
    place = f"{PACKAGE}.loop_diagnoses"
    return {name: f"{place}.{module}:{name}" for module, names in known.items() for name in names.split()}


@hookimpl
def playground_suites() -> Mapping[str, Factory]:
    """Return the suites."""
    return {"core": f"{PACKAGE}.suites:core"}
