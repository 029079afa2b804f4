#!/usr/bin/python3
"""Decodes MXFP4 experts as gpt-oss stores them, with NumPy, for mxfp4_test.cpp.

    python3 mxfp4.py        (needs python3-numpy; writes mxfp4.json beside itself)

Blocks are U8 (experts, outputs, inputs / 32, 16), two values a byte, the lower four bits first; scales are U8
(experts, outputs, inputs / 32), powers of two with bias 127; gate and up are the even and odd outputs of one tensor.
Bytes: blocks[i] = 37 i + 11 i^2 + 5, scales[i] = 121 + i mod 9.  Written from OCP's microscaling specification and the
model's description; shares nothing with the C++ code.
"""
import json
import os

import numpy as np

EXPERTS, HIDDEN, WIDTH = 2, 64, 32
MAGNITUDES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def decode(outputs, inputs):
    n = EXPERTS * outputs * inputs // 2
    i = np.arange(n, dtype=np.int64)
    packed = ((37 * i + 11 * i * i + 5) & 255).reshape(EXPERTS, outputs, inputs // 32, 16)
    scales = 121 + np.arange(EXPERTS * outputs * inputs // 32) % 9
    nibbles = np.stack([packed % 16, packed // 16], axis=-1).reshape(EXPERTS, outputs, inputs // 32, 32)
    values = MAGNITUDES[nibbles % 8] * np.where(nibbles >= 8, -1, 1)
    values = values * 2.0 ** (scales.reshape(EXPERTS, outputs, inputs // 32, 1) - 127)
    return values.reshape(EXPERTS, outputs, inputs)


def main():
    gate_up, down = decode(2 * WIDTH, HIDDEN), decode(HIDDEN, WIDTH)
    one = lambda m: [[float(v) for v in row] for row in m]
    out = {"gate": one(gate_up[1, 0::2]), "up": one(gate_up[1, 1::2]), "down": one(down[1])}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "mxfp4.json"), "w") as f:
        json.dump(out, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
