"""Between moa's rewards and those of Flow-GRPO (https://github.com/yifan123/flow_grpo), which speak pickle over HTTP.

moa scores by a reward server of Flow-GRPO (https://github.com/yifan123/reward-server): a Program that asks the server.

    Program(command: ["python", "flow_grpo_bridge.py", "ask", "http://127.0.0.1:18086"])                 DeQA: images alone
    Program(command: ["python", "flow_grpo_bridge.py", "ask", "http://127.0.0.1:18085", "--read", "strict_rewards",
                      "--metadata", "evaluation_metadata.jsonl"])                                        GenEval
    Program(command: ["python", "flow_grpo_bridge.py", "ask", "http://127.0.0.1:18085", "--prompts"])    UnifiedReward

Flow-GRPO trains on a reward program written for moa: a server that asks the program.

    python flow_grpo_bridge.py serve 18086 -- python ocr_reward.py

Flow-GRPO then posts {"images": …, "prompts": …} to http://127.0.0.1:18086, as its unifiedreward_score_remote does, and reads "outputs".

A pickle can run any program when it is read. Here only plain values and numpy's arrays are taken from one, and all else is refused by
name; still, ask no server that you do not trust. Needs Pillow; numpy where the other side sends arrays.
"""

import argparse
import base64
import io
import json
import pickle
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from PIL import Image

# Bytes of a request or an answer.
LARGEST = 1 << 28
NUMPY = {"_reconstruct", "ndarray", "dtype", "scalar", "_frombuffer"}


class Plain(pickle.Unpickler):
    """Reads plain values and numpy's arrays, and runs nothing else."""

    def find_class(self, module, name):
        if module.split(".")[0] == "numpy" and name in NUMPY:
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):  # Bytes, in old protocols.
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which could run any program")


def unpickled(data):
    found = Plain(io.BytesIO(data)).load()
    if not isinstance(found, dict):
        raise ValueError(f"a dict is wanted, and {type(found).__name__} came")
    return found


def numbers(values, count):
    """Returns so many floats, of a list, an array, or whatever has `tolist`."""
    values = values.tolist() if hasattr(values, "tolist") else list(values)
    if len(values) != count:
        raise ValueError(f"{len(values)} scores came for {count} images")
    return [float(value) for value in values]


# moa asks a server of Flow-GRPO.


def jpeg(png):
    """Returns an image as Flow-GRPO sends it."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").save(buffer, format="JPEG")
    return buffer.getvalue()


def post(url, data, timeout):
    """Posts bytes, and tries again where there is no connection: servers restart."""
    for wait in (0.5, 1, 2, 4, None):
        try:
            with urlopen(Request(url, data=data), timeout=timeout) as answer:
                return answer.read(LARGEST)
        except HTTPError as error:
            # The server's own traceback; its last line says what is wrong.
            lines = error.read(LARGEST).decode(errors="replace").strip().splitlines() or [""]
            raise ValueError(f"{url} answers {error.code}: {lines[-1]}") from None
        except (URLError, ConnectionError) as error:
            if wait is None:
                raise ValueError(f"{url} does not answer: {error}") from None
            time.sleep(wait)


def known(path):
    """Returns GenEval's metadata by prompt, from JSON lines that have `prompt`."""
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    return {line["prompt"]: line for line in lines}


def ask(options):
    answers, sys.stdout = sys.stdout, sys.stderr
    metadata = known(options.metadata) if options.metadata else None

    def say(answer):
        print(json.dumps(answer), file=answers, flush=True)

    def scores(request):
        images, prompts = [jpeg(png) for png in request["pictures"]], request["prompts"]
        asked = {"images": images}
        if options.prompts:
            asked["prompts"] = prompts
        if metadata is not None:
            unknown = [prompt for prompt in prompts if prompt not in metadata]
            if unknown:
                raise ValueError(f"{options.metadata} has nothing about the prompt {unknown[0]!r}")
            asked["meta_datas"] = [metadata[prompt] for prompt in prompts]
            asked["only_strict"] = options.read.startswith("strict")
        answer = unpickled(post(options.url, pickle.dumps(asked), options.timeout))
        if options.read not in answer:
            raise ValueError(f"the server's answer has no {options.read!r}, but {', '.join(map(str, answer))}: give --read")
        return numbers(answer[options.read], len(images))

    hello = json.loads(sys.stdin.readline())
    assert hello["protocol"] == 1, hello
    address = urlsplit(options.url)
    try:
        socket.create_connection((address.hostname, address.port or 80), timeout=10).close()
    except OSError as error:
        sys.exit(f"{options.url} cannot be reached: {error}; is the reward server started?")
    say({"protocol": 1, "name": options.read})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            say({"id": request["id"], "scores": scores(request)})
        except Exception as error:
            say({"id": request["id"], "error": f"{type(error).__name__}: {error}"})


# Flow-GRPO asks a program written for moa.


def png(data):
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


class Program:
    """A reward program, asked by one request at a time."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock, self.next = threading.Lock(), 0
        self.exchange({"protocol": 1, "reward": "flow_grpo"})

    def exchange(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise ValueError(f"the reward program ended with code {self.process.wait()}")
        return json.loads(line)

    def scores(self, images, prompts):
        with self.lock:
            self.next += 1
            answer = self.exchange({"id": self.next, "pictures": images, "prompts": prompts})
        if "error" in answer:
            raise ValueError(answer["error"])
        return numbers(answer["scores"], len(images))


def batches(images, prompts):
    """Yields at most 16 neighbours of one size at a time, as moa's protocol promises."""
    start = 0
    while start < len(images):
        size = Image.open(io.BytesIO(images[start])).size
        end = start
        while end < min(len(images), start + 16) and Image.open(io.BytesIO(images[end])).size == size:
            end += 1
        yield [png(image) for image in images[start:end]], prompts[start:end]
        start = end


def serve(options):
    program = Program(options.command)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            try:
                length = int(self.headers["Content-Length"])
                if not 0 <= length <= LARGEST:
                    raise ValueError(f"a request has {length} bytes, and at most {LARGEST} are read")
                asked = unpickled(self.rfile.read(length))
                images, prompts = list(asked["images"]), [str(prompt) for prompt in asked.get("prompts", [])]
                prompts = prompts or [line["prompt"] for line in asked.get("meta_datas", [])] or [""] * len(images)
                if len(prompts) != len(images):
                    raise ValueError(f"{len(images)} images came with {len(prompts)} prompts")
                scores = [score for batch in batches(images, prompts) for score in program.scores(*batch)]
                code, body = 200, pickle.dumps({"outputs": scores})
            except Exception as error:
                code, body = 500, f"{type(error).__name__}: {error}".encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    print(f"serves http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    asks = commands.add_parser("ask", help="a reward program for moa that asks a server of Flow-GRPO")
    asks.add_argument("url")
    asks.add_argument("--read", default="outputs", help="the answer's field with a score per image (default: outputs)")
    asks.add_argument("--prompts", action="store_true", help="send the prompts, too")
    asks.add_argument("--metadata", help="a file of GenEval's metadata, JSON lines with `prompt`, to send what belongs to the prompts")
    asks.add_argument("--timeout", type=float, default=120, help="seconds for an answer (default: 120)")
    asks.set_defaults(run=ask)
    serves = commands.add_parser("serve", help="a server for Flow-GRPO that asks a reward program for moa")
    serves.add_argument("port", type=int, help="on 127.0.0.1; 0 takes a free one")
    serves.add_argument("command", nargs="+", metavar="-- PROGRAM", help="the program and its arguments")
    serves.set_defaults(run=serve)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
