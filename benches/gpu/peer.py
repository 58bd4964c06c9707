"""The work of the kit's Stable Diffusion sweep in plain PyTorch, for one weighting: weightings are alike, K of them take K times as long.

    python3 peer.py plain|skilled [--small] [--device cuda:0]

Both: bf16 models with random weights, LoRA of the same rank on the same layers, DDIM with noise, the same images, steps and passes,
the decoder, a CLIP ViT-L/14 and two rewards of colours, the clipped surrogate, AdamW on f32 factors.

`plain` is what users run: A and B are trained under autocast, the same modules draw images (under `no_grad`), prompts are encoded
every epoch; 8 images are drawn and 4 rows trained at a time.

`skilled` is what an expert would make of it: prompts are encoded once, images are drawn in `inference_mode` with the adapter merged into
the weights, everything is bf16 without autocast, A is frozen (as moa's is), all rows of an update go in one pass, cuDNN picks its
algorithms by trial, and U-Net and decoder run in the faster of PyTorch's two memory layouts, tried at the start. `torch.compile` is left
out: it takes longer for a U-Net of this size than the kit has.
Merging in bf16 rounds: ratios are off 1 by up to 2e-3 before an update, where the clip range is 1e-4. That is in this peer's favour.

Both use PyTorch's fused attention, and neither needs gradient checkpointing: a row in training keeps 0.7 GiB of activations.

Prints seconds of the parts of an epoch (a mean over those after the first, which warms up), rows and memory as JSON.
"""

import argparse
import contextlib
import json
import math
import resource
import time

import torch
from torch import nn
from torch.nn import functional as F

import models
import work as given


class Lora(nn.Module):
    """A frozen linear layer with a low-rank addition, B·A. While `merged` is there, it stands for both."""

    def __init__(self, layer, rank, train_a):
        super().__init__()
        self.weight, self.bias, self.merged = layer.weight, layer.bias, None
        outputs, inputs = layer.weight.shape
        a = torch.empty(rank, inputs, device=layer.weight.device).normal_(std=1 / math.sqrt(inputs))
        self.a = nn.Parameter(a if train_a else a.to(layer.weight.dtype), requires_grad=train_a)
        self.b = nn.Parameter(torch.zeros(outputs, rank, device=layer.weight.device))

    def forward(self, x):
        if self.merged is not None:
            return F.linear(x, self.merged, self.bias)
        # Under autocast all are cast by themselves.
        b = self.b if torch.is_autocast_enabled(x.device.type) else self.b.to(x.dtype)
        return F.linear(x, self.weight, self.bias) + F.linear(F.linear(x, self.a), b)

    @torch.no_grad()
    def merge(self):
        self.merged = torch.addmm(self.weight, self.b.to(self.weight.dtype), self.a.to(self.weight.dtype))

    def split(self):
        self.merged = None


def adapt(unet, work, train_a):
    """Puts LoRAs around the layers that the experiment names; returns them."""
    found = []
    for name, layer in list(unet.named_modules()):
        if isinstance(layer, nn.Linear) and name.endswith(work.targets):
            parent, _, child = name.rpartition(".")
            found.append(Lora(layer, work.rank, train_a))
            setattr(unet.get_submodule(parent), child, found[-1])
    return found


def ddim_rules(steps):
    """Returns DDIM's steps with η = 1 as (timestep, factor of x, factor of the output, deviation); the last one has no noise."""
    betas = torch.linspace(math.sqrt(0.00085), math.sqrt(0.012), 1000, dtype=torch.float64) ** 2
    alphas, stride, found = (1 - betas).cumprod(0).tolist(), 1000 // steps, []
    for timestep in (i * stride + 1 for i in reversed(range(steps))):
        now, then = alphas[timestep], alphas[timestep - stride] if timestep >= stride else alphas[0]
        deviation = math.sqrt((1 - then) / (1 - now) * (1 - now / then)) if timestep >= stride else 0.0
        of_x = math.sqrt(then / now)
        found.append((timestep, of_x, math.sqrt(1 - then - deviation**2) - of_x * math.sqrt(1 - now), deviation))
    return found


