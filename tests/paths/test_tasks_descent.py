"""Gradient descent in torch, where it is installed: against plain gradients, and what it must learn."""

import builtins

import numpy as np
import pytest

from mfattn.paths.tasks.descent import (
    Descent,
    Diverged,
    MissingExtra,
    State,
    Trainer,
    network_of,
    torch_module,
    weight_shapes,
)

from .test_tasks_trained import READOUTS, forward

SMALL = Descent(heads=(2, 2), key_size=3, width=6, rate=1e-2, decay=0.0, precision="double")


def task(number, seed, length=6, inputs=5):
    """Tokens whose mean of the first number has the sign of the label."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1.0, 1.0], number)
    tokens = rng.standard_normal((number, inputs, length))
    tokens[:, 0] += labels[:, np.newaxis]
    return tokens, labels


@pytest.mark.parametrize(
    "change", [{"decay": -1}, {"rate": 0.0}, {"heads": ()}, {"heads": (0,)}, {"precision": "half"}]
)
def test_settings_are_checked(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be"):
        Descent(**change)


def batches_of(tokens, labels, batch, epochs):
    """Batches of all examples, again and again."""
    starts = [*range(0, len(labels), batch)] * epochs
    return [(tokens[start : start + batch], labels[start : start + batch]) for start in starts]


def train(batches, settings):
    """A trained network, and the losses of its steps."""
    trainer = Trainer(batches[0][0].shape[1], settings)
    losses = [trainer.step(*batch) for batch in batches]
    return trainer.trained(), np.array(losses)


def test_weights_become_a_network_without_torch():
    shapes = weight_shapes(5, SMALL)
    numbers = np.arange(sum(np.prod(shape) for shape in shapes), dtype=np.float32)
    network = network_of(numbers, 5, SMALL)
    assert network.heads == (2, 2) and network.projection[0, 1] == 1 and network.read_out[-1] == numbers[-1]
    assert network.queries[0].flat[0] == 30 and network.values[1].flat[-1] == numbers[-7]
    with pytest.raises(ValueError, match=f"weights must be {len(numbers)} numbers"):
        network_of(numbers[1:], 5, SMALL)


def test_a_missing_extra_is_named(monkeypatch):
    real = builtins.__import__

    def refused(name, *more):
        if name == "torch":
            raise ModuleNotFoundError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", refused)
    with pytest.raises(MissingExtra, match=r"gradient descent needs the extra mfattn\[torch\]: pip install"):
        Trainer(5, SMALL)
    with pytest.raises(MissingExtra, match=r"this file needs the extra mfattn\[torch\]: pip install"):
        torch_module("this file")


class TestTraining:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.mark.parametrize("readout", READOUTS)
    @pytest.mark.parametrize("heads", [(2,), (2, 3), (1, 2, 2)])
    def test_outputs_are_those_of_a_forward_pass(self, heads, readout):
        settings = Descent(heads, 3, 6, readout, precision="double")
        tokens, labels = task(8, 1)
        network, _ = train([(tokens, labels)], settings)
        # The loss of a second step, which is computed by torch, is that of the network after the first.
        _, losses = train([(tokens, labels)] * 2, settings)
        assert np.isclose(((forward(network, tokens) - labels) ** 2).mean(), losses[1], rtol=1e-12)
        assert network.heads == heads and network.readout == readout

    @pytest.mark.parametrize("name", ["projection", "read_out", "queries", "keys", "values"])
    def test_the_first_step_of_adam_is_along_the_gradient(self, name):
        """It moves every weight by the rate, against the sign of its gradient."""
        tokens, labels = task(8, 1)
        after, _ = train([(tokens, labels)], SMALL)
        tiny = Descent(**{**vars(SMALL), "rate": 1e-12})
        before, _ = train([(tokens, labels)], tiny)

        def weights(network):
            found = getattr(network, name)
            return found if isinstance(found, np.ndarray) else found[0]

        def loss():
            return ((forward(before, tokens) - labels) ** 2).mean()

        moved = weights(after) - weights(before)
        assert np.allclose(abs(moved), 0.01, rtol=1e-3)
        changed = weights(before)
        for place in list(np.ndindex(changed.shape))[::7]:
            changed[place] += 1e-6
            above = loss()
            changed[place] -= 2e-6
            slope = (above - loss()) / 2e-6
            changed[place] += 1e-6
            assert np.sign(moved[place]) == -np.sign(slope)

    def test_it_learns(self):
        network, losses = train(batches_of(*task(400, 1), batch=50, epochs=15), SMALL)
        assert losses[-10:].mean() < 0.5 * losses[:10].mean()
        tokens, labels = task(200, 2)
        assert network.accuracy(network.features(tokens), labels) > 0.85

    def test_the_same_seed_is_the_same_network(self):
        batches = batches_of(*task(40, 1), batch=20, epochs=2)
        (some, losses), (same, again), (other, _) = (
            train(batches, Descent((2,), 3, 6, seed=seed)) for seed in (1, 1, 2)
        )
        assert (some.projection == same.projection).all() and (losses == again).all()
        assert (some.projection != other.projection).all()

    @pytest.mark.parametrize("precision", ["single", "double"])
    def test_a_training_is_taken_up_to_the_bit(self, precision):
        settings = Descent((2, 3), 3, 6, rate=1e-2, precision=precision)
        batches = batches_of(*task(80, 1), batch=16, epochs=2)
        whole, part = Trainer(5, settings), Trainer(5, settings)
        losses = [whole.step(*batch) for batch in batches]
        again = [part.step(*batch) for batch in batches[:4]]
        # As arrays on disk are.
        kept = State(*(np.array(numbers) for numbers in part.state[:3]), part.state.steps)
        part.step(*batches[0])
        other = Trainer(5, settings, kept)
        again += [other.step(*batch) for batch in batches[4:]]
        assert losses == again and other.steps == len(batches) == whole.state.steps
        for one, same in zip(whole.state[:3], other.state[:3], strict=True):
            assert one.dtype == same.dtype and (one == same).all()
        assert (whole.trained().overlap == other.trained().overlap).all()

    def test_first_weights_are_uniform(self):
        network, _ = train([task(2, 1)], Descent((2, 2), 8, 20, rate=1e-12))
        for weights, inputs in ((network.projection, 5), (network.queries[1], 5), (network.values[0], 20)):
            bound = 1 / np.sqrt(inputs)
            assert 0.9 * bound < abs(weights).max() <= bound * (1 + 1e-6) and abs(weights.mean()) < 0.2 * bound

    def test_decay_pulls_towards_zero(self):
        tokens, labels = task(8, 1)
        sizes = [
            abs(train([(tokens, labels)] * 300, Descent((2,), 3, 6, rate=1e-2, decay=decay))[0].overlap).mean()
            for decay in (0.0, 1.0)
        ]
        assert sizes[1] < 1e-3 * sizes[0]

    def test_a_loss_that_is_not_finite_is_an_error(self):
        tokens, labels = task(8, 1)
        with pytest.raises(Diverged, match=r"the loss is .* at step 1; a smaller rate may help"):
            train([(1e30 * tokens, labels)], Descent((2,), 3, 6))

    def test_batches_must_fit(self):
        with pytest.raises(ValueError, match=r"labels must have shape \(8,\)"):
            train([(task(8, 1)[0], np.ones(7))], SMALL)
        with pytest.raises(ValueError, match=r"tokens must have shape \(P, 5, T\)"):
            train([task(8, 1), task(8, 1, inputs=4)], SMALL)

    def test_torch_is_left_as_it_was(self, torch):
        state = torch.get_rng_state()
        train([task(8, 1)], SMALL)
        assert (torch.get_rng_state() == state).all() and torch_module() is torch
