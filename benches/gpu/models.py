"""Stable Diffusion 1's U-Net and decoder, and CLIP's two towers, in plain PyTorch.

Modules are named as in diffusers and transformers, so that `state_dict()` has a checkpoint's keys, and sizes come from the same
`config.json`. Only what the kit needs is here: no VAE encoder, no guidance, no options that Stable Diffusion 1.5 does not use.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class Resnet(nn.Module):
    """Two convolutions around an optional shift by the time embedding, and the way past them."""

    def __init__(self, inputs, outputs, groups, epsilon, time=None):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, inputs, epsilon), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, outputs) if time else None
        self.norm2, self.conv2 = nn.GroupNorm(groups, outputs, epsilon), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x, time=None):
        hidden = self.conv1(F.silu(self.norm1(x)))
        if self.time_emb_proj is not None:
            hidden = hidden + self.time_emb_proj(F.silu(time))[:, :, None, None]
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + hidden


class Attention(nn.Module):
    """Multi-head attention of tokens to themselves or to a context."""

    def __init__(self, width, heads, context=None, bias=False):
        super().__init__()
        self.heads = heads
        sources = (width, context or width, context or width)
        self.to_q, self.to_k, self.to_v = (nn.Linear(source, width, bias=bias) for source in sources)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x, context=None):
        context = x if context is None else context
        parts = (self.to_q(x), self.to_k(context), self.to_v(context))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        return self.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class GegluIn(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(GegluIn(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x):
        return self.net(x)


class TransformerBlock(nn.Module):
    """Self-attention, attention to the prompt, feed-forward."""

    def __init__(self, width, heads, context):
        super().__init__()
        self.norm1, self.attn1 = nn.LayerNorm(width), Attention(width, heads)
        self.norm2, self.attn2 = nn.LayerNorm(width), Attention(width, heads, context)
        self.norm3, self.ff = nn.LayerNorm(width), FeedForward(width)

    def forward(self, x, context):
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """A transformer block over the positions of an image."""

    def __init__(self, channels, heads, context, groups):
        super().__init__()
        self.norm, self.proj_in = nn.GroupNorm(groups, channels, 1e-6), nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, heads, context)])
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x, context):
        hidden = self.proj_in(self.norm(x))
        tokens = hidden.flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        return x + self.proj_out(tokens.transpose(1, 2).unflatten(2, hidden.shape[2:]))


class Downsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x):
        return self.conv(x)


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class UnetBlock(nn.Module):
    """Resnets with or without transformers; after them a change of size where there is one."""

    def __init__(self, resnets, attentions, **sampler):
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        if attentions:
            self.attentions = nn.ModuleList(attentions)
        for name, module in sampler.items():
            setattr(self, name, nn.ModuleList([module]))

    def layer(self, index, x, time, context):
        x = self.resnets[index](x, time)
        return self.attentions[index](x, context) if hasattr(self, "attentions") else x


class Unet(nn.Module):
    """diffusers' `UNet2DConditionModel` with Stable Diffusion 1's blocks."""

    def __init__(self, config):
        super().__init__()
        widths, layers = config["block_out_channels"], config["layers_per_block"]
        groups, heads, context = config["norm_num_groups"], config["attention_head_dim"], config["cross_attention_dim"]
        time, last = 4 * widths[0], len(widths) - 1
        self.width = widths[0]

        def resnet(inputs, outputs):
            return Resnet(inputs, outputs, groups, 1e-5, time)

        def transformers(count, width, level):
            return [SpatialTransformer(width, heads, context, groups) for _ in range(count if level < last else 0)]

        self.conv_in = nn.Conv2d(config["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = nn.ModuleDict({"linear_1": nn.Linear(widths[0], time), "linear_2": nn.Linear(time, time)})
        skips, width, down = [widths[0]], widths[0], []
        for level, outputs in enumerate(widths):
            resnets = [resnet(width if index == 0 else outputs, outputs) for index in range(layers)]
            sampler = {"downsamplers": Downsample(outputs)} if level < last else {}
            down.append(UnetBlock(resnets, transformers(layers, outputs, level), **sampler))
            skips += [outputs] * (layers + len(sampler))
            width = outputs
        self.down_blocks = nn.ModuleList(down)
        self.mid_block = UnetBlock([resnet(width, width), resnet(width, width)], transformers(1, width, 0))
        up = []
        for level in reversed(range(len(widths))):
            outputs, resnets = widths[level], []
            for _ in range(layers + 1):
                resnets.append(resnet(width + skips.pop(), outputs))
                width = outputs
            sampler = {"upsamplers": Upsample(outputs)} if level > 0 else {}
            up.append(UnetBlock(resnets, transformers(layers + 1, outputs, level), **sampler))
        self.up_blocks = nn.ModuleList(up)
        self.conv_norm_out = nn.GroupNorm(groups, widths[0], 1e-5)
        self.conv_out = nn.Conv2d(widths[0], config["out_channels"], 3, padding=1)

    def embed_time(self, timesteps, dtype):
        half = self.width // 2
        places = torch.arange(half, device=timesteps.device, dtype=torch.float32)
        angles = timesteps.float()[:, None] * torch.exp(-math.log(10000) * places / half)
        embedded = torch.cat([angles.cos(), angles.sin()], 1).to(dtype)
        return self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](embedded)))

    def forward(self, x, timesteps, context):
        """`x` `[rows, 4, h, w]`, `timesteps` `[rows]`, `context` `[rows, tokens, width]`; returns the predicted noise."""
        x, context = x.to(self.conv_in.weight.dtype), context.to(self.conv_in.weight.dtype)
        time = self.embed_time(timesteps, x.dtype)
        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            for index in range(len(block.resnets)):
                x = block.layer(index, x, time, context)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0](x)
                skips.append(x)
        x = self.mid_block.resnets[1](self.mid_block.layer(0, x, time, context), time)
        for block in self.up_blocks:
            for index in range(len(block.resnets)):
                x = block.layer(index, torch.cat([x, skips.pop()], 1), time, context)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class PixelAttention(Attention):
    """The decoder's attention: one head over all positions."""

    def __init__(self, channels, groups):
        super().__init__(channels, 1, bias=True)
        self.group_norm = nn.GroupNorm(groups, channels, 1e-6)

    def forward(self, x):
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        return x + super().forward(tokens).transpose(1, 2).unflatten(2, x.shape[2:])


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths, groups = config["block_out_channels"], config["norm_num_groups"]
        width = widths[-1]

        def resnet(inputs, outputs):
            return Resnet(inputs, outputs, groups, 1e-6)

        self.conv_in = nn.Conv2d(config["latent_channels"], width, 3, padding=1)
        self.mid_block = UnetBlock([resnet(width, width), resnet(width, width)], [PixelAttention(width, groups)])
        up = []
        for level in reversed(range(len(widths))):
            resnets = [resnet(width if index == 0 else widths[level], widths[level]) for index in range(config["layers_per_block"] + 1)]
            width = widths[level]
            up.append(UnetBlock(resnets, [], **({"upsamplers": Upsample(width)} if level > 0 else {})))
        self.up_blocks = nn.ModuleList(up)
        self.conv_norm_out = nn.GroupNorm(groups, width, 1e-6)
        self.conv_out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        x = self.mid_block.resnets[1](self.mid_block.attentions[0](self.mid_block.resnets[0](x)))
        for block in self.up_blocks:
            for resnet in block.resnets:
                x = resnet(x)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class Vae(nn.Module):
    """The half of diffusers' `AutoencoderKL` that decodes."""

    def __init__(self, config):
        super().__init__()
        channels = config["latent_channels"]
        self.scale, self.post_quant_conv, self.decoder = config["scaling_factor"], nn.Conv2d(channels, channels, 1), Decoder(config)

    def forward(self, latents):
        """Returns pixels in [0, 1] of latents in the denoiser's scale."""
        pixels = self.decoder(self.post_quant_conv(latents.to(self.post_quant_conv.weight.dtype) / self.scale))
        return (pixels.float() / 2 + 0.5).clamp(0, 1)


class ClipAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, causal):
        q, k, v = (part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2))


class ClipMlp(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x):
        hidden = self.fc1(x)
        return self.fc2(hidden * torch.sigmoid(1.702 * hidden))


class ClipLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["hidden_size"]
        self.self_attn = ClipAttention(width, config["num_attention_heads"])
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = ClipMlp(width, config["intermediate_size"])

    def forward(self, x, causal):
        x = x + self.self_attn(self.layer_norm1(x), causal)
        return x + self.mlp(self.layer_norm2(x))


class ClipEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList([ClipLayer(config) for _ in range(config["num_hidden_layers"])])

    def forward(self, x, causal):
        for layer in self.layers:
            x = layer(x, causal)
        return x


class TextTower(nn.Module):
    """CLIP's text transformer: the states of all tokens."""

    def __init__(self, config):
        super().__init__()
        width = config["hidden_size"]
        self.embeddings = nn.ModuleDict({
            "token_embedding": nn.Embedding(config["vocab_size"], width),
            "position_embedding": nn.Embedding(config["max_position_embeddings"], width),
        })
        self.encoder, self.final_layer_norm = ClipEncoder(config), nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.embeddings["token_embedding"](tokens) + self.embeddings["position_embedding"].weight[: tokens.shape[1]]
        return self.final_layer_norm(self.encoder(x, causal=True))


