"""A reward for moa over HTTP: mean brightness, by Pillow. In the experiment: Http(url: "http://127.0.0.1:8000/score")."""

import base64
import io
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image, ImageStat


def score(picture, prompt):
    grey = Image.open(io.BytesIO(base64.b64decode(picture))).convert("L")
    return ImageStat.Stat(grey).mean[0] / 255


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "pictures" in asked:
            answer = {"id": asked["id"], "scores": list(map(score, asked["pictures"], asked["prompts"]))}
        else:
            answer = {"protocol": 1, "name": "brightness", "unit": "mean luma", "range": [0, 1]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
