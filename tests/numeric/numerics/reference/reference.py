#!/usr/bin/python3
"""Writes what a plain NumPy forward pass gives for tiny models of each architecture, for reference_test.cpp.

    python3 reference.py        (needs python3-numpy; run from anywhere, writes beside itself)

Each folder gets config.json, as Hugging Face has it, and expected.json: tokens, and per layer the choices and gate
weights, and the logits of every position; with MTP modules, the same of each.  Weights are not stored: both sides make them from the tensor's name, see
weight().  Written from the papers and model descriptions, in double precision, one sequence, no cache, loops over
heads and tokens; nothing is shared with the C++ code.
"""
import json
import math
import os
import zlib

import numpy as np

TOKENS = [3, 17, 25, 8, 30, 11, 2, 19, 27, 5, 14, 22]
HIDDEN, VOCABULARY = 16, 32


def weight(name, shape):
    """Multiples of 1/256 in [-0.5, 0.5): exact in BF16, F16 and F32.  Norm weights are 1 + a quarter of that."""
    key = zlib.crc32(name.encode())
    n = int(np.prod(shape))
    bits = (np.arange(n, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(key)) & np.uint64(0xFFFFFFFF)
    bits = (bits * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    bits ^= bits >> np.uint64(15)
    bits = (bits * np.uint64(3266489917)) & np.uint64(0xFFFFFFFF)
    values = ((bits >> np.uint64(24)).astype(np.float64) - 128) / 256
    if "norm" in name:
        values = 1 + values / 4
    return values.reshape(shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()


def rms(x, w, eps=1e-6):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * w


def silu(x):
    return x * sigmoid(x)


def frequencies(c, dims, theta, scaled=True):
    f = np.array([theta ** (-2 * i / dims) for i in range(dims // 2)])
    s = c.get("rope_scaling") if scaled else None
    if not s:
        return f, 1.0
    kind, factor = s.get("rope_type", s.get("type")), s["factor"]
    if kind == "linear":
        return f / factor, 1.0
    if kind == "llama3":
        low, high, old = s["low_freq_factor"], s["high_freq_factor"], s["original_max_position_embeddings"]
        out = []
        for v in f:
            wave = 2 * math.pi / v
            if wave < old / high:
                out.append(v)
            elif wave > old / low:
                out.append(v / factor)
            else:
                smooth = (old / wave - low) / (high - low)
                out.append((1 - smooth) * v / factor + smooth * v)
        return np.array(out), 1.0
    old = s["original_max_position_embeddings"]  # YaRN
    dim = lambda rotations: dims * math.log(old / (rotations * 2 * math.pi)) / (2 * math.log(theta))
    low, high = dim(s.get("beta_fast", 32)), dim(s.get("beta_slow", 1))
    if s.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dims - 1)
    if low == high:
        high += 0.001
    keep = 1 - np.clip((np.arange(dims // 2) - low) / (high - low), 0, 1)
    m = lambda k: 1.0 if factor <= 1 else 0.1 * k * math.log(factor) + 1
    if "mscale" in s and "mscale_all_dim" in s:
        magnitude = m(s["mscale"]) / m(s["mscale_all_dim"])
    else:
        magnitude = m(1)
    return f / factor * (1 - keep) + f * keep, magnitude


def rotate(x, position, f, magnitude, interleaved):
    """x: (dims); the first 2 len(f) of them rotate."""
    out = x.copy()
    n = len(f)
    for i in range(n):
        a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + n)
        c, s = math.cos(position * f[i]) * magnitude, math.sin(position * f[i]) * magnitude
        out[a], out[b] = x[a] * c - x[b] * s, x[a] * s + x[b] * c
    return out


def attend(q, ks, vs, scale, first, sink=None):
    """One query against keys first..end."""
    logits = np.array([q @ k for k in ks[first:]]) * scale
    if sink is not None:
        p = softmax(np.append(logits, sink))[:-1]
    else:
        p = softmax(logits)
    return sum(a * v for a, v in zip(p, vs[first:]))


class Reference:
    def __init__(self, config):
        self.c = config
        self.kind = config["model_type"]
        self.routing = {}

    def w(self, name, *shape):
        return weight(name, shape)

    def linear(self, x, name, out, bias=False):
        y = x @ self.w(name + ".weight", out, x.shape[-1]).T
        return y + self.w(name + ".bias", out) if bias else y

    def norm(self, x, name):
        return rms(x, self.w(name + ".weight", x.shape[-1]) + (1 if self.kind == "gemma3_text" else 0),
                   self.c["rms_norm_eps"])

    # ---- attention ----------------------------------------------------------------------------------------------
    def window(self, layer):
        c = self.c
        size = c.get("sliding_window")
        if self.kind == "gemma3_text":
            return size if (layer + 1) % c["sliding_window_pattern"] else None
        if self.kind == "gpt_oss":
            return size if c["layer_types"][layer] == "sliding_attention" else None
        return size if self.kind in ("mistral", "mixtral") else None

    def first_key(self, layer, position):
        if self.kind == "llama4_text":
            size = self.c["attention_chunk_size"]
            return position // size * size if (layer + 1) % 4 else 0
        size = self.window(layer)
        return max(0, position - size + 1) if size else 0

    def attention(self, x, layer):
        c, p = self.c, f"model.layers.{layer}.self_attn."
        heads, groups, d = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        bias = self.kind == "qwen2" or c.get("attention_bias", False)
        q = self.linear(x, p + "q_proj", heads * d, bias).reshape(-1, heads, d)
        k = self.linear(x, p + "k_proj", groups * d, bias).reshape(-1, groups, d)
        v = self.linear(x, p + "v_proj", groups * d, bias).reshape(-1, groups, d)
        llama4 = self.kind == "llama4_text"
        if self.kind in ("qwen3_moe", "gemma3_text") or (c.get("use_qk_norm") and not llama4):
            q, k = self.norm(q, p + "q_norm"), self.norm(k, p + "k_norm")
        local = self.kind == "gemma3_text" and self.window(layer)
        theta = c["rope_local_base_freq"] if local else c["rope_theta"]
        f, magnitude = frequencies(c, int(d * c.get("partial_rotary_factor", 1)), theta, not local)
        if not (llama4 and (layer + 1) % 4 == 0):
            for t in range(len(x)):
                for h in range(heads):
                    q[t, h] = rotate(q[t, h], t, f, magnitude, llama4)
                for h in range(groups):
                    k[t, h] = rotate(k[t, h], t, f, magnitude, llama4)
            if llama4 and c["use_qk_norm"]:  # no weights, after the rotation
                q, k = rms(q, 1, c["rms_norm_eps"]), rms(k, 1, c["rms_norm_eps"])
        elif c["attn_temperature_tuning"]:
            for t in range(len(x)):
                q[t] *= 1 + c["attn_scale"] * math.log(1 + (t + 1) // c["floor_scale"])
        scale = c.get("query_pre_attn_scalar", d) ** -0.5
        sinks = self.w(p + "sinks", heads) if self.kind == "gpt_oss" else None
        out = np.zeros((len(x), heads, d))
        for t in range(len(x)):
            for h in range(heads):
                g = h // (heads // groups)
                out[t, h] = attend(q[t, h], k[: t + 1, g], v[: t + 1, g], scale, self.first_key(layer, t),
                                   None if sinks is None else sinks[h])
        return self.linear(out.reshape(len(x), -1), p + "o_proj", HIDDEN, bias and self.kind == "gpt_oss")

    def latent_attention(self, x, layer):
        c, p = self.c, f"model.layers.{layer}.self_attn."
        heads, nope, rope, vd = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
        lora = c["kv_lora_rank"]
        if c.get("q_lora_rank"):
            q = self.linear(self.norm(self.linear(x, p + "q_a_proj", c["q_lora_rank"]), p + "q_a_layernorm"),
                            p + "q_b_proj", heads * (nope + rope))
        else:
            q = self.linear(x, p + "q_proj", heads * (nope + rope))
        q = q.reshape(-1, heads, nope + rope)
        down = self.linear(x, p + "kv_a_proj_with_mqa", lora + rope)
        up = self.linear(self.norm(down[:, :lora], p + "kv_a_layernorm"), p + "kv_b_proj", heads * (nope + vd))
        up = up.reshape(-1, heads, nope + vd)
        f, magnitude = frequencies(c, rope, c["rope_theta"])
        s = c.get("rope_scaling") or {}
        scale = (nope + rope) ** -0.5
        if s.get("mscale_all_dim"):
            scale *= (0.1 * s["mscale_all_dim"] * math.log(s["factor"]) + 1) ** 2
        out = np.zeros((len(x), heads, vd))
        shared = np.array([rotate(down[t, lora:], t, f, magnitude, True) for t in range(len(x))])
        for h in range(heads):
            k = np.concatenate([up[:, h, :nope], shared], axis=1)
            for t in range(len(x)):
                turned = np.concatenate([q[t, h, :nope], rotate(q[t, h, nope:], t, f, magnitude, True)])
                out[t, h] = attend(turned, k[: t + 1], up[: t + 1, h, nope:], scale, 0)
        return self.linear(out.reshape(len(x), -1), p + "o_proj", HIDDEN)

    # ---- feed-forward ---------------------------------------------------------------------------------------------
    def ffn(self, x, prefix, width, names=("gate_proj", "up_proj", "down_proj")):
        gate, up = self.linear(x, prefix + names[0], width), self.linear(x, prefix + names[1], width)
        if self.kind == "gemma3_text":
            act = 0.5 * gate * (1 + np.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate ** 3)))
        else:
            act = silu(gate)
        return self.linear(act * up, prefix + names[2], HIDDEN)

    def choose(self, logits, bias):
        """(ids best first, weights) of one token."""
        c, k = self.c, self.c.get("num_experts_per_tok", 1)
        order = lambda values: sorted(range(len(values)), key=lambda i: (-values[i], i))
        if self.kind in ("mixtral", "gpt_oss"):
            ids = order(logits)[:k]
            return ids, softmax(logits[ids])
        if self.kind == "llama4_text":
            ids = order(logits)[:1]
            return ids, sigmoid(logits[ids])
        v3 = self.kind in ("deepseek_v3", "glm4_moe")
        scores = sigmoid(logits) if v3 else softmax(logits)
        biased = scores + bias if v3 else scores
        groups, kept = c.get("n_group", 1), c.get("topk_group", 1)
        allowed = biased.copy()
        if groups > 1 and c.get("topk_method") != "greedy":
            size = len(scores) // groups
            parts = [biased[g * size:(g + 1) * size] for g in range(groups)]
            rank = order([np.sort(g)[-2:].sum() if v3 else g.max() for g in parts])[:kept]
            for g in range(groups):
                if g not in rank:
                    allowed[g * size:(g + 1) * size] = -np.inf
        ids = order(allowed)[:k]
        weights = scores[ids]
        if c.get("norm_topk_prob", False):
            weights = weights / weights.sum()
        return ids, weights * c.get("routed_scaling_factor", 1)

    def experts(self, x, layer):
        c, kind = self.c, self.kind
        p = f"model.layers.{layer}."
        n = c.get("n_routed_experts", c.get("num_local_experts", c.get("num_experts")))
        width = c.get("moe_intermediate_size", c["intermediate_size"])
        router = {"mixtral": "block_sparse_moe.gate", "gpt_oss": "mlp.router", "llama4_text": "feed_forward.router"}
        logits = self.linear(x, p + router.get(kind, "mlp.gate"), n, kind == "gpt_oss")
        bias = None
        if kind in ("deepseek_v3", "glm4_moe"):
            bias = self.w(p + "mlp.gate.e_score_correction_bias", n)
        out = np.zeros_like(x)
        all_ids, all_weights = [], []
        for t in range(len(x)):
            ids, weights = self.choose(logits[t], bias)
            all_ids.append([int(i) for i in ids])
            all_weights.append([float(v) for v in weights])
            for e, v in zip(ids, weights):
                out[t] += self.expert(x[t], p, e, v, n, width)
        self.routing[layer] = (all_ids, all_weights)
        if c.get("n_shared_experts"):
            out += self.ffn(x, p + "mlp.shared_experts.", c["n_shared_experts"] * width)
        if kind == "llama4_text":
            out += self.ffn(x, p + "feed_forward.shared_expert.", width)
        return out

    def expert(self, x, p, e, v, n, width):
        if self.kind == "mixtral":
            return v * self.ffn(x, f"{p}block_sparse_moe.experts.{e}.", width, ("w1", "w3", "w2"))
        if self.kind == "llama4_text":
            both = (v * x) @ self.w(p + "feed_forward.experts.gate_up_proj", n, HIDDEN, 2 * width)[e]
            down = self.w(p + "feed_forward.experts.down_proj", n, width, HIDDEN)[e]
            return (silu(both[:width]) * both[width:]) @ down
        if self.kind == "gpt_oss":
            q = p + "mlp.experts."
            both = x @ self.w(q + "gate_up_proj", n, HIDDEN, 2 * width)[e] + self.w(q + "gate_up_proj_bias", n, 2 * width)[e]
            gate, up = np.minimum(both[::2], 0.7), np.clip(both[1::2], -0.7, 0.7)
            hidden = gate * sigmoid(1.702 * gate) * (up + 1)
            return v * (hidden @ self.w(q + "down_proj", n, width, HIDDEN)[e] + self.w(q + "down_proj_bias", n, HIDDEN)[e])
        return v * self.ffn(x, f"{p}mlp.experts.{e}.", width)

    def is_moe(self, layer):
        c = self.c
        if not any(k in c for k in ("n_routed_experts", "num_local_experts", "num_experts")):
            return False
        return layer >= c.get("first_k_dense_replace", 0) and (layer + 1) % c.get("interleave_moe_layer_step", 1) == 0

    # ---- the whole ----------------------------------------------------------------------------------------------
    def block(self, x, layer):
        c, p = self.c, f"model.layers.{layer}."
        attention = self.latent_attention if "kv_lora_rank" in c else self.attention
        gemma = self.kind == "gemma3_text"
        a = attention(self.norm(x, p + "input_layernorm"), layer)
        x = x + (self.norm(a, p + "post_attention_layernorm") if gemma else a)
        h = self.norm(x, p + ("pre_feedforward_layernorm" if gemma else "post_attention_layernorm"))
        if self.is_moe(layer):
            f = self.experts(h, layer)
        else:
            width = c.get("intermediate_size_mlp", c["intermediate_size"])
            f = self.ffn(h, p + ("feed_forward." if self.kind == "llama4_text" else "mlp."), width)
        return x + (self.norm(f, p + "post_feedforward_layernorm") if gemma else f)

    def run(self, tokens):
        table = self.w("model.embed_tokens.weight", VOCABULARY, HIDDEN)
        x = table[tokens] * (math.sqrt(HIDDEN) if self.kind == "gemma3_text" else 1)
        for layer in range(self.c["num_hidden_layers"]):
            x = self.block(x, layer)
        self.hidden = self.norm(x, "model.norm")
        if self.c.get("tie_word_embeddings"):
            return self.hidden @ table.T
        return self.linear(self.hidden, "lm_head", VOCABULARY)

    def run_mtp(self, depth, tokens):
        """Module `depth` after run() and the modules before: predicts token t + depth + 2 at position t.

        DeepSeek-V3 technical report, section 2.2; the released eh_proj takes the embedding first, and each module's
        shared_head.norm comes before the shared head.
        """
        layer = self.c["num_hidden_layers"] + depth
        p = f"model.layers.{layer}."
        ahead = tokens[depth + 1:]
        embedded = self.w(p + "embed_tokens.weight", VOCABULARY, HIDDEN)[ahead]
        both = [self.norm(embedded, p + "enorm"), self.norm(self.hidden[: len(ahead)], p + "hnorm")]
        x = self.block(self.linear(np.concatenate(both, axis=1), p + "eh_proj", HIDDEN), layer)
        self.hidden = self.norm(x, p + "shared_head.norm")
        return self.linear(self.hidden, p + "shared_head.head", VOCABULARY)


COMMON = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": 2, "intermediate_size": 12,
          "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
          "max_position_embeddings": 64, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
MLA = {"kv_lora_rank": 8, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 6, "num_key_value_heads": 4,
       "n_routed_experts": 8, "n_shared_experts": 2, "num_experts_per_tok": 3, "moe_intermediate_size": 6,
       "first_k_dense_replace": 1, "moe_layer_freq": 1, "n_group": 4, "topk_group": 2}
YARN = {"type": "yarn", "factor": 8, "original_max_position_embeddings": 16, "beta_fast": 2, "beta_slow": 1,
        "mscale": 0.707, "mscale_all_dim": 0.707}
MODELS = {
    "llama": {"model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0,
              "high_freq_factor": 4.0, "original_max_position_embeddings": 32}},
    "mistral": {"model_type": "mistral", "sliding_window": 5},
    "qwen2": {"model_type": "qwen2", "use_sliding_window": False},
    "mixtral": {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {"model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 6,
                  "norm_topk_prob": True},
    "deepseek": {"model_type": "deepseek", "num_key_value_heads": 4, "n_routed_experts": 8, "n_shared_experts": 2,
                 "num_experts_per_tok": 3, "moe_intermediate_size": 6, "first_k_dense_replace": 1, "moe_layer_freq": 1,
                 "norm_topk_prob": False, "scoring_func": "softmax"},
    "deepseek_v2": {**MLA, "model_type": "deepseek_v2", "q_lora_rank": None, "scoring_func": "softmax",
                    "topk_method": "group_limited_greedy", "norm_topk_prob": False, "routed_scaling_factor": 16.0,
                    "rope_scaling": YARN},
    "deepseek_v3": {**MLA, "model_type": "deepseek_v3", "q_lora_rank": 10, "scoring_func": "sigmoid",
                    "topk_method": "noaux_tc", "norm_topk_prob": True, "routed_scaling_factor": 2.5,
                    "n_shared_experts": 1, "rope_scaling": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}},
    "mtp": {**MLA, "model_type": "deepseek_v3", "q_lora_rank": 10, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
            "norm_topk_prob": True, "routed_scaling_factor": 2.5, "n_shared_experts": 1, "num_nextn_predict_layers": 2},
    "gemma3": {"model_type": "gemma3_text", "num_hidden_layers": 3, "sliding_window": 4, "sliding_window_pattern": 3,
               "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "query_pre_attn_scalar": 6,
               "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "tie_word_embeddings": True},
    "gpt_oss": {"model_type": "gpt_oss", "num_local_experts": 6, "num_experts_per_tok": 2, "sliding_window": 4,
                "layer_types": ["sliding_attention", "full_attention"], "attention_bias": True, "swiglu_limit": 0.7,
                "rope_theta": 150000.0, "rope_scaling": {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0,
                "beta_slow": 1.0, "truncate": False, "original_max_position_embeddings": 4096}},
    "glm4_moe": {"model_type": "glm4_moe", "head_dim": 8, "partial_rotary_factor": 0.5, "attention_bias": True,
                 "use_qk_norm": True, "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 3,
                 "moe_intermediate_size": 6, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
                 "norm_topk_prob": True, "routed_scaling_factor": 2.5},
    "llama4": {"model_type": "llama4_text", "num_hidden_layers": 4, "num_local_experts": 4, "num_experts_per_tok": 1,
               "interleave_moe_layer_step": 2, "intermediate_size": 6, "intermediate_size_mlp": 12,
               "attention_chunk_size": 5, "no_rope_layer_interval": 4, "rope_theta": 500000.0, "use_qk_norm": False,
               "attn_temperature_tuning": False},
    "llama4_scout": {"model_type": "llama4_text", "num_hidden_layers": 5, "num_local_experts": 4,
                     "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "intermediate_size": 6,
                     "intermediate_size_mlp": 12, "attention_chunk_size": 5, "no_rope_layers": [1, 1, 1, 0, 1],
                     "rope_theta": 500000.0, "use_qk_norm": True, "attn_temperature_tuning": True, "floor_scale": 3,
                     "attn_scale": 0.7},
}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    for name, own in MODELS.items():
        config = {**COMMON, **own}
        model = Reference(config)
        rounded = lambda logits: [[round(float(v), 7) for v in row] for row in logits]
        expected = {"tokens": TOKENS, "layers": {}, "logits": rounded(model.run(TOKENS))}
        modules = range(config.get("num_nextn_predict_layers", 0))
        if modules:
            expected["mtp_logits"] = [rounded(model.run_mtp(depth, TOKENS)) for depth in modules]
        for layer, (ids, weights) in sorted(model.routing.items()):
            expected["layers"][str(layer)] = {"experts": ids, "weights": [[round(v, 8) for v in r] for r in weights]}
        folder = os.path.join(here, name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(config, f, indent=1)
            f.write("\n")
        with open(os.path.join(folder, "expected.json"), "w") as f:
            json.dump(expected, f, separators=(",", ":"))
            f.write("\n")


if __name__ == "__main__":
    main()
