"""Writes a Stable Diffusion 1.5 and a CLIP ViT-L/14 with random weights in bf16, by torch alone.

    python3 checkpoint.py FOLDER [--small] [--device cuda:0]

FOLDER gets `sd15/` in diffusers' layout and `clip/` in transformers'. Sizes are the real ones (`--small`: tiny), so time and memory
are; images are noise. The tokenizer knows single bytes, so a prompt has a token for each letter. The VAE's encoder is left out: nothing
encodes images here.
"""

import argparse
import json
import pathlib

import torch

import models
import work as given


def map_safetensors(path, model):
    """Writes the header for all keys of a model; returns the file's numbers, mapped into memory, in the order of the keys."""
    tensors, header, end = model.state_dict(), {}, 0
    for name, tensor in tensors.items():
        size = 2 * tensor.numel()
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(start + end)
    return torch.from_file(str(path), shared=True, size=start + end, dtype=torch.uint8)[start:].view(torch.bfloat16)


def write_model(folder, name, kind, config, device):
    """Writes `config.json` and the weights; returns how many parameters there are."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    with torch.device("meta"):
        model = kind(config)
    file, count = map_safetensors(folder / f"{name}.safetensors", model), 0
    for key, tensor in model.state_dict().items():
        drawn = models.fill(key, torch.empty(tensor.shape, dtype=torch.bfloat16, device=device))
        file[count : count + tensor.numel()].copy_(drawn.flatten())
        count += tensor.numel()
    return count


def write_tokenizer(folder):
    """Writes a tokenizer of CLIP's kind without merges: single bytes, bytes that end words, begin and end of text."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [chr(byte) for byte in plain] + [chr(256 + place) for place in range(256 - len(plain))]
    words = letters + [letter + "</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    assert words.index("<|startoftext|>") == given.BEGIN and words.index("<|endoftext|>") == given.END
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": "<|startoftext|>"}
    settings |= {field: "<|endoftext|>" for field in ("eos_token", "pad_token", "unk_token")}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def write_pipeline(folder, work, device):
    """Writes Stable Diffusion; returns the parameters of its parts."""
    counts = {
        "unet": write_model(folder / "unet", "diffusion_pytorch_model", models.Unet, work.unet, device),
        "vae": write_model(folder / "vae", "diffusion_pytorch_model", models.Vae, work.vae, device),
        "text_encoder": write_model(folder / "text_encoder", "model", models.TextEncoder, work.text, device),
    }
    write_tokenizer(folder / "tokenizer")
    scheduler = {
        "_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000, "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1, "prediction_type": "epsilon",
    }
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler, indent=2))
    index = {
        "_class_name": "StableDiffusionPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))
    return counts


def write_clip(folder, work, device):
    """Writes the CLIP of the reward; returns its parameters."""
    count = write_model(folder, "model", models.Clip, work.clip, device)
    write_tokenizer(folder)
    side = work.clip["vision_config"]["image_size"]
    processor = {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side},
        "resample": 3, "image_mean": models.MEAN, "image_std": models.DEVIATION,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2))
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    work = given.SMALL if options.small else given.TRUE_SIZE
    counts = write_pipeline(options.folder / "sd15", work, options.device)
    counts["clip"] = write_clip(options.folder / "clip", work, options.device)
    print(json.dumps({"parameters": counts}))


if __name__ == "__main__":
    main()
