"""Asks docs/examples' reward programs as moa does, and lets moa ask them. See .ci/reward-programs."""

import base64
import io
import json
import pickle
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image, ImageDraw, ImageFont

EXAMPLES, MOA, SCRATCH = Path(sys.argv[1]).resolve(), sys.argv[2], Path(sys.argv[3])


def drawn(text, ground="white"):
    image = Image.new("RGB", (512, 256), ground)
    ImageDraw.Draw(image).text((30, 90), text, fill="black", font=ImageFont.load_default(size=56))
    return image


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


class Program:
    """A reward program, asked by JSON lines."""

    def __init__(self, *command):
        self.process = subprocess.Popen([sys.executable, *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.id = -1
        assert self.say({"protocol": 1, "reward": "test"})["protocol"] == 1

    def say(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def scores(self, images, prompts):
        self.id += 1
        answer = self.say({"id": self.id, "pictures": [png(image) for image in images], "prompts": prompts})
        assert answer["id"] == self.id, answer
        return answer

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=30) == 0


def text_is_read():
    program = Program(EXAMPLES / "ocr_reward.py")
    images = [drawn("Open late"), drawn("Open gate"), drawn("")]
    answer = program.scores(images, ['a shop with the sign "Open late"'] * 3)
    assert answer["scores"][0] == 1, answer
    assert abs(answer["scores"][1] - (1 - 1 / 8)) < 1e-9, f"one letter of eight is another: {answer}"
    assert answer["scores"][2] == 0, answer
    assert program.scores(images[:1], ["the words “OPEN LATE”"])["scores"] == [1]
    assert "quotes no text" in program.scores(images[:1], ["a shop"])["error"]
    assert program.scores(images[:1], ['the sign "open"'])["scores"] == [1], "more text around it does not count"
    program.close()


class Reward(BaseHTTPRequestHandler):
    """Answers as reward-server's app_deqa.py and app_geneval.py: the mean red of each image, in [0, 1]."""

    asked = []

    def do_POST(self):
        data = pickle.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).asked.append(data)
        code = 200
        try:
            images = [Image.open(io.BytesIO(image), formats=["jpeg"]) for image in data["images"]]
            red = [float(np.asarray(image)[..., 0].mean() / 255) for image in images]
            if self.path == "/arrays":
                answer = pickle.dumps({"outputs": np.array(red)})
            elif self.path == "/evil":
                answer = b"cos\nsystem\n(S'true'\ntR."
            elif self.path == "/few":
                answer = pickle.dumps({"outputs": red[1:]})
            elif "meta_datas" in data:
                tags = [line["tag"] for line in data["meta_datas"]]
                strict = [float(tag == "counting") for tag in tags]
                answer = pickle.dumps({"scores": red, "rewards": red, "strict_rewards": strict, "group_rewards": {}, "group_strict_rewards": {}})
            else:
                answer = pickle.dumps({"outputs": red})
            if self.path == "/broken":
                raise RuntimeError("out of memory")
        except Exception as error:
            code, answer = 500, f"Traceback\n{type(error).__name__}: {error}".encode()
        self.send_response(code)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


def moa_asks_flow_grpo():
    server = HTTPServer(("127.0.0.1", 0), Reward)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    bridge = EXAMPLES / "flow_grpo_bridge.py"
    images, prompts = [Image.new("RGB", (32, 32), (red, 90, 90)) for red in (0, 102, 255)], ["one", "two", "three"]
    wanted = [0, 0.4, 1]
    near = lambda scores: all(abs(a - b) < 0.01 for a, b in zip(scores, wanted, strict=True))  # noqa: E731

    program = Program(bridge, "ask", url)
    assert near(program.scores(images, prompts)["scores"])
    assert set(Reward.asked[-1]) == {"images"}, "as deqa_score_remote asks"
    program.close()
    program = Program(bridge, "ask", f"{url}/arrays", "--prompts")
    assert near(program.scores(images, prompts)["scores"])
    assert Reward.asked[-1]["prompts"] == prompts, "as unifiedreward_score_remote asks"
    program.close()

    lines = [{"tag": "counting", "include": [{"class": "cat", "count": 2}], "prompt": "one"}, {"tag": "colors", "include": [], "prompt": "two"}]
    (SCRATCH / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    program = Program(bridge, "ask", url, "--metadata", SCRATCH / "metadata.jsonl", "--read", "strict_rewards")
    assert program.scores(images[:2], prompts[:2])["scores"] == [1, 0]
    assert Reward.asked[-1]["meta_datas"] == lines and Reward.asked[-1]["only_strict"] is True, "as geneval_score asks"
    assert "nothing about the prompt 'three'" in program.scores(images[2:], prompts[2:])["error"]
    program.close()

    for path, says in [("/evil", "os.system"), ("/few", "2 scores came for 3"), ("/broken", "RuntimeError: out of memory")]:
        program = Program(bridge, "ask", url + path)
        error = program.scores(images, prompts)["error"]
        assert says in error, error
        program.close()
    program = Program(bridge, "ask", url, "--read", "scores")
    assert "has no 'scores', but outputs" in program.scores(images, prompts)["error"]
    program.close()
    return server, url


def flow_grpo_asks_moa():
    command = [sys.executable, EXAMPLES / "flow_grpo_bridge.py", "serve", "0", "--", sys.executable, EXAMPLES / "reward_program.py"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    url = server.stderr.readline().split()[-1]

    def post(asked):
        # As unifiedreward_score_remote does.
        return pickle.loads(urlopen(Request(url, data=asked), timeout=60).read())["outputs"]

    def jpeg(grey, side):
        buffer = io.BytesIO()
        Image.new("RGB", (side, side), (grey,) * 3).save(buffer, format="JPEG")
        return buffer.getvalue()

    images = [jpeg(grey, side) for grey, side in [(0, 32), (51, 32), (255, 48)] + [(102, 48)] * 20]
    prompts = np.array_split(np.array(["a cat"] * len(images)), 1)[0]
    try:
        found = post(pickle.dumps({"images": images, "prompts": prompts}))
        assert len(found) == 23 and all(abs(a - b) < 0.01 for a, b in zip(found, [0, 0.2, 1, 0.4])), found
        assert post(pickle.dumps({"images": images[:1]})) == [0]
        for asked, says in [
            (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
            (pickle.dumps({"images": images, "prompts": ["one"]}), "23 images came with 1 prompts"),
            (pickle.dumps({"images": [b"no image"]}), "UnidentifiedImageError"),
            (pickle.dumps([1]), "a dict is wanted"),
        ]:
            try:
                raise AssertionError(post(asked))
            except HTTPError as error:
                text = error.read().decode()
                assert error.code == 500 and says in text, text
    finally:
        server.kill()
        server.wait()


def moa_itself_asks(url):
    bridge = json.dumps([sys.executable, str(EXAMPLES / "flow_grpo_bridge.py"), "ask", url])
    ocr = json.dumps([sys.executable, str(EXAMPLES / "ocr_reward.py")])
    experiment = f"""(
        prompts: (train: List(["a cat with a sign \\"hat\\""]), held_out: List(["a dog with a sign \\"mat\\""])),
        rewards: [(name: "text", kind: Program(command: {ocr})), (name: "red", kind: Program(command: {bridge}))],
        weightings: [Centre], soups: [],
        training: (epochs: 1, prompts_per_epoch: 1, images_per_prompt: 2, probe: (every: 0)),
        evaluation: (images_per_prompt: 2, resamples: 100, grid_prompts: 0),
    )"""
    (SCRATCH / "programs.ron").write_text(experiment)
    before = len(Reward.asked)
    subprocess.run([MOA, "sweep", "programs.ron", "--quiet", "--out", "programs"], cwd=SCRATCH, check=True, stdout=subprocess.DEVNULL)
    assert len(Reward.asked) > before


text_is_read()
print("ocr_reward.py reads what is drawn")
server, url = moa_asks_flow_grpo()
print("flow_grpo_bridge.py asks as Flow-GRPO does")
flow_grpo_asks_moa()
print("flow_grpo_bridge.py answers as Flow-GRPO's servers do")
moa_itself_asks(url)
print("moa trains on both")
