"""Makes the files beside it: small checkpoints in others' formats, and the
weights that they stand for, by numpy and torch code that follows the published
layouts. Run in this folder; torch 2.15, numpy 2.4, safetensors 0.8:

    python generate.py
"""

import json
import math
import pathlib
import pickle

import numpy as np
import torch
from safetensors.torch import save_file

rng = np.random.default_rng(7)
SHAPES = {"model.layers.0.self_attn.q_proj": (32, 64), "model.layers.0.mlp.down_proj": (64, 32)}


def folder(name):
    p = pathlib.Path(name)
    p.mkdir(exist_ok=True)
    return p


def int32(x):
    return torch.from_numpy(np.ascontiguousarray(x.astype(np.uint32)).view(np.int32))


def pack_down(codes, bits):
    """Codes [in, out] to words [in*bits/32, out], as AutoGPTQ packs them."""
    rows, out = codes.shape
    words = np.zeros((rows * bits // 32, out), np.uint64)
    if bits in (2, 4, 8):
        per = 32 // bits
        for i in range(rows):
            words[i // per] |= codes[i].astype(np.uint64) << np.uint64(bits * (i % per))
        return words
    for block in range(rows // 32):  # 3 bits: 32 codes in three words
        c = codes[32 * block : 32 * block + 32].astype(np.uint64)
        w = words[3 * block : 3 * block + 3]
        for j in range(10):
            w[0] |= c[j] << np.uint64(3 * j)
        w[0] |= (c[10] << np.uint64(30)) & np.uint64(0xFFFFFFFF)
        w[1] |= (c[10] >> np.uint64(2)) & np.uint64(1)
        for j in range(10):
            w[1] |= c[11 + j] << np.uint64(3 * j + 1)
        w[1] |= (c[21] << np.uint64(31)) & np.uint64(0xFFFFFFFF)
        w[2] |= (c[21] >> np.uint64(1)) & np.uint64(3)
        for j in range(10):
            w[2] |= c[22 + j] << np.uint64(3 * j + 2)
    return words


def gptq_published(t, base, bits, v1):
    """The unpacking of AutoGPTQ's torch path, in f16."""
    qweight, qzeros, scales, g_idx = (t[f"{base}.{e}"] for e in ("qweight", "qzeros", "scales", "g_idx"))
    mask = 2**bits - 1
    shifts = torch.arange(0, 32, bits, dtype=torch.int32)
    zeros = ((qzeros.unsqueeze(2) >> shifts) & mask).reshape(qzeros.shape[0], -1)
    if v1:
        zeros = (zeros + 1) & mask
    weight = ((qweight.unsqueeze(1) >> shifts.view(1, -1, 1)) & mask).reshape(-1, qweight.shape[1])
    return (scales[g_idx.long()] * (weight - zeros[g_idx.long()])).T.contiguous()


def gptq(name, bits, group, v2=False, act=False, sym=False):
    d, tensors, want = folder(name), {}, {}
    for base, (out, rows) in SHAPES.items():
        groups = rows // group
        codes = rng.integers(0, 2**bits, (rows, out))
        zeros = rng.integers(0, 2**bits, (groups, out))
        if sym:
            zeros[:] = 2 ** (bits - 1)
        scales = (rng.random((groups, out)) * 0.02 + 1e-4).astype(np.float16)
        index = np.arange(rows) // group
        if act:
            index = rng.permutation(index)
        stored = zeros if v2 else (zeros - 1) % 2**bits
        tensors[base + ".qweight"] = int32(pack_down(codes, bits))
        tensors[base + ".qzeros"] = int32(pack_down(stored.T, bits).T)
        tensors[base + ".scales"] = torch.from_numpy(scales)
        tensors[base + ".g_idx"] = torch.from_numpy(index.astype(np.int32))
        tensors[base + ".bias"] = torch.zeros(out, dtype=torch.float16)
        w = scales.astype(np.float32)[index] * (codes - zeros[index]).astype(np.float32)
        want[base + ".weight"] = torch.from_numpy(np.ascontiguousarray(w.T))
        if bits != 3:
            want[base + ".f16"] = gptq_published(tensors, base, bits, not v2)
            exact = torch.from_numpy(w.T.astype(np.float16))
            assert torch.equal(want[base + ".f16"], exact)
            if bits != 4 or v2:
                del want[base + ".f16"]
    save_file(tensors, d / f"gptq_model-{bits}bit-{group}g.safetensors")
    save_file(want, f"{name}.want.safetensors")
    config = {"bits": bits, "group_size": group, "desc_act": act, "sym": sym, "damp_percent": 0.01, "quant_method": "gptq",
              "checkpoint_format": "gptq_v2" if v2 else "gptq"}
    (d / "quantize_config.json").write_text(json.dumps(config, indent=1) + "\n")


def awq_published(t, base, group):
    """The unpacking of AutoAWQ's gemm layers, in f16."""
    shifts = torch.arange(0, 32, 4, dtype=torch.int32)
    order = [0, 4, 1, 5, 2, 6, 3, 7]  # the inverse of the order of packing

    def unpack(x):
        v = ((x.unsqueeze(2) >> shifts) & 15)[:, :, order]
        return v.reshape(x.shape[0], -1)

    weight, zeros = unpack(t[base + ".qweight"]), unpack(t[base + ".qzeros"])
    scales = t[base + ".scales"]
    return ((weight - zeros.repeat_interleave(group, 0)) * scales.repeat_interleave(group, 0)).T.contiguous()


def awq(name, group):
    d, tensors, want = folder(name), {}, {}
    order = [0, 2, 4, 6, 1, 3, 5, 7]

    def pack(x):
        words = np.zeros((x.shape[0], x.shape[1] // 8), np.uint64)
        for col in range(words.shape[1]):
            for i in range(8):
                words[:, col] |= x[:, 8 * col + order[i]].astype(np.uint64) << np.uint64(4 * i)
        return int32(words)

    for base, (out, rows) in SHAPES.items():
        groups = rows // group
        codes, zeros = rng.integers(0, 16, (rows, out)), rng.integers(0, 16, (groups, out))
        scales = (rng.random((groups, out)) * 0.02 + 1e-4).astype(np.float16)
        tensors[base + ".qweight"], tensors[base + ".qzeros"] = pack(codes), pack(zeros)
        tensors[base + ".scales"] = torch.from_numpy(scales)
        index = np.arange(rows) // group
        w = scales.astype(np.float32)[index] * (codes - zeros[index]).astype(np.float32)
        want[base + ".weight"] = torch.from_numpy(np.ascontiguousarray(w.T))
        want[base + ".f16"] = awq_published(tensors, base, group)
        assert torch.equal(want[base + ".f16"], torch.from_numpy(w.T.astype(np.float16)))
    tensors["model.layers.0.input_layernorm.weight"] = torch.from_numpy((rng.random(64) + 0.5).astype(np.float16))
    save_file(tensors, d / "model.safetensors")
    save_file(want, f"{name}.want.safetensors")
    config = {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True, "version": "gemm"}}
    (d / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def sketchtune(name, bits, groups, dtype=torch.float16, protocol=4):
    d, layers, trained, want = folder(name), {}, {}, {}
    for base, (out, cols) in SHAPES.items():
        grid = torch.from_numpy(np.sort(rng.standard_normal((out, groups, 2**bits)) * 0.02)).to(dtype)
        codes = rng.integers(0, 2**bits, (out, groups, cols // groups)).astype(np.uint8)
        nibbles = torch.from_numpy(codes[..., 0::2] << 4 | codes[..., 1::2])
        tuned = (grid.float() + 0.001).to(dtype)
        if groups == 1:  # as older files have it
            grid, nibbles = grid[:, 0], nibbles[:, 0]
        layers[base] = (grid, nibbles)
        trained[base] = tuned

        def weights(table):
            table = table.reshape(out, groups, -1).float().numpy()
            return torch.from_numpy(np.take_along_axis(table, codes.astype(np.int64), 2).reshape(out, cols))

        want[base + ".weight"], want[base + ".trained"] = weights(grid), weights(tuned)
    with open(d / "llama.pkl", "wb") as f:
        pickle.dump(layers, f, protocol=protocol)
    with open(d / "sketched_params.pkl", "wb") as f:
        pickle.dump({k: v.reshape(v.shape[0], groups, -1) for k, v in trained.items()}, f)
    save_file(want, f"{name}.want.safetensors")
    return layers


def adapter(name, rank, alpha, rslora, dtype):
    d, tensors, want = folder(name), {}, {}
    scaling = alpha / math.sqrt(rank) if rslora else alpha / rank
    for base, (out, cols) in SHAPES.items():
        a = torch.from_numpy(rng.standard_normal((rank, cols)) * 0.05).to(dtype)
        b = torch.from_numpy(rng.standard_normal((out, rank)) * 0.05).to(dtype)
        tensors[f"base_model.model.{base}.lora_A.weight"] = a
        tensors[f"base_model.model.{base}.lora_B.weight"] = b
        want[base + ".weight"] = (scaling * (b.double() @ a.double())).float()
    save_file(tensors, d / "adapter_model.safetensors")
    save_file(want, f"{name}.want.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "lora_dropout": 0.05, "use_rslora": rslora, "bias": "none",
              "fan_in_fan_out": False, "target_modules": ["q_proj", "down_proj"], "task_type": "CAUSAL_LM"}
    (d / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")


for bits in (2, 3, 4, 8):
    gptq(f"gptq{bits}", bits, 32)
    gptq(f"gptq{bits}v2", bits, 16, v2=True)
gptq("gptq4act", 4, 16, act=True)
gptq("gptq4sym", 4, 32, sym=True)
awq("awq", 32)
sketchtune("sketchtune4", 4, 2)
sketchtune("sketchtune3", 3, 1, protocol=3)
layers = sketchtune("sketchtune2", 2, 4, protocol=5)
torch.save(layers, "sketchtune2/llama.pt")
torch.save(layers, "sketchtune2/legacy.pt", _use_new_zipfile_serialization=False)
strided = {k: (g.permute(2, 0, 1).contiguous().permute(1, 2, 0), c) for k, (g, c) in layers.items()}
assert all(not g.is_contiguous() for g, _ in strided.values())
torch.save(strided, "sketchtune2/strided.pt")
sketchtune("sketchtune4bf16", 4, 1, dtype=torch.bfloat16)
adapter("lora", 4, 8, False, torch.float16)
adapter("rslora", 4, 8, True, torch.float32)
