"""Times GPTQ in torch beside internal/compress/gptq on the same matrices.

    python3 bench/peers/gptq.py

Needs torch, numpy and Go, and is run from the root of the repository. A matrix
W and the second moments H of its inputs are made here, with fixed seeds, and
read by a Go benchmark from a file. In every round torch and the Go benchmark
run one after the other on the same number of threads, each with one untimed
call before the timed ones. The torch side is the standard algorithm in float32:
three factorisations for the upper Cholesky factor of the inverse, blocks of
128 columns, inside a block one column after the other with its error taken out
of the rest of the block, then one product for the columns behind the block.

One JSON line for each side: least and median seconds of the factorisation, of
the column loop (all that happens inside the blocks, grids included), of the
products between blocks, and of the whole; and tr(EHE^T)/tr(WHW^T) in float64,
E the error of the weights. The last line is torch over ours, of the least.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import torch

BLOCK, DAMP, BITS = 128, 0.01, 4
PARTS = "factor", "columns", "products", "whole"


def problem(out, in_features):
    """W and H: common factors and channels of very different scales."""
    g = torch.Generator().manual_seed(1)
    normal = lambda *shape: torch.randn(*shape, generator=g)
    w = 0.02 * normal(out, in_features)
    x = normal(2048, in_features) + 0.5 * normal(2048, 16) @ normal(16, in_features)
    x *= torch.exp(0.5 * normal(in_features))
    return w, 2 / len(x) * x.T @ x


def grid(w):
    low, high = w.amin(1).clamp(max=0), w.amax(1).clamp(min=0)
    empty = (low == 0) & (high == 0)
    low[empty], high[empty] = -1, 1
    scale = (high - low) / (2**BITS - 1)
    return scale, torch.round(-low / scale)


def gptq(w, h, group, act_order):
    """Returns the rounded weights and the seconds of each part."""
    start = time.perf_counter()
    w, h = w.clone(), h.clone()
    dead = h.diagonal() == 0
    h.diagonal()[dead] = 1
    w[:, dead] = 0
    if act_order:
        order = torch.argsort(h.diagonal(), descending=True, stable=True)
        w, h = w[:, order], h[order][:, order]
    h.diagonal().add_(DAMP * h.diagonal().mean())
    u = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    factored = time.perf_counter()
    products, q = 0.0, torch.empty_like(w)
    n = w.shape[1]
    if group == 0:
        scale, zero = grid(w)
    for lo in range(0, n, BLOCK):
        hi = min(lo + BLOCK, n)
        block, error, factor = w[:, lo:hi].clone(), torch.empty(len(w), hi - lo), u[lo:hi, lo:hi]
        for i in range(hi - lo):
            column = block[:, i]
            if group and (lo + i) % group == 0:
                # The group as all earlier columns left it, where it ends with the block.
                scale, zero = grid(block[:, i : i + group] if i + group <= hi - lo else w[:, lo + i : lo + i + group])
            value = scale * (torch.clamp(torch.round(column / scale) + zero, 0, 2**BITS - 1) - zero)
            q[:, lo + i] = value
            error[:, i] = (column - value) / factor[i, i]
            block[:, i:].addr_(error[:, i], factor[i, i:], alpha=-1)
        before = time.perf_counter()
        w[:, hi:].addmm_(error, u[lo:hi, hi:], alpha=-1)
        products += time.perf_counter() - before
    if act_order:
        q = q[:, torch.argsort(order)]
    done = time.perf_counter()
    return q, {"factor": factored - start, "columns": done - factored - products, "products": products, "whole": done - start}


def run_torch(w, h, args):
    times = []
    for i in range(args.repeats + 1):
        q, t = gptq(w, h, args.group, args.act_order)
        if i > 0:
            times.append(t)
    return q, times


def run_go(program, path, w, args):
    out, in_features = w.shape
    env = dict(os.environ, SKETCHBENCH_GPTQ_MATRIX=path, SKETCHBENCH_GPTQ_SHAPE=f"{out}x{in_features}x{args.group}",
               SKETCHBENCH_GPTQ_ACT_ORDER="1" if args.act_order else "0", GOMAXPROCS=str(args.threads))
    subprocess.run([program, "-test.run", "^$", "-test.bench", "^BenchmarkFile$", "-test.benchtime", f"{args.repeats}x"],
                   env=env, check=True, stdout=subprocess.DEVNULL)
    with open(path + ".json") as f:
        times = [{"factor": t["factor"], "columns": t["compress"] - t["products"], "products": t["products"],
                  "whole": t["factor"] + t["compress"]} for t in json.load(f)[-args.repeats:]]
    return torch.from_numpy(numpy.fromfile(path + ".what", numpy.float32).reshape(out, in_features)), times


def weighted(w, q, h):
    w, q, h = w.double(), q.double(), h.double()
    e = w - q
    return (((e @ h) * e).sum() / ((w @ h) * w).sum()).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="4096x4096", help="rows and columns, written with x")
    parser.add_argument("--group", type=int, default=128, help="0 is a grid for a whole row")
    parser.add_argument("--act-order", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="timed calls of each in a round")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    w, h = problem(*map(int, args.shape.split("x")))
    with open("/proc/cpuinfo") as f:
        cpu = next((l.split(":")[1].strip() for l in f if l.startswith("model name")), platform.machine())
    print(json.dumps({"cpu": cpu, "torch": torch.__version__, **vars(args)}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        program, path = os.path.join(folder, "gptq.test"), os.path.join(folder, "matrix")
        subprocess.run(["go", "test", "-c", "-o", program, "./internal/compress/gptq"], check=True)
        with open(path, "wb") as f:
            f.write(w.contiguous().numpy().tobytes() + h.contiguous().numpy().tobytes())
        runs = {"torch": lambda: run_torch(w, h, args), "sketchbench": lambda: run_go(program, path, w, args)}
        times, least = {k: [] for k in runs}, {}
        for _ in range(args.rounds):
            for k, run in runs.items():
                q, t = run()
                times[k] += t
                if len(times[k]) == args.rounds * args.repeats:
                    least[k] = {p: min(t[p] for t in times[k]) for p in PARTS}
                    median = {p: statistics.median(t[p] for t in times[k]) for p in PARTS}
                    print(json.dumps({"by": k, **{p: [round(least[k][p], 4), round(median[p], 4)] for p in PARTS},
                                      "e_H": round(weighted(w, q, h), 7)}), flush=True)
        print(json.dumps({"torch_over_ours": {p: round(least["torch"][p] / least["sketchbench"][p], 2) for p in PARTS}}))


if __name__ == "__main__":
    sys.exit(main())
