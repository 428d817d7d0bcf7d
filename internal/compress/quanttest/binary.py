"""Writes testdata/binary.json: what numpy makes of the copied matrices by the
rules of BiLLM, STBLLM, PB-LLM and OneBit (methods.md 4.7), in float64.

    python binary.py

It follows the published procedures with masks over whole blocks, as their code
does, and shares nothing with the Go code but testdata/inputs.safetensors. Two
rules differ from the published ones, as they do there: a weight that is its
group's mean has the sign +, and pruned weights have no part in what is
binarised. numpy 2.4.6.
"""
import json
import pathlib
import struct

import numpy as np

HERE = pathlib.Path(__file__).parent / "testdata"
BLOCK = 128


def inputs():
    raw = (HERE / "inputs.safetensors").read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8 : 8 + n])
    get = lambda t: np.frombuffer(raw[8 + n + head[t]["data_offsets"][0] : 8 + n + head[t]["data_offsets"][1]], "<f4").astype(float)
    out = {}
    for name in ("heavy", "gauss"):
        w = get(name + ".W").reshape(head[name + ".W"]["shape"])
        d = w.shape[1]
        h = np.zeros((d, d))
        h[np.tril_indices(d)] = get(name + ".H")
        out[name] = w, h + np.tril(h, -1).T
    return out


def prepared(w, h, damp):
    w, h = w.copy(), h.copy()
    dead = np.diag(h) == 0
    h[dead, dead] = 1
    w[:, dead] = 0
    diag = np.diag(h).copy()
    h += damp * diag.mean() * np.eye(len(h))
    return w, np.linalg.cholesky(np.linalg.inv(h)).T, dead, diag


def residual(x, mask, order):
    """Sum of order binarisations of x under a mask, each mean + alpha·sign."""
    total = np.zeros_like(x)
    n = np.maximum(mask.sum(1, keepdims=True), 1)
    for _ in range(order):
        rest = np.where(mask, x - total, 0)
        mean = rest.sum(1, keepdims=True) / n
        d = np.where(mask, rest - mean, 0)
        alpha = np.abs(d).sum(1, keepdims=True) / n
        total = total + np.where(mask, mean + alpha * np.where(d < 0, -1, 1), 0)
    return total


half = lambda x: x.astype(np.float16).astype(float)


def stored(x, mask, order):
    """residual with the scalars that are stored, rounded to f16: a mean for
    all terms together, and an alpha for each."""
    n = np.maximum(mask.sum(1, keepdims=True), 1)
    rest, means, terms = np.where(mask, x, 0), 0, []
    for _ in range(order):
        mean = rest.sum(1, keepdims=True) / n
        alpha = np.where(mask, np.abs(rest - mean), 0).sum(1, keepdims=True) / n
        sign = np.where(rest < (half(mean) if order == 1 else mean), -1, 1)
        rest = np.where(mask, rest - mean - alpha * sign, 0)
        means = means + mean
        terms.append(half(alpha) * sign)
    return np.where(mask, half(means) + sum(terms), 0)


def regions(q, free, bounds):
    a = np.abs(q)
    edges = [-1, *bounds, np.inf]
    return [free & (a >= lo) & (a < hi) for lo, hi in zip(edges, edges[1:])]


def search(s, q, kept, three):
    order = np.argsort(-(np.abs(s) * kept).sum(0), kind="stable")
    best = None
    for i in range(1, min(49, q.shape[1]) + 1):
        salient = np.zeros_like(kept)
        salient[:, order[:i]] = True
        e = ((q - residual(q, salient & kept, 2) - residual(q, ~salient & kept, 2))[kept] ** 2).sum()
        if best is None or e < best[0]:
            best = e, i
    count = best[1]
    salient = np.zeros_like(kept)
    salient[:, order[:count]] = True
    values = np.quantile(np.abs(q * ~salient)[kept], np.linspace(0.1, 0.9, 160 if three else 81))
    best = None
    for v in values:
        bounds = [v, 2 * v] if three else [v]
        if bounds[-1] > values[-1]:
            continue
        q_hat = sum(residual(q, m, 1) for m in regions(q, ~salient & kept, bounds))
        e = ((q - q_hat)[kept & ~salient] ** 2).sum()
        if best is None or e < best[0]:
            best = e, bounds
    return sorted(order[:count].tolist()), salient, best[1]


