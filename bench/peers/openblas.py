"""Times OpenBLAS on the shapes of BenchmarkGemm in kernels/gemm.

    python3 bench/peers/openblas.py --shape 512x4096x4096 --threads 1 2

One JSON line per shape and number of threads: the best and the median of the
repeats in GFLOP/s for Y = X·Wᵀ in float32, X m×k and W n×k, both row-major.
Needs numpy (whose wheels bundle OpenBLAS) and threadpoolctl, which says which
library, version and kernel ran. Each number of threads runs in a process of
its own, with variables that would make OpenBLAS take another kernel unset.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def measure(shape, repeats):
    import numpy
    import threadpoolctl

    m, n, k = map(int, shape.split("x"))
    rng = numpy.random.default_rng(1)
    x = rng.standard_normal((m, k), dtype=numpy.float32)
    w = rng.standard_normal((n, k), dtype=numpy.float32)
    y = numpy.empty((m, n), dtype=numpy.float32)
    numpy.matmul(x, w.T, out=y)
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        numpy.matmul(x, w.T, out=y)
        rates.append(2 * m * n * k / (time.perf_counter() - start) / 1e9)
    blas = [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"]
    print(json.dumps({
        "shape": shape,
        "threads": blas[0]["num_threads"],
        "best": round(max(rates), 1),
        "median": round(statistics.median(rates), 1),
        "repeats": repeats,
        "unit": "GFLOP/s",
        "library": blas[0]["internal_api"] + " " + str(blas[0]["version"]),
        "kernel": blas[0].get("architecture"),
    }))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", nargs="+", default=["512x4096x4096"], help="m×n×k, written with x")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        for shape in args.shape:
            measure(shape, args.repeats)
        return
    for threads in args.threads:
        env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        env["OPENBLAS_NUM_THREADS"] = str(threads)
        subprocess.run(
            [sys.executable, __file__, "--child", "--repeats", str(args.repeats), "--shape", *args.shape],
            env=env, check=True)


if __name__ == "__main__":
    main()
