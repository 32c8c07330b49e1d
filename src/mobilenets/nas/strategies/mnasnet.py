"""MnasNet's controller: a recurrent policy over the sequence of decisions, trained by PPO on the reward.

Tan et al. 2018, arXiv 1807.11626, section 4.2: networks are sequences of tokens, which a recurrent network
samples one after another, as in NASNet (Zoph et al. 2017, arXiv 1707.07012), and proximal policy optimisation
(Schulman et al. 2017, arXiv 1707.06347, equation 7) makes those with a high reward likelier. The paper gives
no learning rate, clipping, baseline or size, and spends thousands of trainings, where a search here has a few
hundred. Three things make it learn from as few:

- Advantages are ranks among all trials so far, which takes the place of a baseline: the unit of the reward
  and single very bad networks do not matter.
- An update looks at all trials so far, not at the last batch alone. Every decision is an action with a ratio
  of its own, and what the ratios compare with is the policy as the update finds it, whoever proposed the
  trial: so no update moves far, and nothing but the trials has to be kept.
- What is known is drawn again, from an ever softer policy.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mobilenets.nas.space import Genotype
from mobilenets.nas.strategies.reinforce import SOFTENING, chosen
from mobilenets.nas.strategies.strategy import Problem, Strategy, Told

EMBEDDING = 16
HIDDEN = 32
SPREAD = 0.1  # first weights are within this of 0; those of the choices are 0, so that all are equally likely
RATE = 1e-2
CLIP = 0.2
ENTROPY = 1e-3
BATCH = 10  # trials that end between updates
EPOCHS = 4
AT_MOST = 256  # trials that an epoch looks at
NORM = 1.0  # of gradients, at most
DRAWS = 64  # at a time, of which the first that is not known is proposed
WEIGHTS, UPDATES = 1, 2  # what the random numbers of a seed are for, beside trials'


class Policy(nn.Module):
    """How likely every choice is after the ones before it: one layer of LSTM, given the last choice."""

    def __init__(self, counts: Sequence[int], seed: int) -> None:
        """`counts` are the options of every decision. Draws nothing from torch's global generator."""
        super().__init__()
        with torch.device("meta"):  # layers fill their weights from the global generator where there are any
            self.embedding = nn.Embedding(sum(counts) + 1, EMBEDDING, dtype=torch.float64)
            self.lstm = nn.LSTM(EMBEDDING, HIDDEN, batch_first=True, dtype=torch.float64)
            self.weight = nn.Parameter(torch.empty(len(counts), HIDDEN, max(counts), dtype=torch.float64))
            self.bias = nn.Parameter(torch.empty(len(counts), max(counts), dtype=torch.float64))
        self.to_empty(device="cpu")
        sizes = torch.tensor(counts)
        self.offsets = sizes.cumsum(0) - sizes
        self.start = sum(counts)  # the token before the first choice
        absent = torch.arange(max(counts)) >= sizes[:, None]
        self.mask = torch.zeros(absent.shape, dtype=torch.float64).masked_fill(absent, -torch.inf)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.weight.zero_()
            self.bias.zero_()
            for parameter in (*self.embedding.parameters(), *self.lstm.parameters()):
                parameter.uniform_(-SPREAD, SPREAD, generator=generator)

    def forward(self, choices: Tensor) -> Tensor:
        """Log-probabilities (n, decisions, options) of options after the choices (n, decisions) before."""
        start = choices.new_full((len(choices), 1), self.start)
        tokens = torch.cat([start, (choices + self.offsets)[:, :-1]], 1)
        states, _ = self.lstm(self.embedding(tokens))
        logits = torch.einsum("ndh,dho->ndo", states, self.weight) + self.bias + self.mask
        return torch.log_softmax(logits, -1)

    def draw(self, chance: np.random.Generator, count: int, softening: float = 1.0) -> list[Genotype]:
        """Choices drawn one after another, by logits that are divided by `softening`.

        In numpy, which is several times as quick as torch for a few rows at a time.
        """
        weight, bias, mask = (one.detach().numpy() for one in (self.weight, self.bias, self.mask))
        inputs, inner = self._gates()
        drawn = np.empty((count, len(bias)), dtype=int)
        token, state, memory = np.full(count, self.start), np.zeros((count, HIDDEN)), 0.0
        for k, uniform in enumerate(chance.random((len(bias), count, 1))):
            into, forget, new, out = np.split(inputs[token] + state @ inner, 4, axis=1)
            memory = _sigmoid(forget) * memory + _sigmoid(into) * np.tanh(new)
            state = _sigmoid(out) * np.tanh(memory)
            drawn[:, k] = chosen((state @ weight[k] + bias[k] + mask[k]) / softening, uniform)
            token = drawn[:, k] + int(self.offsets[k])
        return [tuple(one) for one in drawn.tolist()]

    def _gates(self) -> tuple[np.ndarray, np.ndarray]:
        """What tokens (tokens, 4 * HIDDEN) and the state (HIDDEN, 4 * HIDDEN) add to the LSTM's gates."""
        part = {name: one.detach().numpy() for name, one in self.lstm.named_parameters()}
        tokens = self.embedding.weight.detach().numpy() @ part["weight_ih_l0"].T
        return tokens + part["bias_ih_l0"] + part["bias_hh_l0"], part["weight_hh_l0"].T


