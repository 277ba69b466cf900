"""A small server of the completions interface: it loads a folder with transformers and samples as it is asked.

Run as `python language_server.py FOLDER PORT [FAULT]`.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

FOLDER, PORT, FAULT = sys.argv[1], int(sys.argv[2]), (sys.argv[3:] or [""])[0]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, {"data": [{"id": FOLDER}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if FAULT == "refuse" or asked["model"] != FOLDER:
            return self.answer(404, {"error": f"no model {asked['model']}"})
        if FAULT:
            tokens = [0] * asked["max_tokens"]
        else:
            with lock:
                tokens = completion(asked)
        text = {"token_ids": tokens[:-1] if FAULT == "short" else tokens}
        return self.answer(200, {"choices": [{} if FAULT == "text" else text]})

    def answer(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def completion(asked):
    torch.manual_seed(asked["seed"])
    prompt = torch.tensor([asked["prompt"]])
    greedy = asked["temperature"] == 0.0
    bias = {(int(token),): shift for token, shift in asked["logit_bias"].items()}
    shape = {} if greedy else {key: asked[key] for key in ("temperature", "top_p", "top_k", "min_p") if asked[key]}
    made = net.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=not greedy,
        max_new_tokens=asked["max_tokens"],
        repetition_penalty=asked["repetition_penalty"],
        eos_token_id=None,
        pad_token_id=0,
        sequence_bias=bias or None,
        **shape,
    )
    return made[0, len(asked["prompt"]) :].tolist()


if FAULT == "crash":
    sys.exit("no memory left for the model")
if not FAULT:  # what fails need not wait for these
    import torch
    from transformers import AutoModelForCausalLM

    net = AutoModelForCausalLM.from_pretrained(FOLDER)
lock = Lock()
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
