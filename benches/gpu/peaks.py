"""What this device reaches: products of large random matrices, copies of large arrays; and what the U-Net's forward pass asks for.

    python3 peaks.py [--small] [--device cuda:0]

Prints JSON: TFLOP/s of `bf16`, `tf32` (CUDA only) and `f32`, GB/s of a copy on the device (bytes read and written), and the operations
of a row's pass through the U-Net, `unet_flop`.
"""

import argparse
import json
import time

import torch

import models
import work as given

SECONDS = 0.5


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_each(work, device):
    """Returns the mean seconds of the work, after three runs that warm it up."""
    for _ in range(3):
        work()
    wait(device)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        for _ in range(5):
            work()
        wait(device)
        count += 5
    return (time.perf_counter() - began) / count


def product_rate(side, dtype, device):
    """Returns TFLOP/s of a square product."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    return 2 * side**3 / seconds_each(lambda: torch.mm(a, b, out=out), device) / 1e12


def copy_rate(size, device):
    """Returns GB/s of a copy of `size` bytes."""
    a = torch.randn(size // 4, device=device)
    b = torch.empty_like(a)
    return 2 * size / seconds_each(lambda: b.copy_(a), device) / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device, work = torch.device(options.device), given.SMALL if options.small else given.TRUE_SIZE
    side, size = (1024, 2**26) if options.small else (8192, 2**32)
    found = {"bf16": product_rate(side, torch.bfloat16, device), "f32": product_rate(side, torch.float32, device)}
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        found["tf32"] = product_rate(side, torch.float32, device)
    found["copy_gb_s"] = copy_rate(size, device)
    unet, text = work.unet, work.text
    latent = (1, unet["in_channels"], unet["sample_size"], unet["sample_size"])
    found["unet_flop"] = models.count_flops(models.Unet, unet, latent, (1,), (1, text["max_position_embeddings"], text["hidden_size"]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
