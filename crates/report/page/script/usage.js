// What to do with an adapter, and where all of this comes from.

function showUsage() {
  const host = byId("usage");
  whenever(["selected"], () => host.replaceChildren(...usageOf(pointById.get(state.selected))));
}

function usageOf(point) {
  if (!point || point.kind === "base") {
    return [element("p", { class: "prose" }, "Select a trained adapter or a soup: this section then says how to load it. The base model needs no adapter.")];
  }
  if (point.kind === "blend") {
    return [element("p", { class: "prose" }, `${point.id} is a blend: it has no adapter of its own, as several predict at every step. A soup of the same shares is one adapter.`)];
  }
  const { folder, base, base_elsewhere: elsewhere, is_built_in: isBuiltIn } = data.usage;
  const path = `${folder}/${point.kind === "soup" ? "soups" : "runs"}/${point.id}`;
  const of = isBuiltIn ? "" : ` --base ${/^[\w@%+=:,./-]+$/.test(base) ? base : `'${base.replaceAll("'", "'\\''")}'`}`;
  const python = JSON.stringify;
  const prose = (text) => element("p", { class: "prose" }, text);
  const step = (title, ...rest) => element("div", {}, element("h3", {}, title), ...rest);
  const steps = [
    step("Draw with moa", code(`moa sample ${path}${of} --prompt "${isBuiltIn ? "a cat on a red background" : "a fox in the snow"}"`, "the command that draws")),
    step(isBuiltIn ? "Write it for peft" : "Write it for diffusers and ComfyUI",
      code(`moa convert ${path}${of} --to ${isBuiltIn ? "peft" : "diffusers"} -o ${point.id}${isBuiltIn ? "\nmoa export-model -o emoji-32" : ""}`, "the command that converts")),
  ];
  if (isBuiltIn) {
    steps.push(step("Load it in Python",
      code(`from diffusers import UNet2DConditionModel\nfrom peft import PeftModel\n\nunet = UNet2DConditionModel.from_pretrained("emoji-32", subfolder="unet")\nunet = PeftModel.from_pretrained(unet, ${python(point.id)})`, "the lines of Python"),
      prose("emoji-32 has no VAE: its latents are the pixels, folded 2 × 2 into 12 channels (torch.nn.functional.pixel_unshuffle). ComfyUI does not open it; adapters of Stable Diffusion it does.")));
  } else {
    steps.push(
      step("Load it in diffusers",
        code(`import torch\nfrom diffusers import DiffusionPipeline\n\npipeline = DiffusionPipeline.from_pretrained(${python(elsewhere)}, torch_dtype=torch.float16).to("cuda")\npipeline.load_lora_weights(${python(point.id)}, weight_name="pytorch_lora_weights.safetensors")\npipeline("a fox in the snow").images[0].save("fox.png")`, "the lines of Python")),
      step("Load it in ComfyUI",
        code(`cp ${point.id}/pytorch_lora_weights.safetensors ComfyUI/models/loras/${point.id}.safetensors`, "the command that copies"),
        prose("Add a Load LoRA node between the checkpoint and the sampler, and choose the file there. For A1111, convert with --to kohya instead.")));
  }
  return [prose(`${point.id} is selected. These commands run where the results folder is.`), ...steps];
}

function showOrigin() {
  const { receipt, experiment } = data.origin;
  const facts = receipt.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  byId("origin").append(
    ...(facts.length > 0 ? [element("p", { class: "prose" }, "The same version, experiment, models and device give the same results."),
      element("dl", { class: "facts" }, facts)]
      : [element("p", { class: "prose" }, "There is no receipt yet: the sweep writes it when it begins.")]),
    ...(experiment ? [element("details", {}, element("summary", {}, "The experiment file as it was run"), code(experiment, "the experiment file"))] : []));
}