def blocks(w, h, on_saliency=True, kept=None, three=False, move=False):
    """BiLLM, and with kept and three STBLLM: Ŵ and the searches' results."""
    w, u, _, _ = prepared(w, h, 0.01)
    kept = np.ones(w.shape, bool) if kept is None else kept
    if not move:
        w = w * kept
    q_all, found = np.zeros_like(w), []
    for lo in range(0, w.shape[1], BLOCK):
        hi = min(lo + BLOCK, w.shape[1])
        x, k = w[:, lo:hi], kept[:, lo:hi]
        s = x**2 / np.diag(u)[lo:hi] ** 2
        q = s if on_saliency else x
        columns, salient, bounds = search(s, q, k, three)
        x_hat = stored(x, salient & k, 2) + sum(stored(x, m, 1) for m in regions(q, ~salient & k, bounds))
        q_all[:, lo:hi] = x_hat
        w[:, hi:] -= ((x - x_hat) / np.diag(u)[lo:hi]) @ u[lo:hi, hi:]
        found.append({"salient": columns, "bounds": bounds})
    return q_all, found


def prune(w, h, keep, importance):
    _, _, dead, diag = prepared(w, h, 0.01)
    a = np.abs(w)
    columns = a.sum(0)
    columns[columns == 0] = 1
    r = a / columns + a / a.sum(1, keepdims=True)
    norm = np.sqrt(diag)
    score = {
        "relative": r * norm**0.5,
        "standardised": (r - r.mean(1, keepdims=True)) / (r.std(1, ddof=1, keepdims=True) + 1e-5) * norm,
        "wanda": a * norm,
    }[importance]
    score[:, dead] = -np.inf
    kept = np.zeros(w.shape, bool)
    for c in range(0, w.shape[1], 8):
        top = np.argsort(-score[:, c : c + 8], axis=1, kind="stable")[:, :keep]
        np.put_along_axis(kept[:, c : c + 8], top, True, axis=1)
    return kept


def pbllm(w, h, share, over_row=True):
    w, u, _, _ = prepared(w, h, 0.01)
    s = w**2 / np.diag(u) ** 2
    k = int(share * w.size)
    salient = s >= np.sort(s.ravel())[-k]
    assert salient.sum() == k
    low = np.where(salient, 0, w)
    n = w.shape[1] if over_row else np.maximum((~salient).sum(1, keepdims=True), 1)
    mean = low.sum(1, keepdims=True) / n
    alpha = np.abs((low - mean) * (1 if over_row else ~salient)).sum(1, keepdims=True) / n
    lo, hi = np.minimum(w.min(1), 0), np.maximum(w.max(1), 0)
    mean, alpha, scale = half(mean), half(alpha), half((hi - lo) / 255)
    zero = np.round(-lo / scale)
    q = np.zeros_like(w)
    for j in range(w.shape[1]):
        x = w[:, j]
        high = scale * (np.clip(np.round(x / scale) + zero, 0, 255) - zero)
        sign = mean[:, 0] + alpha[:, 0] * np.where(x < mean[:, 0], -1, 1)
        q[:, j] = np.where(salient[:, j], high, sign)
        w[:, j + 1 :] -= np.outer((x - q[:, j]) / u[j, j], u[j, j + 1 :])
    return q, int(salient[0].sum())


def nmf(w):
    """NMF of one component from a random start, by alternating least squares."""
    a = np.abs(w)
    y = np.random.default_rng(0).random(a.shape[1])
    for _ in range(500):
        x = a @ y / (y @ y)
        y = a.T @ x / (x @ x)
    return np.where(w < 0, -1, 1) * np.outer(x, y)


def main():
    results = {}
    for name, (w, h) in inputs().items():
        norm_f, norm_h = (w**2).sum(), np.einsum("ij,jk,ik", w, h, w)

        def note(case, w_hat, **more):
            d = w - w_hat
            results[f"{name}.{case}"] = {
                "e_F": float(np.sqrt((d**2).sum() / norm_f)),
                "e_H": float(np.einsum("ij,jk,ik", d, h, d) / norm_h),
                **more,
            }

        for search_on in ("saliency", "weights"):
            w_hat, found = blocks(w, h, search_on == "saliency")
            note(f"billm.{search_on}", w_hat, blocks=found)
        for keep in (4, 6):
            for importance in ("relative", "standardised", "wanda"):
                w_hat, found = blocks(w, h, kept=prune(w, h, keep, importance), three=True)
                note(f"stbllm.{keep}.{importance}", w_hat, blocks=found)
        w_hat, found = blocks(w, h, kept=prune(w, h, 4, "relative"), three=True, move=True)
        note("stbllm.4.move", w_hat, blocks=found)
        for share in (0.05, 0.1, 0.5):
            for over in ("row", "rest"):
                w_hat, first = pbllm(w, h, share, over == "row")
                note(f"pbllm.{share}.{over}", w_hat, salient_first_row=first)
        note("onebit", nmf(w))
    text = json.dumps({"versions": {"numpy": np.__version__}, "results": results}, indent=1)
    (HERE / "binary.json").write_text(text + "\n")


main()
