import torch

from playground.core.seeding import derive_seed, make_generator, seed_torch

CPU = torch.device("cpu")


def test_a_module_built_inside_has_the_numbers_of_manual_seed() -> None:
    with seed_torch(7, CPU):
        ours = torch.nn.Linear(3, 2)
    torch.manual_seed(7)
    theirs = torch.nn.Linear(3, 2)
    assert torch.equal(ours.weight, theirs.weight)


def test_the_callers_stream_goes_on_as_if_nothing_had_been() -> None:
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    with seed_torch(99, CPU):
        torch.rand(100)
    assert torch.equal(torch.rand(4), expected)


def test_streams_are_independent_and_repeatable() -> None:
    seeds = {derive_seed(seed, stream, epoch) for seed in range(20) for stream in ("a", "b") for epoch in range(20)}
    assert len(seeds) == 800
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert torch.equal(torch.rand(3, generator=make_generator(0, "x")), torch.rand(3, generator=make_generator(0, "x")))
    assert derive_seed(0, "batches", 1) == 7893778469664959987, "changing this changes every stored run"
