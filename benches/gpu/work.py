"""The work that moa and its peers share: sizes of the models, settings, weightings, and the experiment file that says the same to moa."""

import dataclasses
import json

# diffusers' and transformers' configs of Stable Diffusion 1.5 and of CLIP ViT-L/14.
UNET = {
    "_class_name": "UNet2DConditionModel", "sample_size": 64, "in_channels": 4, "out_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2, "cross_attention_dim": 768, "attention_head_dim": 8,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"], "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "norm_num_groups": 32, "norm_eps": 1e-5, "act_fn": "silu", "flip_sin_to_cos": True, "freq_shift": 0,
}
VAE = {
    "_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4, "layers_per_block": 2, "in_channels": 3, "out_channels": 3, "latent_channels": 4,
    "norm_num_groups": 32, "scaling_factor": 0.18215, "sample_size": 512,
}
BEGIN, END = 512, 513  # of the made-up tokenizer: 256 bytes, the same as ends of words, and these two
TEXT = {
    "model_type": "clip_text_model", "vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "max_position_embeddings": 77, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
    "bos_token_id": BEGIN, "eos_token_id": END,
}
VISION = {
    "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "num_channels": 3, "image_size": 224, "patch_size": 14, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}


@dataclasses.dataclass(frozen=True)
class Work:
    """Configs of the models and settings of the sweep."""

    unet: dict
    vae: dict
    text: dict
    clip: dict
    epochs: int
    counts: tuple = (8, 1, 4)  # weightings; what matters most comes first
    prompts: int = 4
    group: int = 2
    steps: int = 4
    train_steps: int = 2
    micro_batch: int = 16
    rank: int = 16
    learning_rate: float = 3e-4
    clip_range: float = 1e-4
    targets: tuple = ("to_q", "to_k", "to_v", "to_out.0")

    @property
    def samples(self):
        """Images of a weighting in an epoch."""
        return self.prompts * self.group

    @property
    def warm_up(self):
        """Epochs that are left out of means: one, where there are more."""
        return min(1, self.epochs - 1)


def _clip(text, vision, width):
    return {"model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": width, "text_config": text, "vision_config": vision}


TRUE_SIZE = Work(UNET, VAE, TEXT, _clip(TEXT, VISION, 768), epochs=3)


def _small():
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**TEXT, **tower, "vocab_size": END + 1}
    vision = {**VISION, **tower, "image_size": 32, "patch_size": 8}
    fewer = {"layers_per_block": 1, "norm_num_groups": 8}
    unet = {**UNET, **fewer, "sample_size": 16, "block_out_channels": [32, 64, 64, 64], "cross_attention_dim": 32}
    vae = {**VAE, **fewer, "sample_size": 128, "block_out_channels": [16, 16, 16, 16]}
    return Work(unet, vae, text, _clip(text, vision, 32), epochs=1, rank=4)


SMALL = _small()

REWARDS = ["clip", "colourfulness", "contrast"]
# Eight distinct weightings of the three rewards.
SHARES = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (3, 1, 1)]
PROMPTS = ["a red cat", "a blue dog", "a green hat", "a grey owl"]
HELD_OUT = ["a red owl"]


def _list(texts):
    return "[" + ", ".join(json.dumps(text) for text in texts) + "]"


def experiment(work, count):
    """Returns the experiment of `count` weightings on the checkpoint `sd15` and the reward `clip` beside the file, as the peers run it: in
    bf16, with activations kept."""
    weightings = ", ".join(
        "{" + ", ".join(f'"{name}": {share}' for name, share in zip(REWARDS, shares) if share) + "}" for shares in SHARES[:count]
    )
    return f"""(
    base: "sd15",
    precision: Bf16,
    prompts: (train: List({_list(PROMPTS[: work.prompts])}), held_out: List({_list(HELD_OUT)})),
    rewards: [(name: "clip", kind: ClipScore(model: "clip")), (kind: Colourfulness), (kind: Contrast)],
    weightings: [List([{weightings}])],
    soups: [],
    sampler: (kind: Ddim(eta: 1), steps: {work.steps}),
    lora: (rank: {work.rank}, targets: {_list(work.targets)}),
    optimiser: (learning_rate: {work.learning_rate}),
    training: (
        epochs: {work.epochs},
        prompts_per_epoch: {work.prompts},
        images_per_prompt: {work.group},
        method: PolicyGradient(train_steps: {work.train_steps}, clip: {work.clip_range}),
        probe: (every: 0),
        micro_batch: {work.micro_batch},
        gradient_checkpointing: false,
    ),
    evaluation: (images_per_prompt: 2, steps: 1, resamples: 100, grid_prompts: 0),
)
"""
