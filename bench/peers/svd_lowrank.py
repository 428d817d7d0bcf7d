"""Times torch.svd_lowrank beside linalg.RandomizedSVD on the same matrices.

    python3 bench/peers/svd_lowrank.py

Needs torch, numpy and Go, and is run from the root of the repository. Each
matrix is made here, with fixed seeds, and read by a Go benchmark from a file.
In every round the Go benchmark and torch run one after the other, each with
one untimed call before the timed ones, on the same number of threads. Errors
are ||A - U S V||F / ||A||F in float64, computed here for both. One JSON line
per matrix and decomposition: the least and the median time in milliseconds.

Matrices: gauss has normal entries, so its singular values are nearly flat;
power has singular values 1/i; layer is like the weights of a linear layer:
normal entries with column scales exp(N(0, 0.5^2)), plus 256 directions of
strength 4 i^-0.7 times the largest singular value of the noise.

torch with q = rank is its documented use: q vectors, no oversampling. With
q = rank + 8 the sketch is as wide as ours, and the result is cut to the rank.
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


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def basis(seed, rows, columns):
    return torch.linalg.qr(normal(seed, rows, columns))[0]


def matrix(name, m, n):
    if name == "gauss":
        return normal(1, m, n)
    if name == "power":
        k = min(m, n)
        return (basis(2, m, k) / torch.arange(1, k + 1)) @ basis(3, n, k).T
    noise = normal(4, m, n) * torch.exp(0.5 * normal(5, n))
    top = torch.linalg.svdvals(noise @ noise.T)[0].sqrt()
    strength = 4 * top * torch.arange(1, 257) ** -0.7
    return noise + (basis(6, m, 256) * strength) @ basis(7, n, 256).T


def error(a, u, s, v):
    a, u, s, v = (x.double() for x in (a, u, s, v))
    return (torch.linalg.norm(a - (u * s) @ v) / torch.linalg.norm(a)).item()


def run_torch(a, q, rank, niter, repeats):
    times = []
    for i in range(repeats + 1):
        torch.manual_seed(i)
        start = time.perf_counter()
        u, s, v = torch.svd_lowrank(a, q=q, niter=niter)
        if i > 0:
            times.append(1e3 * (time.perf_counter() - start))
    return times, error(a, u[:, :rank], s[:rank], v[:, :rank].T)


def run_go(program, path, a, rank, repeats, threads):
    m, n = a.shape
    env = dict(os.environ, SKETCHBENCH_SVD_MATRIX=path, SKETCHBENCH_SVD_SHAPE=f"{m}x{n}x{rank}",
               GOMAXPROCS=str(threads))
    subprocess.run([program, "-test.run", "^$", "-test.bench", "^BenchmarkRandomizedSVDFile$", "-test.benchtime", f"{repeats}x"],
                   env=env, check=True, stdout=subprocess.DEVNULL)
    with open(path + ".json") as f:
        times = json.load(f)[-repeats:]
    read = lambda part, *shape: torch.from_numpy(numpy.fromfile(path + part, numpy.float32).reshape(shape))
    return times, error(a, read(".u", m, rank), read(".s", rank), read(".v", rank, n))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="2048x8192", help="rows and columns, written with x")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--niter", type=int, default=2, help="torch's; ours has 2 power iterations, 8 extra vectors")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="timed calls of each in a round")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    m, n = map(int, args.shape.split("x"))
    with open("/proc/cpuinfo") as f:
        cpu = next((l.split(":")[1].strip() for l in f if l.startswith("model name")), platform.machine())
    print(json.dumps({"cpu": cpu, "threads": args.threads, "torch": torch.__version__, "shape": args.shape,
                      "rank": args.rank, "rounds": args.rounds, "repeats": args.repeats}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "linalg.test")
        subprocess.run(["go", "test", "-c", "-o", program, "./internal/linalg"], check=True)
        for name in "gauss", "power", "layer":
            a = matrix(name, m, n).contiguous()
            path = os.path.join(folder, name)
            a.numpy().tofile(path)
            runs = {
                f"torch q={args.rank} niter={args.niter}": lambda: run_torch(a, args.rank, args.rank, args.niter, args.repeats),
                f"torch q={args.rank + 8} niter={args.niter}": lambda: run_torch(a, args.rank + 8, args.rank, args.niter, args.repeats),
                "sketchbench": lambda: run_go(program, path, a, args.rank, args.repeats, args.threads),
            }
            times = {k: [] for k in runs}
            errors = {}
            for _ in range(args.rounds):
                for k, f in runs.items():
                    t, errors[k] = f()
                    times[k] += t
            for k in runs:
                print(json.dumps({"matrix": name, "by": k, "min_ms": round(min(times[k]), 1),
                                  "median_ms": round(statistics.median(times[k]), 1), "error": round(errors[k], 7)}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
