"""Policy gradient for one weighting after another with diffusers and peft: the work of `moa sweep`, as PyTorch users do it.

    python ddpo.py plain   BASE WEIGHTS COUNT [--epochs N]
    python ddpo.py skilled BASE WEIGHTS COUNT [--epochs N] [--jobs N] [--compile] [--channels-last]

`plain` is the way of the public trainers: peft's LoRA (A and B trained), rollouts under `no_grad` through the same modules, the
KL's base pass with the adapter disabled, all of PyTorch's threads.

`skilled` leaves out what can be left out: B alone is trained, rollouts run in `inference_mode` through a copy that has the adapter
merged into its weights, prompts are encoded once, the base pass runs in the copy without peft's wrappers; on request the modules
are compiled, convolutions run channels-last, and weightings are trained beside each other in processes of one thread.

Prints the seconds from the first epoch to the last evaluation as JSON: imports, loading, and compiling (a first epoch) are not counted.
"""

import argparse
import dataclasses
import json
import resource
import time

import torch
import torch.multiprocessing as processes
from peft import LoraConfig
from peft.tuners.lora import LoraLayer

import settings as given
import work


class Plain:
    """One weighting's training, as in the public trainers."""

    def __init__(self, models, settings, options):
        self.models, self.settings, self.options = models, settings, options
        self.rules = work.rules(settings)
        self.train_prompts, self.held_out = given.prompts(given.COLOURS), given.prompts(given.HELD_OUT)
        self.unet = models.unet()
        self.unet.requires_grad_(False)
        targets = [name for name, module in self.unet.named_modules() if isinstance(module, torch.nn.Linear)]
        self.linears = targets
        self.unet.add_adapter(LoraConfig(r=settings.rank, lora_alpha=settings.rank, target_modules=targets, init_lora_weights=True))
        self.start = {name: value.detach().clone() for name, value in self.unet.named_parameters() if value.requires_grad}

    def reset(self, seed):
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, value in self.unet.named_parameters():
                if name in self.start:
                    value.copy_(self.start[name])
        self.optimiser = torch.optim.AdamW(self.trained(), lr=self.settings.learning_rate, weight_decay=0)

    def trained(self):
        return [value for value in self.unet.parameters() if value.requires_grad]

    def contexts(self, texts):
        return self.models.encode(texts)

    def predict(self, x, timestep, context):
        return self.unet(x, timestep, encoder_hidden_states=context).sample

    def predict_base(self, x, timestep, context):
        self.unet.disable_adapters()
        with torch.no_grad():
            found = self.predict(x, timestep, context)
        self.unet.enable_adapters()
        return found

    no_grad = staticmethod(torch.no_grad)

    def before_rollout(self):
        pass

    def rollout_predict(self, x, timestep, context):
        return self.predict(x, timestep, context)

    def sample(self, context, rules, rows):
        """Returns the latents before each step and after the last, and the squared distances to the steps' means."""
        x = torch.randn(rows, 12, 16, 16)
        latents, distances = [x], []
        for timestep, of_x, of_output, deviation in rules:
            mean = of_x * x + of_output * self.rollout_predict(x, torch.tensor(timestep), context)
            x = mean + deviation * torch.randn_like(mean) if deviation else mean
            latents.append(x)
            distances.append((x - mean).pow(2).flatten(1).mean(1))
        return torch.stack(latents), torch.stack(distances)

    def sample_all(self, contexts, rules):
        with self.no_grad():
            parts = [self.sample(part, rules, len(part)) for part in contexts.split(self.settings.micro_batch)]
        return [torch.cat(found, 1) for found in zip(*parts)]

    def epoch(self, weighting):
        settings, group = self.settings, self.settings.images_per_prompt
        chosen = [self.train_prompts[i] for i in torch.randperm(len(self.train_prompts))[: settings.prompts_per_epoch].tolist()]
        contexts = self.contexts(chosen).repeat_interleave(group, 0)
        self.before_rollout()
        latents, distances = self.sample_all(contexts, self.rules)
        scores = self.models.scores(latents[-1], chosen, group)
        gains = work.advantages(scores, weighting, group)
        kept = gains.abs().topk(round(settings.trained_share * settings.samples)).indices.sort().values
        # Inference tensors cannot be saved for a backward pass.
        latents, distances, gains = latents[:, kept].clone(), distances[:, kept].clone(), gains[kept].clone()
        contexts = contexts[kept].clone()
        half_width = work.clip_range(settings, latents[0, 0].numel())
        for step in torch.randperm(len(self.rules) - 1)[: settings.train_steps].tolist():
            timestep, of_x, of_output, deviation = self.rules[step]
            self.optimiser.zero_grad()
            for rows in torch.arange(len(kept)).split(settings.micro_batch):
                x, following, context = latents[step, rows], latents[step + 1, rows], contexts[rows]
                output = self.predict(x, torch.tensor(timestep), context)
                distance = (following - of_x * x - of_output * output).pow(2).flatten(1).mean(1)
                ratio = ((distances[step, rows] - distance) / (2 * deviation**2)).exp()
                a = gains[rows]
                loss = -torch.minimum(ratio * a, ratio.clamp(1 - half_width, 1 + half_width) * a)
                base = self.predict_base(x, torch.tensor(timestep), context)
                kl = (output - base).pow(2).flatten(1).mean(1) * (of_output**2 / (2 * deviation**2))
                ((loss + settings.kl * kl).sum() / settings.samples).backward()
            torch.nn.utils.clip_grad_norm_(self.trained(), settings.max_grad_norm)
            self.optimiser.step()
        return scores.mean(0)

    def evaluate(self):
        contexts = self.contexts(self.held_out).repeat_interleave(self.settings.evaluation_pictures, 0)
        self.before_rollout()
        latents, _ = self.sample_all(contexts, work.euler(self.settings.steps))
        return self.models.scores(latents[-1], self.held_out, self.settings.evaluation_pictures).mean(0)


