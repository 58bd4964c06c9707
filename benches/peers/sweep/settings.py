"""The settings of the work that moa and its peers share, and the experiment file that says the same to moa."""

import dataclasses
import json

REWARDS = ["aesthetics", "alignment", "safety", "diversity"]
OBJECTS = ["cat", "dog", "apple", "banana", "frog", "knife", "beer", "umbrella"]
COLOURS = ["red", "blue", "green"]
HELD_OUT = ["purple"]


@dataclasses.dataclass(frozen=True)
class Settings:
    epochs: int = 4
    prompts_per_epoch: int = 3
    images_per_prompt: int = 16
    steps: int = 6
    noise: float = 1.2
    train_steps: int = 5
    trained_share: float = 0.4
    micro_batch: int = 32
    rank: int = 8
    learning_rate: float = 2e-3
    max_grad_norm: float = 1.0
    clip: float = 1e-4
    kl: float = 0.1
    evaluation_pictures: int = 4

    @property
    def samples(self):
        return self.prompts_per_epoch * self.images_per_prompt


def prompts(colours):
    """Returns a prompt for each object and colour."""
    article = lambda word: "an" if word[0] in "aeiou" else "a"
    return [f"{article(thing)} {thing} on a {colour} background" for colour in colours for thing in OBJECTS]


def weightings(count):
    """Returns `count` weightings of the four rewards: the corners, and mixtures after them."""
    found = [[float(i == j) for j in range(4)] for i in range(4)]
    found += [[0.5 * ((i in pair) + 0.0) for i in range(4)] for pair in [(0, 1), (1, 2), (2, 3), (0, 2), (0, 3), (1, 3)]]
    found += [[0.7 if i == j else 0.1 for i in range(4)] for j in range(4)]
    found += [[0.25] * 4, [0.4, 0.3, 0.2, 0.1]]
    return found[:count]


def experiment(settings, count):
    """Returns the experiment file of the same work."""
    shares = ",\n        ".join(
        "{" + ", ".join(f'"{name}": {share}' for name, share in zip(REWARDS, weighting) if share) + "}"
        for weighting in weightings(count)
    )
    listed = lambda texts: "[" + ", ".join(json.dumps(text) for text in texts) + "]"
    return f"""(
    seed: 7,
    prompts: (train: List({listed(prompts(COLOURS))}), held_out: List({listed(prompts(HELD_OUT))})),
    weightings: [List([
        {shares}
    ])],
    rewards: [(kind: Aesthetics), (kind: Alignment), (kind: Safety), (kind: Diversity)],
    soups: [],
    sampler: (kind: FlowSde(noise: {settings.noise}), steps: {settings.steps}),
    lora: (rank: {settings.rank}),
    optimiser: (learning_rate: {settings.learning_rate}, max_grad_norm: {settings.max_grad_norm}),
    training: (
        epochs: {settings.epochs},
        prompts_per_epoch: {settings.prompts_per_epoch},
        images_per_prompt: {settings.images_per_prompt},
        method: PolicyGradient(
            train_steps: {settings.train_steps}, updates_per_epoch: {settings.train_steps}, step_weights: Equal,
            clip: {settings.clip},
        ),
        advantages: (trained_share: {settings.trained_share}),
        probe: (every: 0),
        kl: {settings.kl},
        micro_batch: {settings.micro_batch},
    ),
    evaluation: (images_per_prompt: {settings.evaluation_pictures}, steps: {settings.steps}),
)
"""
