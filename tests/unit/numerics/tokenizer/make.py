#!/usr/bin/python3
"""Makes the small tokenizers of tokenizer_test.cpp: vocabularies learnt from a few lines, pipelines of every kind.

    python3 make.py                    writes NAME.json beside itself

expected.json holds the ids that the tokenizers library itself (Rust, release 0.15) gave for samples.json, special tokens
of the template added; that library is not needed to build or test.
"""
import collections
import json
import os
import re

TEXT = """the quick brown fox jumps over the lazy dog; don't they say they'll, we've and I'm the one?
for (int i = 0; i < 100; ++i) { total += values[i]; }  // the sum of the values
Der schnelle braune Fuchs \u00fcber den faulen Hund; \u00e9t\u00e9, na\u00efve caf\u00e9 und Stra\u00dfe.
\u6771\u4eac\u306e\u6771\u4eac\u90fd \u4f60\u597d\u4e16\u754c \u4f60\u597d 2024 2025 12345 100 1000 \U0001f44d\U0001f3fd \U0001f44d
the theory of the thing, then there, their; other another mother; ing ing ing. The END\n\n\tthe
"""
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def visible():
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in own]
    return {**{b: chr(b) for b in own}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def learn(words, vocabulary, count):
    """Merges of the most frequent adjacent pair, equal ones by text."""
    words = collections.Counter(tuple(w) for w in words)
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for w, n in words.items():
            for pair in zip(w, w[1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        vocabulary.setdefault("".join(best), len(vocabulary))
        joined = collections.Counter()
        for w, n in words.items():
            out, i = [], 0
            while i < len(w):
                step = 2 if w[i:i + 2] == best else 1
                out.append("".join(w[i:i + step]))
                i += step
            joined[tuple(out)] += n
        words = joined
    return merges


def byte_level(count):
    table = visible()
    words = ["".join(table[b] for b in w.encode()) for w in re.findall(r" ?\w+| ?[^\w\s]+|\s+", TEXT)]
    vocabulary = {c: i for i, c in enumerate(sorted(table.values()))}
    return vocabulary, learn(words, vocabulary, count)


def with_fallback(count):
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"<0x{b:02X}>": 3 + b for b in range(256)}}
    words = ["\u2581" + w for w in TEXT.split()]
    for c in sorted(set("".join(words)) - set("\u4e16\u754c\U0001f3fd")):
        vocabulary.setdefault(c, len(vocabulary))
    return vocabulary, learn(words, vocabulary, count)


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def bytes_(prefix=False, regex=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def added(id, content, special=True, normalized=False):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": normalized, "special": special}


def write(name, vocabulary, merges, pre, normalizer=None, post=None, extra=(), **model):
    pairs = model.pop("pairs", False)
    out = {"version": "1.0", "truncation": None, "padding": None,
           "added_tokens": [added(len(vocabulary) + i, *t) for i, t in enumerate(extra)],
           "normalizer": normalizer, "pre_tokenizer": pre, "post_processor": post, "decoder": None,
           "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                     "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                     "vocab": vocabulary, "merges": [list(m) if pairs else " ".join(m) for m in merges], **model}}
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, name + ".json"), "w") as f:
        json.dump(out, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")


def main():
    vocabulary, merges = byte_level(220)
    marks = [("<|end|>",), ("<|user|>",), ("<|end|><|user|>",), ("naive\u0301", False, True)]
    sequence = lambda *steps: {"type": "Sequence", "pretokenizers": list(steps)}
    contractions = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    write("gpt2", vocabulary, merges, bytes_(prefix=True, regex=True), extra=marks)
    write("three_splits", vocabulary, merges,
          sequence(split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
                   split(r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
                   bytes_()), normalizer={"type": "Sequence", "normalizers": []}, extra=marks)
    whole = dict(vocabulary)
    whole["\u0120unlearnt"] = len(whole)  # a word that no merges make
    write("whole_words", whole, merges, sequence(split(contractions), bytes_()), normalizer={"type": "NFC"}, pairs=True,
          extra=marks, ignore_merges=True,
          post={"type": "Sequence", "processors": [bytes_(), {
              "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|user|>", "type_id": 0}},
                                                       {"Sequence": {"id": "A", "type_id": 0}},
                                                       {"SpecialToken": {"id": "<|end|>", "type_id": 0}}], "pair": [],
              "special_tokens": {"<|user|>": {"id": "<|user|>", "ids": [len(whole) + 1], "tokens": ["<|user|>"]},
                                 "<|end|>": {"id": "<|end|>", "ids": [len(whole)], "tokens": ["<|end|>"]}}}]})
    write("behaviours", vocabulary, merges,
          sequence({"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Contiguous"},
                   split(" ", "MergedWithNext", kind="String"), split("e", "MergedWithPrevious", kind="String"),
                   split(r"[^\s]+", "Isolated", invert=True), split("x", "Removed", kind="String"), bytes_()),
          normalizer={"type": "NFKC"})
    vocabulary, merges = with_fallback(150)
    start = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
             {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
             "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    names = [("<unk>",), ("<s>",), ("</s>",)]

    def sentence_piece(name, pre, normalizer, **model):
        write(name, vocabulary, merges, pre, normalizer, start, unk_token="<unk>", fuse_unk=True, **model)
        here = os.path.dirname(os.path.abspath(__file__))
        file = os.path.join(here, name + ".json")
        j = json.load(open(file))
        j["added_tokens"] = [added(i, *t) for i, t in enumerate(names)]
        with open(file, "w") as f:
            json.dump(j, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")

    marked = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"},
              {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    sentence_piece("fallback", None, marked, byte_fallback=True)
    sentence_piece("unknown", {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}, None)


if __name__ == "__main__":
    main()
