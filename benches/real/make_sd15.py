"""Writes a folder with Stable Diffusion 1.5's exact architecture and random weights, as diffusers saves it: nothing is downloaded.

    HF_HUB_OFFLINE=1 python make_sd15.py FOLDER

The tokenizer has CLIP's size and layout (49,408 entries), with made-up merges: prompts become as many tokens as their letters ask
for, not CLIP's. Weights are half precision (2.1 GB). They are drawn, not trained: images are noise, but time and memory are the
real model's. The U-Net's output is scaled so that sampling stays finite.

Ran on torch 2.9.0, diffusers 0.42.1, transformers 5.24.
"""

import argparse
import json
import pathlib
import string

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

ENTRIES = 49408
MERGES = ENTRIES - 2 * 256 - 2


def bytes_to_letters():
    """The printable stand-ins of CLIP's 256 bytes, in its order."""
    kept = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in kept]
    return [chr(byte) for byte in kept] + [chr(256 + place) for place in range(len(others))]


def write_tokenizer(folder):
    """Writes `vocab.json` and `merges.txt`: single bytes, bytes that end words, made-up merges, start and end."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = bytes_to_letters()
    vocabulary = letters + [letter + "</w>" for letter in letters]
    merges, words = [], list(string.ascii_lowercase)
    known = set(vocabulary)
    for word in words:  # grows while it is walked: words of one letter, then of two, …
        for letter in string.ascii_lowercase:
            for left, right in [(word, letter), (word, letter + "</w>")]:
                if left + right not in known and len(merges) < MERGES:
                    known.add(left + right)
                    merges.append((left, right))
                    vocabulary.append(left + right)
            words.append(word + letter)
        if len(merges) == MERGES:
            break
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    assert len(vocabulary) == ENTRIES == len(set(vocabulary))
    (folder / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(vocabulary)}, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    settings = {
        "add_prefix_space": False,
        "bos_token": "<|startoftext|>",
        "do_lower_case": True,
        "eos_token": "<|endoftext|>",
        "errors": "replace",
        "model_max_length": 77,
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    torch.manual_seed(0)
    write_tokenizer(folder / "tokenizer")

    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    with torch.no_grad():
        unet.conv_out.weight.mul_(0.1)
    print("U-Net", sum(value.numel() for value in unet.parameters()))
    unet.half().save_pretrained(folder / "unet")

    levels = 4
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        latent_channels=4,
        layers_per_block=2,
        sample_size=512,
    )
    print("VAE", sum(value.numel() for value in vae.parameters()))
    vae.half().save_pretrained(folder / "vae")

    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=ENTRIES,
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
            projection_dim=768,
            bos_token_id=ENTRIES - 2,
            eos_token_id=ENTRIES - 1,
        )
    )
    print("text encoder", sum(value.numel() for value in text.parameters()))
    text.half().save_pretrained(folder / "text_encoder")

    DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))


if __name__ == "__main__":
    main()
