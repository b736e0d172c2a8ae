"""Time of the attention paths: order parameters, a figure, networks of image size, the posterior; Adam, and floors.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/paths.py    # a minute or two

Seconds are those of the processor, which are those of a core that nothing else uses, but for the posterior on two.
Adam solves what the publication solves, at its settings (`mfattn.paths.adam`). The floor of an evaluation is what no
exact program saves: to read the packed products of features twice, and a Cholesky factor with its inverse.
"""

import os
import time
from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import lapack

from mfattn.paths.action import Action
from mfattn.paths.adam import adam
from mfattn.paths.attention import sub_network_features
from mfattn.paths.kernels import PathKernels
from mfattn.paths.network import Network
from mfattn.paths.posterior.density import Density
from mfattn.paths.posterior.diagnostics import kish_effective_size
from mfattn.paths.posterior.importance import sample_importance
from mfattn.paths.posterior.laplace import laplace
from mfattn.paths.predict import Predictor, accuracy
from mfattn.paths.solve import Solution, solve, solve_grid
from mfattn.paths.starts import gaussian_process_order
from mfattn.paths.tasks.characters import generated_characters
from mfattn.paths.tasks.encoding import Encoding
from mfattn.paths.tasks.markov import GOOD, GOOD_AND_DENOISING, MarkovInstance, four_paths
from mfattn.paths.tasks.oneshot import EncodedCharacters
from mfattn.paths.tasks.trained import RandomHeads
from mfattn.pipeline.provenance import machine

WIDTHS = (10, 30, 50, 100, 300, 500, 1000)
TEMPERATURE = 0.01

IMAGES, IMAGE_WIDTH, IMAGE_TEMPERATURE, IMAGE_RATE = 600, 10, 0.5, 0.008
IMAGE_STEPS = 20
"""Steps of Adam that are measured at the size of images, where it needs tens of thousands."""

DRAWS, SEEDS, THREADS = 8192, 5, 2
"""Of the posterior."""

LEAST = 1.0
"""Seconds over which a call is repeated, of which the shortest counts."""


