"""Writes oddities.jsonl: small tokenizers made for this project, and what Hugging Face tokenizers and sentencepiece do with them.

usage: python oddities.py OUT      (tokenizers 0.23.3, sentencepiece 0.2.3, protobuf; fixed seed, same bytes on every run)
One line a tokenizer: {"name", "json" or "model" (base64), "rows": [{"text", "ids"}]}. Texts and vocabularies are our own.
"""
import base64
import itertools
import json
import random
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import Tokenizer

FRAGMENTS = [" ", "  ", "   ", "\n", "\r\n", "\t", "\u00a0", "'s", "'S", "'ll", "a", "b", "ab", "abc", "ba", "the", " the", "The", "e\u0301", "\u00e9", "\u212b", "1", "12", "123", "1234", "\u0663", "\u00b2", "\u00bd", ".", ",", "...", "_", "-",
             "<a>", "<a><b>", "a>", "<", "<m>", "\u4e16\u754c", "\U0001f600", "\u2581", "\u200d", "\x00", "[X]", "<s>", "x", "y", "xy", "z"]


def texts(rng, count):
    return ["", " ", "<a>", " <m> ", "<a><b>", "x<m>y"] + ["".join(rng.choice(FRAGMENTS) for _ in range(rng.randint(1, 16))) for _ in range(count)]


def byte_alphabet():
    printable = list(range(33, 127)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    out, n = {}, 0
    for b in range(256):
        if b in printable:
            out[b] = chr(b)
        else:
            out[b], n = chr(256 + n), n + 1
    return out


BYTES = byte_alphabet()
TO = lambda s: "".join(BYTES[b] for b in s.encode())


def bpe(words, base, **options):
    """Merges that build each word from its left."""
    vocab = {t: i for i, t in enumerate(base)}
    merges = []
    for w in words:
        for n in range(2, len(w) + 1):
            if w[:n] not in vocab:
                vocab[w[:n]] = len(vocab)
                merges.append([w[:n - 1], w[n - 1]])
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
            "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": merges, **options}


def token(content, **flags):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **flags}


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


WORDS = [TO(w) for w in ["the", " the", "abc", "ba", "  ", " a", "\n\n", "123", "12", " 1", "'s", "...", "\u00e9", "\u4e16", "xy", "a1"]]
PLAIN = bpe(WORDS, BYTES.values())
ADDED = [token("<a>"), token("<a><b>"), token("a>"), token("<m>", lstrip=True, rstrip=True), token("the", single_word=True), token("[X]", rstrip=True)]
CHARS = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)] + list("\u2581abcthexy.1'")
LEGACY = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
FALLBACK = {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
SPM = dict(byte_fallback=True, unk_token="<unk>", fuse_unk=True)
LEGACY_WORDS = ["\u2581the", "\u2581\u2581", "abc", "ba", "\u2581a", "xy", "..."]


def cases():
    def case(name, pre, model=PLAIN, added=(), normalizer=None, post=None, decoder=None):
        vocab, free = model["vocab"], itertools.count(len(model["vocab"]))
        added = [{**a, "id": vocab[a["content"]] if a["content"] in vocab else next(free)} for a in added]
        return name, {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": normalizer, "pre_tokenizer": pre,
                      "post_processor": post, "decoder": decoder or {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, "model": model}

    yield case("prefix space and added tokens", byte_level(prefix=True), added=ADDED)
    yield case("added tokens in normalised text", byte_level(), added=[token("e\u0301<a>", normalized=True), token("\u212b", normalized=True), token("\u00e9")], normalizer={"type": "NFC"})
    yield case("digits one by one", sequence({"type": "Digits", "individual_digits": True}, byte_level()))
    yield case("digits in runs", sequence({"type": "Digits", "individual_digits": False}, byte_level()))
    yield case("other pattern", sequence(split(r"\p{N}{1,2}|\p{Lu}?\p{Ll}+|[^\S\n]+(?=\S)|\s"), byte_level(regex=False)))
    yield case("several patterns", sequence(split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?[!-/:-~]+"), split(r"\s+$"), split(r"\p{N}+"), byte_level(regex=False)))
    yield case("prefix space behind a pattern", sequence(split(r"\p{L}+"), byte_level(prefix=True, regex=False)))
    yield case("whole words", byte_level(prefix=True), model={**PLAIN, "ignore_merges": True, "merges": PLAIN["merges"][:3]})
    yield case("old merges, empty affixes", byte_level(), model={**PLAIN, "merges": [" ".join(m) for m in PLAIN["merges"]], "continuing_subword_prefix": "", "end_of_word_suffix": ""})
    yield case("byte fallback", None, bpe(LEGACY_WORDS, CHARS, **SPM), [token("<s>"), token("<m>", lstrip=True)], LEGACY, decoder=FALLBACK)
    yield case("byte fallback, merges over U+2581", None, bpe(LEGACY_WORDS + ["a\u2581b", "e\u2581", "x\u2581\u2581y"], CHARS, **SPM), [token("<s>", normalized=True), token("<a>", normalized=True)], LEGACY, decoder=FALLBACK)


def sentencepiece_model(rng, crossing, prefix):
    """Random pieces over few letters, with equal scores, and with letters that are no pieces of their own."""
    m = pb.ModelProto()
    for i, text in enumerate(CHARS[:259]):
        p = m.pieces.add(piece=text, score=0.0)
        p.type = 2 if i == 0 else 3 if i < 3 else 6
    seen = set()
    while len(seen) < 150:
        w = "".join(rng.choice("abcxy\u2581") for _ in range(rng.choice([2, 2, 2, 3, 3, 4])))
        if w not in seen and (crossing or "\u2581" not in w.lstrip("\u2581")):
            seen.add(w)
            m.pieces.add(piece=w, score=-float(rng.randint(1, 40)))
    for c in "abc\u2581":
        m.pieces.add(piece=c, score=-100.0)
    m.trainer_spec.model_type = 2
    m.trainer_spec.byte_fallback = True
    m.normalizer_spec.name = "identity"
    m.normalizer_spec.remove_extra_whitespaces = False
    m.normalizer_spec.add_dummy_prefix = prefix
    return m.SerializeToString()


def main():
    rng = random.Random(3)
    with open(sys.argv[1], "w", encoding="ascii", newline="\n") as f:
        for name, spec in cases():
            t = Tokenizer.from_str(json.dumps(spec))
            rows = [{"text": x, "ids": t.encode(x, add_special_tokens=False).ids} for x in texts(rng, 120)]
            f.write(json.dumps({"name": name, "json": spec, "rows": rows}, separators=(",", ":")) + "\n")
        for crossing, prefix in (False, True), (True, True), (True, False):
            b = sentencepiece_model(rng, crossing, prefix)
            sp = sentencepiece.SentencePieceProcessor(model_proto=b)
            some = texts(rng, 60) + ["".join(rng.choice("abcxy  ") for _ in range(rng.randint(1, 90))) for _ in range(120)]
            rows = [{"text": x, "ids": sp.encode(x)} for x in some]
            name = f"sentencepiece, pieces {'over' if crossing else 'without'} inner U+2581, dummy prefix {prefix}"
            f.write(json.dumps({"name": name, "model": base64.b64encode(b).decode(), "rows": rows}, separators=(",", ":")) + "\n")


main()
