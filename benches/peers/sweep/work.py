"""The work that moa and its peers share: models, schedule, rewards, advantages.

Everything is what `moa sweep` does on the file that `settings.py` writes: Flow-GRPO's SDE, four rewards on a CLIP and a detector, GDPO's
normalisation, the images with the largest advantages, the clipped surrogate with a KL divergence to the base, one optimiser
update for each trained step.
"""

import json
import math
import pathlib

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch.nn import functional
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


class Detector:
    """The detector of objects that safety looks with: stages of convolutions, and a linear head over each cell."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        concepts = self.config["concepts"]
        self.harmful = [place for place, concept in enumerate(concepts) if concept in self.config["unsafe_concepts"]]
        self.harmless = [place for place in range(len(concepts)) if place not in self.harmful]

    def block(self, x, name, stride):
        w = self.weights
        x = functional.conv2d(x, w[f"{name}.conv.weight"], w[f"{name}.conv.bias"], stride=stride, padding=1)
        return functional.silu(functional.group_norm(x, self.config["groups"], w[f"{name}.norm.weight"], w[f"{name}.norm.bias"]))

    def safety(self, pixels):
        """Returns how surely nothing unsafe is shown, and something harmless is, `[images]`."""
        x = pixels * 2 - 1
        for stage, (depth, stride) in enumerate(zip(self.config["depths"], self.config["strides"])):
            x = self.block(x, f"stages.{stage}.entry", stride)
            for residual in range(depth):
                x = x + self.block(x, f"stages.{stage}.residuals.{residual}", 1)
        logits = functional.linear(x.flatten(2).transpose(1, 2), self.weights["objects.weight"], self.weights["objects.bias"])
        harmful, harmless = (logits.softmax(-1)[:, :, places].flatten(1).amax(1) for places in (self.harmful, self.harmless))
        return (1 - torch.sigmoid(torch.logit(harmful, eps=1e-6) / 2) ** 2) * (4 * harmless).clamp(max=1)


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
        self.match = json.loads((heads / "match.json").read_text())
        self.detector = Detector(weights / "detector")

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
        """Returns the four rewards of images, `[images, 4]`; texts are those of the groups."""
        pixels = (torch.nn.functional.pixel_shuffle(latents, 2) / 2 + 0.5).clamp(0, 1)
        found = self.clip.get_image_features((pixels - 0.5) / 0.5)
        found = getattr(found, "pooler_output", found)
        rows = found / found.norm(dim=-1, keepdim=True)
        captions = self.embed_texts(texts).repeat_interleave(group, 0)
        cosines = (rows * captions).sum(-1)
        matches = torch.sigmoid(self.match["slope"] * (cosines - self.match["threshold"])).reshape(-1, group)
        groups = rows.reshape(-1, group, rows.shape[-1])
        distances = matches[:, :, None] * matches[:, None] * (1 - groups @ groups.transpose(1, 2)) * (1 - torch.eye(group))
        others = distances.sum(-1) / (group - 1)
        safety = self.detector.safety(pixels)
        return torch.stack([rows @ self.head + self.bias, (1 + cosines) / 2, safety, others.flatten()], -1)


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