def once(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def best(call: Callable[[], object]) -> float:
    """Least time of a call, in seconds, after one that may import."""
    call()
    times = [once(call)]
    while sum(times) < LEAST:
        times.append(once(call))
    return min(times)


def show(name: str, seconds: float, remark: str = "") -> None:
    print(f"{name:>58} {seconds:>10.4f} s {remark}", flush=True)


def floor(kernels: PathKernels) -> float:
    """Seconds of one evaluation of the energy and its gradient, but for all that a program might do better."""
    pack = kernels.compressed[1].packed
    orders, triangles = np.ones(pack.shape[0]), np.ones(pack.shape[1])
    matrix = np.asfortranarray(kernels.kernel(np.eye(kernels.paths)) + np.eye(kernels.examples))

    def evaluation() -> None:
        orders @ pack
        factor, _ = lapack.dpotrf(matrix)
        lapack.dpotri(factor)
        pack @ triangles

    return best(evaluation)


def networks(instance: MarkovInstance, widths: Sequence[float] = WIDTHS) -> list[Network]:
    return [Network(instance.heads, (width,) * 3) for width in widths]


def one_start(instance: MarkovInstance, features: np.ndarray, method: str) -> list[Solution]:
    """The order parameter at every width, from infinite width alone as Adam does."""
    kernels, labels = PathKernels(features), instance.training.labels
    return [
        solve(Action(network, kernels, labels, TEMPERATURE), method=method, starts="gp")
        for network in networks(instance)
    ]


def report_order_parameters(instance: MarkovInstance, features: np.ndarray) -> None:
    kernels, labels = PathKernels(features), instance.training.labels
    actions = [Action(network, kernels, labels, TEMPERATURE) for network in networks(instance)]
    start = time.process_time()
    descents = [adam(action) for action in actions]
    seconds = time.process_time() - start
    steps = sum(descent.steps for descent in descents)
    print(f"Order parameter of four paths at {len(WIDTHS)} widths, products of features included")
    show("Adam", seconds, f"{steps} steps, {1e3 * seconds / steps:.2f} ms each")
    for method in ("noncentred", "reduced"):
        ours = best(lambda method=method: one_start(instance, features, method))
        show(f"{method}, one start", ours, f"{seconds / ours:.0f} times as fast")
    many = best(lambda: solve_grid(networks(instance), PathKernels(features), labels, (TEMPERATURE,)))
    show("noncentred, many starts at narrow widths", many, f"{seconds / many:.0f} times as fast")
    solutions = one_start(instance, features, "noncentred")
    apart = max(np.abs(one.U1 - other.U1).max() for one, other in zip(descents, solutions, strict=True))
    gradients = max(descent.gradient for descent in descents), max(s.certificate.gradient_norm for s in solutions)
    show("floor of an evaluation", floor(kernels), f"and ours {evaluation(actions[0]):.6f} s")
    print(f"Adam is {apart:.0e} off in U; gradients are {gradients[0]:.0e} and {gradients[1]:.0e}\n")


def evaluation(action: Action) -> float:
    """Seconds of the action and its gradient."""
    x = np.zeros(action.coordinates.size)
    return best(lambda: action.value_and_gradient(x))


def whole_figure() -> list[float]:
    """Accuracies of four paths at all widths and in three limits, with data and features."""
    instance = four_paths()
    features, test = instance.features()
    kernels, labels = PathKernels(features), instance.training.labels
    found = []
    for network in networks(instance):
        action = Action(network, kernels, labels, TEMPERATURE)
        mean = Predictor(action, solve(action, starts="gp").U1).mean(test)
        found.append(accuracy(mean, instance.test.labels))
    for kept in (((0, 1), (0, 1)), GOOD, GOOD_AND_DENOISING):
        fewer, fewer_test = (sub_network_features(part, instance.heads, kept) for part in (features, test))
        network = Network([len(heads) for heads in kept], (1, 1, 1))
        action = Action(network, PathKernels(fewer), labels, TEMPERATURE)
        mean = Predictor(action, gaussian_process_order(network)).mean(fewer_test)
        found.append(accuracy(mean, instance.test.labels))
    return found


def report_figure() -> None:
    print("Accuracy of four paths at all widths, and of three Gaussian processes")
    show("data, features, 7 solutions, 10 x 1000 predictions", best(whole_figure))
    show("of which data", best(four_paths))
    instance = four_paths()
    show("and features", best(instance.features))
    print(", ".join(f"{value:.3f}" for value in whole_figure()), "\n")


def report_posterior(instance: MarkovInstance, features: np.ndarray) -> None:
    network = Network(instance.heads, (10,) * 3)
    density = Density(Action(network, PathKernels(features), instance.training.labels, TEMPERATURE))
    print(f"Exact posterior of four paths at N = 10: {DRAWS} draws by importance, {THREADS} threads, {SEEDS} seeds")
    laws = laplace(density, starts=8, seed=0)
    show("search of modes", once(lambda: laplace(density, starts=8, seed=0)))
    sample_importance(density, laws, 256, 0, THREADS)
    sizes, walls, processor = [], [], time.process_time()
    for seed in range(SEEDS):
        start = time.perf_counter()
        _, log_weights = sample_importance(density, laws, DRAWS, seed, THREADS)
        walls.append(time.perf_counter() - start)
        sizes.append(kish_effective_size(log_weights))
    processor = (time.process_time() - processor) / SEEDS
    rate = np.mean([size / wall for size, wall in zip(sizes, walls, strict=True)])
    show("draws, seconds of the clock", float(np.mean(walls)), f"effective {np.mean(sizes):.0f}: {rate:.0f} a second")
    show("draws, seconds of the processor", processor, f"{np.mean(sizes) / processor:.0f} a second and core\n")


def image_features() -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of generated characters, of the published sizes with heads that are not trained."""
    encoding = Encoding()
    characters = EncodedCharacters(generated_characters(), encoding, encoding.label_vectors(0))
    tokens, labels = characters.episodes(IMAGES // 2, seed=1)
    return RandomHeads.drawn((4, 4), encoding.inputs, key_size=128, gain=3.0).features(tokens), labels


def report_images() -> None:
    features, labels = image_features()
    examples, inputs, paths = features.shape
    print(f"{examples} episodes of images, {inputs} inputs, {paths} paths, N = {IMAGE_WIDTH}, T = {IMAGE_TEMPERATURE}")
    kernels = PathKernels(features)
    action = Action(Network((4, 4), (IMAGE_WIDTH,) * 3), kernels, labels, IMAGE_TEMPERATURE)
    show("products of features, once for all widths", once(lambda: kernels.compressed[1].packed))
    solution = solve(action, starts="gp")
    for method in ("noncentred", "reduced"):
        show(f"{method}, one start", best(lambda method=method: solve(action, method=method, starts="gp")))
    show("noncentred, many starts", once(lambda: solve(action)))
    step = once(lambda: adam(action, rate=IMAGE_RATE, steps=IMAGE_STEPS)) / IMAGE_STEPS
    show("one step of Adam, of some 28,000", step, f"{28_000 * step:.0f} s for all of them, at this time for one")
    show("floor of an evaluation", floor(kernels), f"and ours {evaluation(action):.4f} s")
    certificate = solution.certificate
    print(f"2S = {solution.value:.6f}, gradient {certificate.gradient_norm:.0e}\n")


def main() -> None:
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or "all"
    print(f"{machine()['processor']}, NumPy {np.__version__}, threads: {threads}\n")
    instance = four_paths()
    features, _ = instance.features()
    report_order_parameters(instance, features)
    report_figure()
    report_posterior(instance, features)
    report_images()


if __name__ == "__main__":
    main()
