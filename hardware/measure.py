#!/usr/bin/env python3
"""Measures one GPU's kernels and writes tables that `moesim calibrate FOLDER` reads.

    python3 measure.py FOLDER --gpu h200              products, attention, norms on one GPU
    torchrun --nproc-per-node 8 measure.py FOLDER --gpu h200      all-reduce between GPUs as well
    python3 measure.py FOLDER --gpu h200 --device cpu --quick     a try without a GPU: its times are of no use

Needs PyTorch alone, 2.5 or later for heads that share keys.  FP8 products, scaled by row, come from torch._scaled_mm
where the GPU has them.  `moesim calibrate` reads all tables but that of norms.  Each kernel is replayed from a CUDA graph; a time is the median of repeated replays.  GPUs are
named as in moesim's catalogue (`moesim list hardware`).
"""
import argparse
import csv
import os
import pathlib
import statistics
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("measure.py: needs PyTorch (pip install torch, or Debian's python3-torch)")

PRODUCT_ROWS = (1, 4, 16, 64, 128, 256, 1024, 4096, 16384)
# Columns and depth of projections from 2,048 wide models to 16,384 wide ones.
PRODUCT_SHAPES = ((1536, 2048), (2048, 2048), (2112, 7168), (4096, 2048), (4096, 7168), (7168, 2048), (8192, 8192),
                  (24576, 1536), (7168, 16384), (28672, 8192))
HEADS = ((32, 8, 128), (64, 8, 128), (16, 2, 128), (32, 32, 128), (64, 8, 64))  # queries, keys and values, width
NORM_WIDTHS = (2048, 4096, 7168)
MATRICES = 6  # multiplied with in turn, so that large ones come from memory, not from the cache


class Clock:
    """Times of a function in microseconds: replayed from a CUDA graph, or called where there is none."""

    def __init__(self, device, repeats):
        self.device, self.repeats = device, repeats

    def of(self, step, calls):
        """Median time of one of `calls` calls step(0) ... step(calls - 1)."""
        for i in range(calls):
            step(i)
        if self.device.type != "cuda":
            times = []
            for _ in range(self.repeats):
                begin = time.perf_counter()
                for i in range(calls):
                    step(i)
                times.append((time.perf_counter() - begin) / calls * 1e6)
            return statistics.median(times)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for i in range(calls):
                step(i)
        for _ in range(3):
            graph.replay()
        times = []
        for _ in range(self.repeats):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            graph.replay()
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end) / calls * 1e3)
        return statistics.median(times)


class Table:
    """A CSV file that is whole at any time: rows go to it as they are measured."""

    def __init__(self, folder, name, columns):
        self.file = open(folder / name, "w", newline="", encoding="utf-8")
        self.writer = csv.writer(self.file)
        self.writer.writerow(columns)
        self.rows = 0

    def add(self, *values):
        self.writer.writerow([f"{v:.5g}" if isinstance(v, float) else v for v in values])
        self.file.flush()
        self.rows += 1


def tried(what, measure):
    """A kernel that the GPU or its memory lacks is named and left out; the rest goes on."""
    try:
        return measure()
    except (RuntimeError, NotImplementedError, TypeError, AttributeError) as problem:
        print(f"  left out {what}: {str(problem).splitlines()[0][:120]}", file=sys.stderr)
        return None


def quantised(x, top):
    """x in FP8 with one scale a row: values [rows, columns], scales [rows, 1]."""
    scale = x.abs().amax(dim=-1, keepdim=True).float().clamp(min=1e-6) / top
    return (x.float() / scale).to(torch.float8_e4m3fn), scale


def product_steps(device, m, n, k):
    """(precision, kernel, function that makes the step) of every kind of product PyTorch has here."""
    def bf16():
        x = torch.randn(m, k, device=device, dtype=torch.bfloat16)
        w = [torch.randn(n, k, device=device, dtype=torch.bfloat16) for _ in range(MATRICES)]
        return lambda i: torch.nn.functional.linear(x, w[i])

    def fp8():
        x = torch.randn(m, k, device=device, dtype=torch.bfloat16)
        w = [quantised(torch.randn(n, k, device=device), 448.0) for _ in range(MATRICES)]

        def step(i):
            q, scale = quantised(x, 448.0)
            return torch._scaled_mm(q, w[i][0].t(), scale_a=scale, scale_b=w[i][1].t(), out_dtype=torch.bfloat16)
        return step

    yield "bfloat16", "torch_linear", bf16
    if device.type == "cuda" and hasattr(torch, "float8_e4m3fn") and hasattr(torch, "_scaled_mm") and m % 16 == 0:
        yield "fp8", "torch_scaled_mm", fp8


def measure_products(args, clock, folder):
    table = Table(folder, f"gemm_{args.gpu}.csv",
                  ["gpu", "library", "kernel", "precision", "m", "n", "k", "time_us"])
    for n, k in args.shapes:
        for m in args.rows:
            for precision, kernel, make in product_steps(args.device, m, n, k):
                t = tried(f"{precision} {m} x {n} x {k}", lambda: clock.of(make(), MATRICES))
                if t is not None:
                    table.add(args.gpu, args.library, kernel, precision, m, n, k, t)
    return table


def attention(q, k, v, causal):
    """q [batch, heads, new, width], k and v [batch, kv_heads, keys, width]."""
    group = q.shape[1] // k.shape[1]
    dot_product = getattr(torch.nn.functional, "scaled_dot_product_attention", None)
    if group > 1 and dot_product and "enable_gqa" in (dot_product.__doc__ or ""):
        return dot_product(q, k, v, is_causal=causal, enable_gqa=True)
    if group > 1 and q.device.type == "cuda":  # a copy of the keys for each query head would be timed with it
        raise NotImplementedError("heads that share keys need PyTorch 2.5")
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    if dot_product:
        return dot_product(q, k, v, is_causal=causal)
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), float("-inf"))
    return torch.softmax(scores, -1) @ v