class Skilled(Plain):
    """The same, without what can be left out."""

    no_grad = staticmethod(torch.inference_mode)

    def __init__(self, models, settings, options):
        super().__init__(models, settings, options)
        self.layers = {name: self.unet.get_submodule(name) for name in self.linears}
        assert all(isinstance(layer, LoraLayer) for layer in self.layers.values())
        for layer in self.layers.values():
            layer.lora_A["default"].requires_grad_(False)
        self.start = {name: value for name, value in self.start.items() if "lora_B" in name}
        self.base, self.merged = models.unet().requires_grad_(False), models.unet().requires_grad_(False)
        texts = self.train_prompts + self.held_out
        self.known = dict(zip(texts, models.encode(texts)))
        if options.channels_last:
            for model in [self.unet, self.base, self.merged]:
                model.to(memory_format=torch.channels_last)
        self.calls = [torch.compile(model) if options.compile else model for model in [self.unet, self.base, self.merged]]

    def contexts(self, texts):
        return torch.stack([self.known[text] for text in texts])

    def predict(self, x, timestep, context):
        return self.calls[0](x, timestep, encoder_hidden_states=context).sample

    def predict_base(self, x, timestep, context):
        with torch.no_grad():
            return self.calls[1](x, timestep, encoder_hidden_states=context).sample

    @torch.no_grad()
    def before_rollout(self):
        for name, layer in self.layers.items():
            a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
            self.merged.get_submodule(name).weight.copy_(torch.addmm(self.base.get_submodule(name).weight, b, a))

    def rollout_predict(self, x, timestep, context):
        return self.calls[2](x, timestep, encoder_hidden_states=context).sample


def train(options, weightings, ready):
    """Trains one weighting after another and returns the scores of the base model and of each adapter."""
    torch.set_num_threads(options.threads)
    settings = dataclasses.replace(given.Settings(), epochs=options.epochs)
    trainer = {"plain": Plain, "skilled": Skilled}[options.way](work.Models(*work.model_folders(options)), settings, options)
    # What is lazy (oneDNN's primitives, compiled code) is made before the clock starts.
    trainer.reset(0)
    trainer.epoch(weightings[0][1])
    trainer.evaluate()
    trainer.reset(0)
    began = ready()
    found = {} if weightings[0][0] else {"base": trainer.evaluate().tolist()}
    for index, weighting in weightings:
        trainer.reset(index)
        for _ in range(settings.epochs):
            trainer.epoch(weighting)
        found[str(index)] = trainer.evaluate().tolist()
    return time.perf_counter() - began, found


def job(options, weightings, barrier, queue):
    def ready():
        barrier.wait()
        return time.perf_counter()

    seconds, found = train(options, weightings, ready)
    queue.put((seconds, found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=["plain", "skilled"])
    parser.add_argument("base")
    parser.add_argument("weights")
    parser.add_argument("count", type=int)
    parser.add_argument("--epochs", type=int, default=given.Settings.epochs)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    options = parser.parse_args()
    options.threads = max(1, torch.get_num_threads() // options.jobs)
    weightings = list(enumerate(given.weightings(options.count)))
    jobs = min(options.jobs, len(weightings))
    context = processes.get_context("spawn")
    barrier, queue = context.Barrier(jobs), context.SimpleQueue()
    workers = [context.Process(target=job, args=(options, weightings[i::jobs], barrier, queue)) for i in range(jobs)]
    for worker in workers:
        worker.start()
    results = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    scores = {name: row for _, found, _ in results for name, row in found.items()}
    print(json.dumps({
        "seconds": max(seconds for seconds, _, _ in results),
        "mebibytes": sum(memory for _, _, memory in results),
        "scores": scores,
    }))


if __name__ == "__main__":
    main()
