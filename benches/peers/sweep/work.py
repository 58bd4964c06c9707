"""The work that moa and its peers share: settings, models, schedule, rewards, advantages.

Everything is what `moa sweep` does on `experiments/pareto.ron`: Flow-GRPO's SDE, four rewards on one CLIP, GDPO's
normalisation, the pictures with the largest advantages, the clipped surrogate with a KL divergence to the base, one optimiser
update for each trained step.
"""

import dataclasses
import json
import math
import pathlib

import torch
from diffusers import UNet2DConditionModel
from transformers import AutoTokenizer, CLIPModel, CLIPTextModel

REWARDS = ["aesthetics", "alignment", "safety", "diversity"]
OBJECTS = ["cat", "dog", "apple", "banana", "frog", "knife", "beer", "umbrella"]
COLOURS = ["red", "blue", "green"]
HELD_OUT = ["purple"]


@dataclasses.dataclass(frozen=True)
class Settings:
    epochs: int = 4
    prompts_per_epoch: int = 3
    pictures_per_prompt: int = 16
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
        return self.prompts_per_epoch * self.pictures_per_prompt


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


def rules(settings):
    """Returns Flow-GRPO's steps as (timestep, factor of x, factor of the output, deviation); the last one has no noise."""
    sigmas = [1 - i / settings.steps for i in range(settings.steps)] + [0.0]
    found = []
    for index, (sigma, following) in enumerate(zip(sigmas, sigmas[1:])):
        dt = following - sigma
        deviation = settings.noise * math.sqrt(sigma / (1 - (sigmas[1] if sigma >= 1 else sigma)))
        drift = deviation**2 / (2 * sigma) * dt
        last = index + 1 == settings.steps
        found.append((sigma * 1000, 1.0, dt, 0.0) if last else
                     (sigma * 1000, 1 + drift, dt + drift * (1 - sigma), deviation * math.sqrt(-dt)))
    return found


def euler(steps):
    """Returns the deterministic steps of an evaluation."""
    return [((1 - i / steps) * 1000, 1.0, -1 / steps, 0.0) for i in range(steps)]


class Models:
    """The exported base model, and the rewards' CLIP with its heads."""

    def __init__(self, base, weights):
        self.base = base
        self.tokenizer = AutoTokenizer.from_pretrained(base / "tokenizer")
        self.text_encoder = CLIPTextModel.from_pretrained(base / "text_encoder", dtype=torch.float32).eval()
        self.clip = CLIPModel.from_pretrained(weights / "clip", dtype=torch.float32).eval()
        self.text_encoder.requires_grad_(False)
        self.clip.requires_grad_(False)
        self.context_length = self.clip.config.text_config.max_position_embeddings
        heads = weights / "heads"
        aesthetics = json.loads((heads / "aesthetics.json").read_text())
        self.head, self.bias = torch.tensor(aesthetics["weights"]), aesthetics["bias"]
        concepts = json.loads((heads / "safety.json").read_text())["concepts"]
        directions = [self.embed_texts(concept["texts"]).mean(0) for concept in concepts]
        self.concepts = torch.stack([direction / direction.norm() for direction in directions])
        self.slopes = torch.tensor([concept["slope"] for concept in concepts])
        self.thresholds = torch.tensor([concept["threshold"] for concept in concepts])

    def unet(self):
        return UNet2DConditionModel.from_pretrained(self.base / "unet", torch_dtype=torch.float32).eval()

    def tokens(self, texts):
        return self.tokenizer(texts, padding="max_length", max_length=self.context_length, truncation=True, return_tensors="pt")

    @torch.no_grad()
    def encode(self, texts):
        return self.text_encoder(self.tokens(texts).input_ids).last_hidden_state

    @torch.no_grad()
    def embed_texts(self, texts):
        found = self.clip.get_text_features(**self.tokens(texts))
        found = getattr(found, "pooler_output", found)
        return found / found.norm(dim=-1, keepdim=True)

    @torch.no_grad()
    def scores(self, latents, texts, group):
        """Returns the four rewards of pictures, `[pictures, 4]`; texts are those of the groups."""
        pixels = (torch.nn.functional.pixel_shuffle(latents, 2) / 2 + 0.5).clamp(0, 1)
        found = self.clip.get_image_features((pixels - 0.5) / 0.5)
        found = getattr(found, "pooler_output", found)
        rows = found / found.norm(dim=-1, keepdim=True)
        captions = self.embed_texts(texts).repeat_interleave(group, 0)
        unsafe = torch.sigmoid(self.slopes * (rows @ self.concepts.T - self.thresholds))
        groups = rows.reshape(-1, group, rows.shape[-1])
        others = (1 - groups @ groups.transpose(1, 2)).sum(-1) / (group - 1)
        return torch.stack(
            [rows @ self.head + self.bias, (1 + (rows * captions).sum(-1)) / 2, (1 - unsafe).prod(-1), others.flatten()], -1
        )


def advantages(scores, weighting, group):
    """Returns GDPO's advantages: every reward standardised in its group, weighted, whitened, clamped."""
    grouped = scores.reshape(-1, group, scores.shape[-1])
    deviation = grouped.std(1, keepdim=True, unbiased=False).clamp_min(1e-8)
    standard = ((grouped - grouped.mean(1, keepdim=True)) / deviation).reshape(scores.shape)
    mixed = standard @ torch.tensor(weighting)
    return (mixed / mixed.pow(2).mean().sqrt().clamp_min(1e-8)).clamp(-5, 5)


def clip_range(settings, dims):
    """Returns DDPO's clip range, which was tuned at 16,384 dimensions, at `dims`."""
    return settings.clip * math.sqrt(16384 / dims)


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
        pictures_per_prompt: {settings.pictures_per_prompt},
        train_steps: {settings.train_steps},
        trained_share: {settings.trained_share},
        updates_per_epoch: {settings.train_steps},
        clip: {settings.clip},
        kl: {settings.kl},
        micro_batch: {settings.micro_batch},
    ),
    evaluation: (pictures_per_prompt: {settings.evaluation_pictures}, steps: {settings.steps}),
)
"""


def model_folders(arguments):
    """Returns the folders of the exported base model and of the rewards' weights."""
    return pathlib.Path(arguments.base), pathlib.Path(arguments.weights)