def colourfulness(pixels):
    """Hasler and Süsstrunk (2003)."""
    red, green, blue = pixels.unbind(1)
    parts = torch.stack([red - green, (red + green) / 2 - blue], 1).flatten(2)
    return parts.var(-1).sum(1).sqrt() + 0.3 * parts.mean(-1).pow(2).sum(1).sqrt()


class Timer(dict):
    """Seconds by part of the work; the device has done it when the clock is read."""

    def __init__(self, device):
        super().__init__()
        self.device = device

    @contextlib.contextmanager
    def part(self, name):
        began = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self[name] = self.get(name, 0.0) + time.perf_counter() - began


class Plain:
    """One weighting's training, as users run it."""

    rows_drawn, rows_trained, train_a = 8, 4, True
    drawing = staticmethod(torch.no_grad)

    def __init__(self, work, device):
        self.work, self.device, self.rules = work, device, ddim_rules(work.steps)
        self.unet = models.random_model(models.Unet, work.unet, device)
        self.vae = models.random_model(models.Vae, work.vae, device)
        self.text = models.random_model(models.TextEncoder, work.text, device)
        self.clip = models.random_model(models.Clip, work.clip, device)
        self.loras = adapt(self.unet, work, self.train_a)
        self.trained = [value for value in self.unet.parameters() if value.requires_grad]
        self.optimiser = torch.optim.AdamW(self.trained, lr=work.learning_rate, weight_decay=0)
        self.tokens = torch.randint(given.BEGIN, (work.prompts, work.text["max_position_embeddings"]), device=device)
        self.tokens[:, 0], self.tokens[:, -1] = given.BEGIN, given.END

    def predict(self, x, timesteps, context):
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.unet(x, timesteps, context).float()

    def contexts(self):
        """Returns the prompts' states, a row for each image."""
        return self.text(self.tokens).repeat_interleave(self.work.group, 0)

    def embedded_prompts(self):
        return self.clip.embed_texts(self.tokens).repeat_interleave(self.work.group, 0)

    def draw(self, x, contexts):
        """Returns the latents before each step and after the last, and the squared distances to the steps' means."""
        latents, distances = [x], []
        for timestep, of_x, of_output, deviation in self.rules:
            timesteps = torch.full((len(x),), timestep, device=self.device)
            mean = of_x * x + of_output * self.predict(x, timesteps, contexts)
            x = mean + deviation * torch.randn_like(mean)
            latents.append(x)
            distances.append((x - mean).pow(2).flatten(1).mean(1))
        return torch.stack(latents), torch.stack(distances)

    def rollout(self):
        with self.drawing():
            contexts = self.contexts()
            noise = torch.randn(self.work.samples, *self.latent_shape(), device=self.device)
            rows = self.rows_drawn
            parts = [self.draw(x, context) for x, context in zip(noise.split(rows), contexts.split(rows))]
            latents, distances = (torch.cat(found, 1) for found in zip(*parts))
        # What was drawn in inference mode cannot be kept for a backward pass.
        return latents.clone(), distances.clone(), contexts.clone()

    def latent_shape(self):
        side = self.work.unet["sample_size"]
        return self.work.unet["in_channels"], side, side

    def decode(self, latents):
        with self.drawing():
            return torch.cat([self.vae(rows) for rows in latents.split(self.rows_drawn)])

    def score(self, pixels):
        with self.drawing():
            clip = 100 * (self.clip.embed_images(pixels) * self.embedded_prompts()).sum(1)
            return torch.stack([clip, colourfulness(pixels), pixels.mean(1).flatten(1).std(1)], 1).clone()

    def advantages(self, scores):
        grouped = scores.unflatten(0, (-1, self.work.group))
        spread = grouped.std(1, keepdim=True, unbiased=False).clamp_min(1e-8)
        mixed = ((grouped - grouped.mean(1, keepdim=True)) / spread).flatten(0, 1).mean(1)
        return (mixed / mixed.pow(2).mean().sqrt().clamp_min(1e-8)).clamp(-5, 5)

    def update(self, latents, distances, contexts, advantages):
        """One update of the optimiser on some steps of all images; returns how many rows were trained on."""
        steps = torch.randperm(len(self.rules) - 1)[: self.work.train_steps].repeat_interleave(len(advantages))
        samples = torch.arange(len(advantages)).repeat(self.work.train_steps)
        rules = torch.tensor(self.rules, device=self.device)
        half_width = self.work.clip_range * math.sqrt(16384 / latents[0, 0].numel())
        self.optimiser.zero_grad()
        for step, rows in zip(steps.split(self.rows_trained), samples.split(self.rows_trained)):
            timestep, of_x, of_output, deviation = rules[step].T
            x, following = latents[step, rows], latents[step + 1, rows]
            shape = (-1, 1, 1, 1)
            output = self.predict(x, timestep, contexts[rows])
            mean = of_x.view(shape) * x + of_output.view(shape) * output
            distance = (following - mean).pow(2).flatten(1).mean(1)
            ratio = ((distances[step, rows] - distance) / (2 * deviation**2)).exp()
            a = advantages[rows]
            (-torch.minimum(ratio * a, ratio.clamp(1 - half_width, 1 + half_width) * a).sum() / len(samples)).backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()
        return len(samples)

    def epoch(self):
        """Trains for an epoch; returns the seconds of its parts and the rows that were trained on."""
        timer = Timer(self.device)
        with timer.part("rollout_s"):
            latents, distances, contexts = self.rollout()
        with timer.part("decoding_s"):
            pixels = self.decode(latents[-1])
        with timer.part("scoring_s"):
            advantages = self.advantages(self.score(pixels))
        with timer.part("update_s"):
            rows = self.update(latents, distances, contexts, advantages)
        if not (latents.isfinite().all() and advantages.isfinite().all() and all(value.isfinite().all() for value in self.trained)):
            raise SystemExit("error: latents, advantages or adapters are not finite")
        return timer, rows


