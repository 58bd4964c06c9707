"""The work that moa and its peers share: models, schedule, rewards, advantages.

Everything is what `moa sweep` does on `experiments/pareto.ron`: Flow-GRPO's SDE, four rewards on one CLIP, GDPO's
normalisation, the pictures with the largest advantages, the clipped surrogate with a KL divergence to the base, one optimiser
update for each trained step.
"""

import json
import math
import pathlib

import torch
from diffusers import UNet2DConditionModel
from transformers import AutoTokenizer, CLIPModel, CLIPTextModel

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


def model_folders(arguments):
    """Returns the folders of the exported base model and of the rewards' weights."""
    return pathlib.Path(arguments.base), pathlib.Path(arguments.weights)