def _sigmoid(values: np.ndarray) -> np.ndarray:
    """The logistic function, which does not overflow in this form."""
    found: np.ndarray = 0.5 + 0.5 * np.tanh(0.5 * values)
    return found


class MnasNet(Strategy):
    """Networks drawn from a recurrent policy that learns from rewards."""

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        super().__init__(problem, seed)
        counts = [len(decision.options) for decision in problem.space.decisions]
        first = int(np.random.default_rng([seed, 0, WEIGHTS]).integers(2**62))
        self.policy = Policy(counts, first)
        self._optimizer = torch.optim.Adam(self.policy.parameters(), lr=RATE, foreach=False)

    def ask(self, number: int, pending: Sequence[Genotype] = ()) -> Genotype:
        """As `Strategy.ask`."""
        chance = self.chance(number)
        return self.fresh(self._draws(chance), self.taken(pending), chance)

    def tell(self, trial: Told) -> None:
        """As `Strategy.tell`. The policy learns when enough trials ended since it last did."""
        super().tell(trial)
        if len(self.told) % BATCH == 0:
            with torch.enable_grad():
                self._update()

    def _draws(self, chance: np.random.Generator) -> Iterator[Genotype]:
        """What the policy would try, then what an ever softer one would."""
        for softening in SOFTENING:
            yield from self.policy.draw(chance, DRAWS, softening)

    def _update(self) -> None:
        """Some steps on all trials so far; failed ones are the worst."""
        choices = torch.tensor([self.canonical(trial.genotype) for trial in self.told])
        worth = torch.from_numpy(advantages([self.reward(trial) for trial in self.told]))
        chance = np.random.default_rng([self.seed, len(self.told), UPDATES])
        with torch.no_grad():
            before = self.policy(choices)
        for _ in range(EPOCHS):
            some = torch.from_numpy(np.sort(chance.permutation(len(choices))[:AT_MOST]))
            loss = ppo_loss(self.policy(choices[some]), before[some], choices[some], worth[some])
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.policy.parameters(), NORM, foreach=False)
            self._optimizer.step()


def ppo_loss(now: Tensor, before: Tensor, choices: Tensor, worth: Tensor) -> Tensor:
    """The clipped loss, less a bonus for entropy: a scalar, the mean over trials and decisions.

    Log-probabilities (n, decisions, options) of the policy and of the one before the update, the choices
    (n, decisions) that were tried and their advantages (n,). Schulman et al. 2017, equations 7 and 9.
    """
    chosen = choices[..., None]
    ratio = (now.gather(2, chosen) - before.gather(2, chosen)).exp()[..., 0]
    gain = torch.minimum(ratio * worth[:, None], ratio.clamp(1 - CLIP, 1 + CLIP) * worth[:, None])
    finite = now.masked_fill(now == -torch.inf, 0.0)  # options that a decision lacks
    entropy = -(now.exp() * finite).sum(-1)
    return -gain.mean() - ENTROPY * entropy.mean()


def advantages(rewards: Sequence[float]) -> np.ndarray:
    """Ranks (n,) of rewards with mean 0 and variance 1; equal ones share a rank."""
    _, place, counts = np.unique(np.asarray(rewards, dtype=float), return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    ranks: np.ndarray = middle[place] - middle[place].mean()
    return ranks / (ranks.std() or 1.0)