def measure_attention(args, clock, folder):
    columns = ["gpu", "library", "kernel", "batch", "new_tokens", "cached_tokens", "heads", "kv_heads", "head_dim",
               "window", "compute", "kv_cache", "time_us"]
    prefill = Table(folder, f"attention_prefill_{args.gpu}.csv", columns)
    decode = Table(folder, f"attention_decode_{args.gpu}.csv", columns)
    for heads, kv, width in args.heads:
        for table, batch, new, cached in args.contexts(prefill, decode):
            def make():
                q = torch.randn(batch, heads, new, width, device=args.device, dtype=torch.bfloat16)
                k, v = (torch.randn(batch, kv, new + cached, width, device=args.device, dtype=torch.bfloat16)
                        for _ in range(2))
                return lambda i: attention(q, k, v, new > 1)
            t = tried(f"attention {batch} x {new} after {cached}, {heads} heads", lambda: clock.of(make(), 1))
            if t is not None:
                table.add(args.gpu, args.library, "torch_sdpa", batch, new, cached, heads, kv, width, 0, "bfloat16",
                          "bfloat16", t)
    return prefill, decode


def measure_norms(args, clock, folder):
    table = Table(folder, f"norm_{args.gpu}.csv", ["gpu", "library", "kernel", "rows", "width", "time_us"])
    for width in args.norms:
        for rows in args.rows:
            x = torch.randn(rows, width, device=args.device, dtype=torch.bfloat16)
            weight = torch.ones(width, device=args.device, dtype=torch.bfloat16)

            def norm(_):
                return x * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6).to(x.dtype) * weight
            step = torch.compile(norm) if args.device.type == "cuda" and hasattr(torch, "compile") else norm
            t = tried(f"norm {rows} x {width}", lambda: clock.of(step, 1))
            if t is not None:
                table.add(args.gpu, args.library, "rms_norm", rows, width, t)
    return table


def measure_all_reduce(args, clock, folder):
    """Where torchrun started several processes: NCCL's all-reduce from 256 bytes to 256 MB."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world < 2:
        return None
    import torch.distributed as dist
    rank = dist.get_rank()
    table = Table(folder, f"nccl_{args.gpu}.csv",
                  ["gpu", "library", "collective", "dtype", "gpus", "elements", "bytes", "time_us"]) if rank == 0 else None
    elements = 128
    while elements <= args.most_elements:
        x = torch.ones(elements, device=args.device, dtype=torch.float16)
        t = clock.of(lambda _: dist.all_reduce(x), 4)
        if table:
            table.add(args.gpu, args.backend, "all_reduce", "half", world, elements, elements * 2, t)
        elements *= 4
    return table


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                epilog="Then: moesim calibrate FOLDER --gpu GPU -o kernels-mine.yaml")
    p.add_argument("folder", type=pathlib.Path, help="folder for the tables; made if it is not there")
    p.add_argument("--gpu", required=True, help="name of the GPU in moesim's catalogue, such as h100")
    p.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    p.add_argument("--repeats", type=int, default=9, help="replays of which the median counts")
    p.add_argument("--quick", action="store_true", help="a few small shapes, to try the script")
    p.add_argument("--force", action="store_true", help="write over tables that are there")
    return p.parse_args()


def prepare(args):
    args.library = f"pytorch {torch.__version__}"
    args.rows, args.shapes, args.heads, args.norms = PRODUCT_ROWS, PRODUCT_SHAPES, HEADS, NORM_WIDTHS
    new, cached, batches, args.most_elements = (128, 1024, 4096, 8192), (128, 1024, 8192), (1, 16, 128), 1 << 27
    if args.quick:
        args.rows, args.shapes, args.heads, args.norms = (1, 16), ((64, 64), (128, 64)), ((4, 2, 16),), (64,)
        new, cached, batches, args.most_elements = (16,), (32,), (1, 2), 1 << 10
    args.contexts = lambda prefill, decode: (
        [(prefill, b, n, 0) for b in batches[:2] for n in new] + [(decode, b, 1, c) for b in batches for c in cached])
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("measure.py: PyTorch sees no GPU here (--device cpu tries the script without one)")
    args.device = torch.device(args.device, rank) if args.device == "cuda" else torch.device("cpu")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        import torch.distributed as dist
        args.backend = "nccl" if args.device.type == "cuda" else "gloo"
        if args.device.type == "cuda":
            torch.cuda.set_device(args.device)
        dist.init_process_group(args.backend)
    return rank


def main():
    args = arguments()
    args.folder.mkdir(parents=True, exist_ok=True)
    there = sorted(f.name for f in args.folder.glob(f"*_{args.gpu}.csv"))
    if there and not args.force:
        sys.exit(f"measure.py: {args.folder}/{there[0]} is there already; name another folder, or --force")
    rank = prepare(args)
    clock = Clock(args.device, args.repeats)
    torch.manual_seed(1)
    with torch.no_grad():
        if rank == 0:
            for what, measure in (("products", measure_products), ("attention", measure_attention),
                                  ("norms", measure_norms)):
                begin = time.time()
                tables = measure(args, clock, args.folder)
                rows = sum(t.rows for t in (tables if isinstance(tables, tuple) else (tables,)))
                print(f"{what}: {rows} rows in {time.time() - begin:.0f} s", file=sys.stderr)
        table = measure_all_reduce(args, clock, args.folder)
        if table:
            print(f"all-reduce: {table.rows} rows", file=sys.stderr)


if __name__ == "__main__":
    main()
