"""A plain torch model trained by Equilibrium Propagation: no loss, no backward().

    python examples/torch_model.py

The model settles freely, settles again while its output is pulled towards the target, and each weight
learns from what it sees at its two ends; Muon orthogonalises the steps. `model(x)` is used as ever.
"""

import torch
from torch import nn

import mep_neuro as mep


def main(epochs: int = 8, batch: int = 64) -> dict[str, float]:
    data = mep.load_data("digits")  # of scikit-learn, nothing is downloaded
    x, y = torch.from_numpy(data.x_train).float(), torch.from_numpy(data.y_train)
    x_test, y_test = torch.from_numpy(data.x_test).float(), torch.from_numpy(data.y_test)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = mep.smep(model.parameters(), model, lr=0.05, beta=0.5)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=epochs)

    figures = {"untrained": accuracy(model, x_test, y_test)}
    for epoch in range(epochs):
        order = torch.randperm(len(x)).split(batch)
        costs = [optimizer.step(x=x[rows], target=y[rows]) for rows in order]
        schedule.step()
        figures["accuracy"] = accuracy(model, x_test, y_test)
        mean = sum(costs) / len(costs)
        print(f"epoch {epoch + 1}: mean cost {mean:.3f}, held-out accuracy {figures['accuracy']:.3f}")
    return figures


def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


if __name__ == "__main__":
    main()
