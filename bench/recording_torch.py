#!/usr/bin/python3
"""The quickstart's forward pass in moesim and in PyTorch: the same weights, tokens, layers and cores, in one run.

    apt-get install python3-torch          (Debian's; installed by hand, nothing else here needs it)
    cmake --build --preset release --target recording_torch_bench
    /usr/bin/python3 bench/recording_torch.py  [--sequences 4] [--length 512] [--repeats 5]

moesim writes DeepSeek-V3 scaled down as the quickstart does (61 layers, 58 of 256 experts, MLA, hidden width 128) as a
Hugging Face folder; PyTorch loads that folder.  Both read the same texts and must choose the same experts and give the
same logits, or the script fails.  Then the two run in turn, each alone, on two threads; the best time of each counts.

The PyTorch side is written as modeling code is: attention as batched matrix products over sequences and heads, the gate
with topk, and the routed experts in three ways, of which the fastest counts: a loop over experts that gathers with
index_select and adds with index_add_ (as in Hugging Face's Mixtral and DeepSeek modules), the tokens sorted by expert
and cut into slices (as in DeepSeek's released inference code), and the same sorted loop compiled by TorchScript.
OpenBLAS below PyTorch runs on one thread, PyTorch's own loops on two: with products as small as these, OpenBLAS's second
thread makes the pass two to three times slower.  --blas-threads 2 shows it.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time

THREADS = "OPENBLAS_NUM_THREADS"
if THREADS not in os.environ:  # read when the library loads
    os.environ[THREADS] = sys.argv[sys.argv.index("--blas-threads") + 1] if "--blas-threads" in sys.argv else "1"

import numpy as np
import torch
import torch.nn.functional as F

TYPES = {"F32": np.float32, "I32": np.int32}


def read_safetensors(file):
    with open(file, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        data = f.read()
    header.pop("__metadata__", None)
    out = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        values = np.frombuffer(data[begin:end], TYPES[t["dtype"]]).reshape(t["shape"])
        out[name] = torch.from_numpy(values.copy())
    return out


def rms(x, w, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * w


def ffn(x, gate, up, down):
    return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


def experts_index_add(x, ids, weights, gate, up, down):
    out = torch.zeros_like(x)
    mask = F.one_hot(ids, gate.shape[0]).permute(2, 1, 0)
    for e in range(gate.shape[0]):
        k, token = torch.where(mask[e])
        if token.numel() == 0:
            continue
        rows = ffn(x.index_select(0, token), gate[e], up[e], down[e])
        out.index_add_(0, token, rows * weights[token, k, None])
    return out


def experts_sorted(x, ids, weights, gate, up, down):
    order = ids.flatten().argsort()
    rows = x.index_select(0, torch.div(order, ids.shape[1], rounding_mode="floor"))
    results = torch.empty_like(rows)
    begin = 0
    counts: list[int] = torch.bincount(ids.flatten(), minlength=gate.shape[0]).tolist()
    for e, n in enumerate(counts):
        if n > 0:
            results[begin:begin + n] = ffn(rows[begin:begin + n], gate[e], up[e], down[e])
            begin += n
    back = torch.empty_like(results)
    back[order] = results
    return (back.view(ids.shape[0], ids.shape[1], -1) * weights.unsqueeze(-1)).sum(1)


class Latent:
    """DeepSeek-V3's layers, from the tensors of its checkpoints."""

    def __init__(self, folder, threads):
        torch.set_num_threads(threads)
        self.c = json.load(open(os.path.join(folder, "config.json")))
        self.w = read_safetensors(os.path.join(folder, "model.safetensors"))
        c = self.c
        self.moe = range(c["first_k_dense_replace"], c["num_hidden_layers"])
        for layer in self.moe:
            for kind in ("gate", "up", "down"):
                names = [f"model.layers.{layer}.mlp.experts.{e}.{kind}_proj.weight" for e in range(c["n_routed_experts"])]
                self.w[f"{layer}.{kind}"] = torch.stack([self.w.pop(n) for n in names])
        self.set_rotation()

    def set_rotation(self):
        c, s = self.c, self.c["rope_scaling"]
        dims, theta = c["qk_rope_head_dim"], c["rope_theta"]
        f = theta ** (-torch.arange(0, dims, 2, dtype=torch.float64) / dims)
        dim = lambda turns: dims * math.log(s["original_max_position_embeddings"] / (turns * 2 * math.pi)) / (
            2 * math.log(theta))
        low, high = max(math.floor(dim(s["beta_fast"])), 0), min(math.ceil(dim(s["beta_slow"])), dims - 1)
        keep = 1 - ((torch.arange(dims // 2) - low) / max(high - low, 0.001)).clamp(0, 1)
        self.frequencies = (f / s["factor"] * (1 - keep) + f * keep).float()
        m = 0.1 * s["mscale_all_dim"] * math.log(s["factor"]) + 1
        self.scale = (c["qk_nope_head_dim"] + dims) ** -0.5 * m * m

    def rotate(self, x):
        """x (sequences, heads, tokens, dims), pairs side by side."""
        a, b = x[..., ::2], x[..., 1::2]
        return torch.stack((a * self.cos - b * self.sin, a * self.sin + b * self.cos), -1).flatten(-2)

    def attention(self, x, p):
        c, w = self.c, self.w
        n, t, _ = x.shape
        heads, nope, rope = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"]
        q = F.linear(rms(F.linear(x, w[p + "q_a_proj.weight"]), w[p + "q_a_layernorm.weight"], self.eps),
                     w[p + "q_b_proj.weight"]).view(n, t, heads, nope + rope).transpose(1, 2)
        latent, shared = F.linear(x, w[p + "kv_a_proj_with_mqa.weight"]).split((c["kv_lora_rank"], rope), -1)
        kv = F.linear(rms(latent, w[p + "kv_a_layernorm.weight"], self.eps), w[p + "kv_b_proj.weight"])
        k, v = kv.view(n, t, heads, nope + c["v_head_dim"]).transpose(1, 2).split((nope, c["v_head_dim"]), -1)
        q = torch.cat((q[..., :nope], self.rotate(q[..., nope:])), -1)
        k = torch.cat((k, self.rotate(shared.unsqueeze(1)).expand(-1, heads, -1, -1)), -1)
        p_ = torch.softmax(torch.matmul(q, k.transpose(-1, -2)) * self.scale + self.mask, -1)
        return F.linear(torch.matmul(p_, v).transpose(1, 2).reshape(n, t, -1), w[p + "o_proj.weight"])

    def choose(self, x, p):
        c = self.c
        scores = torch.sigmoid(F.linear(x, self.w[p + "gate.weight"]))
        biased = scores + self.w[p + "gate.e_score_correction_bias"]
        groups = biased.view(len(x), c["n_group"], -1)
        best = groups.topk(2, -1).values.sum(-1).topk(c["topk_group"], -1).indices
        shut = torch.ones(len(x), c["n_group"], dtype=torch.bool).scatter_(1, best, False)
        ids = groups.masked_fill(shut.unsqueeze(-1), -math.inf).flatten(1).topk(c["num_experts_per_tok"], -1).indices
        weights = scores.gather(1, ids)
        return ids, weights / (weights.sum(-1, keepdim=True) + 1e-20) * c["routed_scaling_factor"]

    @torch.inference_mode()
    def run(self, tokens, experts):
        """tokens (sequences, length).  Returns logits and every layer's choices."""
        c, w = self.c, self.w
        self.eps = c["rms_norm_eps"]
        angles = torch.arange(tokens.shape[1], dtype=torch.float32)[:, None] * self.frequencies
        self.cos, self.sin = angles.cos(), angles.sin()
        self.mask = torch.full((tokens.shape[1],) * 2, -math.inf).triu(1)
        x = F.embedding(tokens, w["model.embed_tokens.weight"])
        routing = []
        for layer in range(c["num_hidden_layers"]):
            p = f"model.layers.{layer}."
            x = x + self.attention(rms(x, w[p + "input_layernorm.weight"], self.eps), p + "self_attn.")
            h = rms(x, w[p + "post_attention_layernorm.weight"], self.eps).flatten(0, 1)
            three = [f"mlp.{k}_proj.weight" for k in ("gate", "up", "down")]
            if layer in self.moe:
                ids, weights = self.choose(h, p + "mlp.")
                routing.append((ids, weights))
                out = experts(h, ids, weights, *[w[f"{layer}.{k}"] for k in ("gate", "up", "down")])
                out = out + ffn(h, *[w[p + k.replace("mlp.", "mlp.shared_experts.")] for k in three])
            else:
                out = ffn(h, *[w[p + k] for k in three])
            x = x + out.view_as(x)
        return F.linear(rms(x, w["model.norm.weight"], self.eps), w["lm_head.weight"]), routing


class Ours:
    def __init__(self, program, folder, sequences, length):
        self.process = subprocess.Popen([program, folder, str(sequences), str(length)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"{program} did not start")

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)
        return self.process.stdout.readline()


def compare(folder, tokens, logits, routing):
    """Fails unless PyTorch's choices, weights and logits are moesim's.

    A few scores of 256 experts lie within rounding of each other; where one is ranked otherwise, what follows in that
    sequence differs for good reason, so weights and logits are held to each other up to there.
    """
    ours = read_safetensors(os.path.join(folder, "results.safetensors"))
    ids, weights = (torch.stack(kind) for kind in zip(*routing))
    same = (ids == ours["experts"]).all(-1)  # (layers, tokens)
    before = same.all(0).view(tokens.shape).cumprod(1).bool().flatten()  # nothing differed in the sequence so far
    weight = (weights - ours["weights"])[:, before].abs().max()
    logit = (logits.flatten(0, 1) - ours["logits"])[before].abs().max()
    print(f"check: {same.float().mean():.4%} of choices alike; before the first other one of a sequence "
          f"({before.float().mean():.0%} of tokens) weights differ by at most {weight:.1e}, logits by {logit:.1e}")
    if before.float().mean() < 0.1 or weight > 1e-5 or logit > 1e-4:
        sys.exit("the two passes differ: the comparison would be worth nothing")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--program", default=os.path.join(here, "../build/bench/recording_torch_bench"))
    options.add_argument("--sequences", type=int, default=4)
    options.add_argument("--length", type=int, default=512)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--blas-threads", type=int, default=1)
    o = options.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        folder = os.path.join(parent, "model")
        ours = Ours(o.program, folder, o.sequences, o.length)
        torch_model = Latent(folder, 2)
        tokens = torch.tensor(json.load(open(os.path.join(folder, "tokens.json"))))
        ours.ask("pass")
        ours.ask("results")
        kinds = {"experts in a loop, index_add_": experts_index_add, "tokens sorted by expert": experts_sorted,
                 "the same, TorchScript": torch.jit.script(experts_sorted)}
        for experts in kinds.values():
            compare(folder, tokens, *torch_model.run(tokens, experts))
        best, mine = dict.fromkeys(kinds, math.inf), math.inf
        for _ in range(o.repeats):
            mine = min(mine, float(ours.ask("pass")))
            for name, experts in kinds.items():
                start = time.perf_counter()
                torch_model.run(tokens, experts)
                best[name] = min(best[name], time.perf_counter() - start)
    n = tokens.numel()
    print(f"DeepSeek-V3 scaled as in the quickstart, {o.sequences} x {o.length} tokens, 2 threads, PyTorch {torch.__version__}")
    print(f"  {'moesim':<34}{n / mine:>8.0f} tokens/s")
    for name, seconds in best.items():
        print(f"  {'PyTorch, ' + name:<34}{n / seconds:>8.0f} tokens/s")
    print(f"ratio to the fastest PyTorch: {min(best.values()) / mine:.2f}")


if __name__ == "__main__":
    main()