class TextEncoder(nn.Module):
    """transformers' `CLIPTextModel`."""

    def __init__(self, config):
        super().__init__()
        self.text_model = TextTower(config)

    def forward(self, tokens):
        return self.text_model(tokens)


class VisionEmbeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, patch = config["hidden_size"], config["patch_size"]
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.patch_embedding = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding((config["image_size"] // patch) ** 2 + 1, width)

    def forward(self, pixels):
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1).to(patches.dtype)
        return torch.cat([first, patches], 1) + self.position_embedding.weight


class VisionTower(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embeddings, self.encoder = VisionEmbeddings(config), ClipEncoder(config)
        self.pre_layrnorm, self.post_layernorm = nn.LayerNorm(config["hidden_size"]), nn.LayerNorm(config["hidden_size"])

    def forward(self, pixels):
        return self.post_layernorm(self.encoder(self.pre_layrnorm(self.embeddings(pixels)), causal=False)[:, 0])


class Clip(nn.Module):
    """transformers' `CLIPModel`, as a reward: 100 × cosine of image and prompt."""

    def __init__(self, config):
        super().__init__()
        text, vision, width = config["text_config"], config["vision_config"], config["projection_dim"]
        self.side, self.end = vision["image_size"], text["eos_token_id"]
        self.text_model, self.vision_model = TextTower(text), VisionTower(vision)
        self.text_projection = nn.Linear(text["hidden_size"], width, bias=False)
        self.visual_projection = nn.Linear(vision["hidden_size"], width, bias=False)
        self.logit_scale = nn.Parameter(torch.empty(()))

    def embed_texts(self, tokens):
        ends = (tokens == self.end).int().argmax(1)
        pooled = self.text_model(tokens)[torch.arange(len(tokens), device=tokens.device), ends]
        return F.normalize(self.text_projection(pooled).float(), dim=-1)

    def embed_images(self, pixels):
        """Of pixels in [0, 1], `[rows, 3, h, w]`."""
        pixels = F.interpolate(pixels, size=(self.side, self.side), mode="bicubic", antialias=True).clamp(0, 1)
        mean, deviation = (pixels.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        pixels = ((pixels - mean) / deviation).to(self.visual_projection.weight.dtype)
        return F.normalize(self.visual_projection(self.vision_model(pixels)).float(), dim=-1)


# CLIP's means and standard deviations of red, green and blue.
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@torch.no_grad()
def fill(name, tensor):
    """Draws a weight such that activations stay finite: norms 1 and 0, biases 0, others normal with deviation 0.5 / √fan-in."""
    if name.endswith("logit_scale"):
        return tensor.fill_(math.log(100))
    if "embedding" in name and "time_embedding" not in name and "patch" not in name:
        return tensor.normal_(std=0.02)
    if tensor.dim() == 1:
        return tensor.fill_(1 if "norm" in name and name.endswith("weight") else 0)
    return tensor.normal_(std=0.5 / math.sqrt(tensor[0].numel()))


def random_model(kind, config, device, dtype=torch.bfloat16):
    """Returns a frozen model with random weights, made on the device."""
    with torch.device("meta"):
        model = kind(config).to(dtype)
    model = model.to_empty(device=device).requires_grad_(False).eval()
    for name, tensor in model.state_dict().items():
        fill(name, tensor)
    return model


def count_flops(kind, config, *shapes):
    """Returns the floating-point operations of a forward pass of inputs of these shapes: products, convolutions and attention, two for
    each multiply-add. They follow from the shapes; nothing is computed."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model, inputs = kind(config), [torch.empty(shape) for shape in shapes]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(*inputs)
    return counter.get_total_flops()
