"""One epoch of policy gradient at Stable Diffusion 1.5's size with diffusers and peft: the work of `sd15.ron`, adapter by adapter.

    HF_HUB_OFFLINE=1 python peer.py FOLDER        (a folder of make_sd15.py)

The same numbers of passes: for each of two adapters a rollout of two images, both decoded and scored, one update with gradient
checkpointing on one step; then the evaluation of the base and of both adapters. Weights are widened to f32, as moa does. Rewards are
moa's colourfulness and compressibility. Prints seconds of each part and the peak of memory as JSON.

Ran on torch 2.9.0, diffusers 0.42.1, transformers 5.24, peft 0.21.2.
"""

import argparse
import io
import json
import resource
import time

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from peft import LoraConfig
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

# As in sd15.ron.
ADAPTERS, PICTURES, STEPS, EVALUATED, EVALUATION_STEPS, RANK, MICRO_BATCH = 2, 2, 2, 2, 1, 4, 2


def colourfulness(picture):
    """Hasler and Süsstrunk (2003), of pixels in 0 to 255."""
    red, green, blue = picture * 255
    rg, yb = red - green, (red + green) / 2 - blue
    spread = (rg.var(unbiased=False) + yb.var(unbiased=False)).sqrt()
    return float(spread + 0.3 * (rg.mean() ** 2 + yb.mean() ** 2).sqrt())


def compressibility(picture):
    """Minus the kilobytes of a JPEG of quality 95."""
    pixels = (picture.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return -len(file.getvalue()) / 1000


class Timer(dict):
    """Seconds by part of the work."""

    def __call__(self, part, work, *arguments):
        began = time.perf_counter()
        result = work(*arguments)
        self[part] = self.get(part, 0.0) + time.perf_counter() - began
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    folder = parser.parse_args().folder
    timer, began = Timer(), time.perf_counter()
    torch.manual_seed(0)

    def load():
        wide = {"torch_dtype": torch.float32}
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", **wide)
        vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", **wide)
        text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", dtype=torch.float32)
        for model in [unet, vae, text]:
            model.requires_grad_(False).eval()
        return unet, vae, text, CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")

    unet, vae, text, tokenizer = timer("opening", load)
    layers = [name for name, module in unet.named_modules() if isinstance(module, torch.nn.Linear)]
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=layers, init_lora_weights=True))
    unet.enable_gradient_checkpointing()
    trained = [value for value in unet.parameters() if value.requires_grad]
    scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")

    def encode(prompt):
        tokens = tokenizer([prompt], padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        with torch.no_grad():
            return text(tokens.input_ids)[0]

    context = encode("a red cat").expand(PICTURES, -1, -1)

    def mean_and_deviation(x, timestep, output, eta):
        """The step's Gaussian (Song et al., 2010.02502)."""
        before = timestep - 1000 // scheduler.num_inference_steps
        now = scheduler.alphas_cumprod[timestep]
        then = scheduler.alphas_cumprod[before] if before >= 0 else scheduler.final_alpha_cumprod
        variance = (1 - then) / (1 - now) * (1 - now / then)
        deviation = eta * variance.sqrt()
        clean = (x - (1 - now).sqrt() * output) / now.sqrt()
        return then.sqrt() * clean + (1 - then - deviation**2).clamp(min=0).sqrt() * output, deviation

    @torch.no_grad()
    def sample(steps, count, eta):
        scheduler.set_timesteps(steps)
        x, kept = torch.randn(count, 4, 64, 64), []
        for timestep in scheduler.timesteps.tolist():
            parts = [unet(part, timestep, context[: len(part)]).sample for part in x.split(MICRO_BATCH)]
            mean, deviation = mean_and_deviation(x, timestep, torch.cat(parts), eta)
            following = mean + deviation * torch.randn_like(mean)
            kept.append((timestep, x, following, (following - mean).pow(2).flatten(1).mean(1)))
            x = following
        return x, kept

    @torch.no_grad()
    def decode(latents):
        return [vae.decode(one[None] / vae.config.scaling_factor).sample[0].div(2).add(0.5).clamp(0, 1) for one in latents]

    def score(pictures):
        return torch.tensor([[colourfulness(picture), compressibility(picture)] for picture in pictures])

    def update(kept, gains, optimiser):
        unet.train()
        timestep, x, following, old = kept[0]
        for rows in torch.arange(len(x)).split(MICRO_BATCH):
            output = unet(x[rows], timestep, context[: len(rows)]).sample
            mean, deviation = mean_and_deviation(x[rows], timestep, output, 1.0)
            distance = (following[rows] - mean).pow(2).flatten(1).mean(1)
            ratio = ((old[rows] - distance) / (2 * deviation**2)).exp()
            a = gains[rows]
            (-torch.minimum(ratio * a, ratio.clamp(1 - 1e-4, 1 + 1e-4) * a).sum() / len(x)).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        unet.eval()

    start = [value.detach().clone() for value in trained]
    unet.disable_adapters()
    timer("scoring", score, timer("decoding", decode, timer("evaluation", sample, EVALUATION_STEPS, EVALUATED, 0.0)[0]))
    unet.enable_adapters()
    for weighting in torch.eye(ADAPTERS):
        with torch.no_grad():
            for value, first in zip(trained, start):
                value.copy_(first)
        optimiser = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0)
        latents, kept = timer("rollout", sample, STEPS, PICTURES, 1.0)
        scores = timer("scoring", score, timer("decoding", decode, latents))
        gains = ((scores - scores.mean(0)) / (scores.std(0, unbiased=False) + 1e-4) * weighting).sum(1)
        timer("update", update, kept, gains, optimiser)
        timer("scoring", score, timer("decoding", decode, timer("evaluation", sample, EVALUATION_STEPS, EVALUATED, 0.0)[0]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = {part: round(spent, 1) for part, spent in timer.items()}
    print(json.dumps({"seconds": round(time.perf_counter() - began, 1), "mebibytes": round(peak), **seconds}))


if __name__ == "__main__":
    main()
