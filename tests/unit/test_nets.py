"""Parts of stacked networks: batches by weight, steps down a loss, and the gradient of the recurrent layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dwindle.contracts import Rows, Seed
from dwindle.nets import stacks, training
from dwindle.nets.recurrence import recur, step

SEED = Seed(4, ("nets",))


def batches(weights, steps, batch):
    weights = np.asarray(weights, dtype=float)
    return training.batches(Rows(np.zeros(weights.shape), weights), steps=steps, batch=batch, seed=SEED)


def test_equal_weights_give_plain_epochs():
    places = batches(np.ones((2, 12)), 6, 4).reshape(2, 2, 12)
    np.testing.assert_array_equal(np.sort(places, axis=2), np.broadcast_to(np.arange(12), (2, 2, 12)))
    assert (places[0] != places[1]).any()
    assert (places[:, 0] != places[:, 1]).any()


def test_rows_stand_in_proportion_to_their_weights_and_rows_of_weight_0_nowhere():
    weights = np.array([[1.0, 0.0, 2.0, 0.5, 2.5, 0.0]])
    counts = np.bincount(batches(weights, 500, 8).reshape(-1), minlength=6)
    # Of the 4 places of an epoch a row of share s takes 4 s, rounded: at most one off, whose deviation is 1/2.
    assert np.abs(counts - 4000 * weights[0] / 6).max() < 4 * 0.5 * np.sqrt(1000)
    assert counts[[1, 5]].tolist() == [0, 0]


def test_a_chain_is_passed_in_the_same_order_whatever_the_others_hold():
    weights = np.ones((3, 10))
    other = weights.copy()
    other[1:, 4:] = 0.0
    np.testing.assert_array_equal(batches(weights, 7, 3)[0], batches(other, 7, 3)[0])
    np.testing.assert_array_equal(batches(weights, 7, 3)[0], batches(weights[:1], 7, 3)[0])


def test_a_chain_without_rows_is_refused():
    with pytest.raises(ValueError, match=r"chain 1 has no rows"):
        batches([[1.0, 1.0], [0.0, 0.0]], 1, 1)


def test_the_steps_are_those_of_adam_with_a_cosine():
    flat = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.1, -1.0]])
    curvature = torch.tensor([[1.0, 4.0, 0.3], [2.0, 0.5, 9.0]])
    reference = flat.clone().requires_grad_()
    optimiser = torch.optim.Adam([reference], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 40)
    for _ in range(40):
        optimiser.zero_grad()
        (0.5 * curvature * reference.square()).sum().backward()
        optimiser.step()
        schedule.step()
    training.descend(flat, lambda leaf, _: (0.5 * curvature * leaf.square()).sum(), steps=40, learning_rate=0.1)
    torch.testing.assert_close(flat, reference.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("chains", [1, 2, 7])
def test_a_chain_steps_alike_wherever_it_stands_among_the_weights(chains):
    wide = SEED.at("weights").numpy().normal(size=(2, 7, 21)).astype(np.float32)  # 21: no multiple of a register
    whole, part = (torch.from_numpy(wide[0, :some].copy()) for some in (7, chains))
    for flat in (whole, part):
        adam = training.Adam(flat)
        for number in range(1, 30):
            adam.step(torch.from_numpy(np.sin(number * wide[1, : len(flat)])), 0.01)
    assert torch.equal(whole[:chains], part)


@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(33, 7, 5), (32, 5, 16), (64, 64, 1), (20, 1, 16), (1, 1, 1)])
def test_a_layer_of_a_chain_and_its_gradient_are_the_same_alone_and_in_a_batch(rows, inputs, outputs):
    generator = SEED.at("layer").numpy()
    blocks = {"a.weight": stacks.weight(inputs, outputs), "a.bias": stacks.bias(outputs), "odd": stacks.bias(3)}
    flat, values = stacks.initial(blocks, 4, SEED), torch.from_numpy(generator.normal(size=(4, rows, inputs))).float()

    def passed(some):
        leaf, entering = (part[some].clone().requires_grad_() for part in (flat, values))
        with training.deterministic():
            left = stacks.affine(entering, stacks.cut(leaf, blocks), "a")
            return left.detach(), *torch.autograd.grad(left.square().sum(), (leaf, entering), allow_unused=True)

    for chain in range(4):
        one = slice(chain, chain + 1)
        assert all(torch.equal(whole[one], own) for whole, own in zip(passed(slice(4)), passed(one), strict=True))


def test_the_setting_of_deterministic_algorithms_is_put_back():
    before = torch.are_deterministic_algorithms_enabled()
    with training.deterministic():
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.are_deterministic_algorithms_enabled() == before


def test_matrices_taken_apart_and_joined_are_the_same_weights():
    blocks = {"first": stacks.weight(3, 4), "second": stacks.bias(4)}
    flat = stacks.initial(blocks, 2, SEED)
    parts = stacks.cut(flat, blocks)
    assert torch.equal(stacks.joined(parts, blocks), flat)
    assert parts["first"].abs().max() <= 1 / np.sqrt(3)
    with pytest.raises(ValueError, match="other layers: second is not 1 x 5"):
        stacks.joined(parts, blocks | {"second": stacks.bias(5)})


def recurrent(chains=2, length=4, batch=3, width=5):
    generator = torch.Generator().manual_seed(1)
    shapes = ((chains, length, batch, 3 * width), (chains, width, 3 * width), (chains, 1, 3 * width))
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]


def test_the_gradient_of_the_recurrent_layer_is_that_of_finite_differences():
    assert torch.autograd.gradcheck(recur, recurrent())


def test_the_recurrent_layer_is_torchs_own():
    entering, weight, bias = recurrent(chains=1)
    own = torch.nn.GRU(15, 5).double()
    with torch.no_grad():
        own.weight_ih_l0.copy_(torch.eye(15))
        own.bias_ih_l0.zero_()
        own.weight_hh_l0.copy_(weight[0].T)
        own.bias_hh_l0.copy_(bias[0, 0])
    torch.testing.assert_close(recur(entering, weight, bias)[0], own(entering[0])[0])


def test_one_step_is_one_token_of_the_unrolled_layer():
    entering, weight, bias = (part.detach() for part in recurrent())
    states = recur(entering, weight, bias)
    torch.testing.assert_close(step(states[:, 2], entering[:, 3], weight, bias), states[:, 3])
