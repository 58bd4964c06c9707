"""Times peft's add_weighted_adapter on the files that `benches/merge.rs` has written, from files to a file.

    python benches/peers/merge_peft.py FOLDER        (peft 0.21.2, torch 2.9.0)

The model's layers are made beforehand and not counted. Files are in the page cache; the medians of several rounds.
"""

import json
import pathlib
import statistics
import sys
import tempfile
import time

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

ROUNDS = 3


def build(shapes):
    """Returns a module tree that has linear layers of these shapes under these names."""
    root = torch.nn.Module()
    for name, (d_in, d_out) in shapes.items():
        module = root
        *path, last = name.split(".")
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, torch.nn.Module())
            module = getattr(module, part)
        module.add_module(last, torch.nn.Linear(d_in, d_out, bias=False))
    return root


def once(model, sources, settings):
    began = time.perf_counter()
    names = [f"a{index}" for index in range(len(sources))]
    for name, source in zip(names, sources):
        model.load_adapter(source, adapter_name=name)
    model.add_weighted_adapter(names, [1 / len(names)] * len(names), adapter_name="merged", **settings)
    with tempfile.TemporaryDirectory() as out:
        model.save_pretrained(out, selected_adapters=["merged"])
    took = time.perf_counter() - began
    for name in [*names, "merged"]:
        model.delete_adapter(name)
    return took


def main():
    folder = pathlib.Path(sys.argv[1])
    print(f"peft on {torch.get_num_threads()} threads")
    for precision in ["f32", "f16"]:
        for kind, title, settings, rounds in [
            ("own", "linear (inexact)", dict(combination_type="linear"), ROUNDS),
            ("own", "mean by concatenation", dict(combination_type="cat"), ROUNDS),
            ("own", "mean by SVD, rank 16", dict(combination_type="svd", svd_rank=16), 1),
        ]:
            sources = sorted((folder / precision).glob(f"{kind}-*"))
            tensors = load_file(sources[0] / "adapter_model.safetensors")
            prefix, a, b = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
            names = [key[len(prefix) : -len(a)] for key in tensors if key.endswith(a)]
            shapes = {
                name: (tensors[prefix + name + a].shape[1], tensors[prefix + name + b].shape[0]) for name in names
            }
            targets = json.loads((sources[0] / "adapter_config.json").read_text())["target_modules"]
            config = LoraConfig(r=16, lora_alpha=16, target_modules=targets)
            model = get_peft_model(build(shapes), config, adapter_name="unused")
            times = [once(model, sources, settings) for _ in range(rounds)]
            print(f"{precision:<10} {title:<28} {statistics.median(times):9.3f}", flush=True)


if __name__ == "__main__":
    main()