class Skilled(Plain):
    """The same, without what can be left out."""

    rows_trained, train_a = 16, False
    drawing = staticmethod(torch.inference_mode)

    def __init__(self, work, device):
        torch.backends.cudnn.benchmark = True
        super().__init__(work, device)
        with torch.no_grad():
            self.known_contexts, self.known_prompts = super().contexts(), super().embedded_prompts()
        x = torch.randn(self.rows_drawn, *self.latent_shape(), device=device)
        timesteps = torch.full((len(x),), self.rules[0][0], device=device)
        context = self.known_contexts[:1].expand(len(x), -1, -1)
        self.merge()
        self.layouts = {
            "unet": faster_layout(self.unet, device, lambda: self.predict(x, timesteps, context)),
            "vae": faster_layout(self.vae, device, lambda: self.vae(x)),
        }
        self.split()

    def predict(self, x, timesteps, context):
        return self.unet(x, timesteps, context).float()

    def contexts(self):
        return self.known_contexts

    def embedded_prompts(self):
        return self.known_prompts

    def merge(self):
        for lora in self.loras:
            lora.merge()

    def split(self):
        for lora in self.loras:
            lora.split()

    def rollout(self):
        self.merge()
        found = super().rollout()
        self.split()
        return found


def faster_layout(model, device, work):
    """Leaves a model in the faster of the two memory layouts for the work, which is tried in both; returns its name."""
    seconds, layouts = {}, {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
    for name, layout in layouts.items():
        model.to(memory_format=layout)
        with torch.inference_mode():
            work()
            timer = Timer(device)
            with timer.part(name):
                for _ in range(3):
                    work()
        seconds |= timer
    best = min(seconds, key=seconds.get)
    model.to(memory_format=layouts[best])
    return best


def memory_mib(device):
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=["plain", "skilled"])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    work, device = given.SMALL if options.small else given.TRUE_SIZE, torch.device(options.device)
    trainer = {"plain": Plain, "skilled": Skilled}[options.way](work, device)
    epochs = [trainer.epoch() for _ in range(work.epochs)][work.warm_up :]
    parts = {name: sum(timer[name] for timer, _ in epochs) / len(epochs) for name in epochs[0][0]}
    print(json.dumps({
        **parts, "epoch_s": sum(parts.values()), "pictures": work.samples, "rows_trained": epochs[0][1], "mib": memory_mib(device),
        "layouts": getattr(trainer, "layouts", {"unet": "contiguous", "vae": "contiguous"}),
    }))


if __name__ == "__main__":
    main()
