"""The AND gate trained by a hand-written PyTorch loop, as one would write it without playground."""

import torch

torch.manual_seed(0)
inputs = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
targets = torch.tensor([[1.0], [0.0], [0.0], [0.0]])


def train(steps: int = 1000) -> list[float]:
    """Return the loss of every step."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = torch.nn.MSELoss()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(train()[-1])
