#!/usr/bin/env python3
"""Writes the tokenizer files of the embedded model: CLIP's byte-pair format over the grammar of captions.

Ran with Python 3.11, transformers 4.57.1, tokenizers 0.22.1 and ftfy 6.3.1:

    pip install transformers==4.57.1 tokenizers==0.22.1 ftfy==6.3.1
    python train_tokenizer.py

The vocabulary is CLIP's 256 byte symbols, the same with `</w>` for the end of a word, the results of the merges in
their order, `<|startoftext|>` and `<|endoftext|>`. Merges join the most frequent pair of symbols over the words of
the grammar (the first in alphabetical order among equals) until each word is a single token, so that any other text
still becomes bytes. The words are those of `grammar_words()` in `src/caption.rs`; the comma is a byte, so a token of
its own without a merge.

The script then loads the files with CLIPTokenizer and CLIPTokenizerFast, and fails unless both agree with each other
on captions and on arbitrary text, and give one token for each word of the grammar.
"""
import json
from collections import Counter
from pathlib import Path

from transformers import CLIPTokenizer, CLIPTokenizerFast
from transformers.models.clip.tokenization_clip import bytes_to_unicode

HERE = Path(__file__).parent / "tokenizer"
START, END = "<|startoftext|>", "<|endoftext|>"
MODEL_MAX_LENGTH = 24

CONCEPTS = [c["name"] for c in json.loads((Path(__file__).parent / "sprites.json").read_text())["concepts"]]
COLOURS = "red green blue yellow white black purple gray".split()
# Of what has a plural: not of grapes, swords, wine and champagne.
PLURALS = """apples bananas strawberries carrots mushrooms donuts tulips sunflowers trees cacti suns moons stars hearts
houses cars rockets boats balls crowns umbrellas ghosts cats dogs fish butterflies frogs pandas penguins knives bows
bombs explosions beers cocktails cigarettes""".split()
COUNTS = "two three four".split()
WORDS = sorted({*CONCEPTS, *COLOURS, *PLURALS, *COUNTS, *"a an and on background left right of above below".split()})


def train(words):
    """Returns the merges after which each word is a single symbol."""
    pieces = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    merges = []
    while pairs := Counter(pair for p in pieces.values() for pair in zip(p, p[1:])):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, old in pieces.items():
            new = []
            for piece in old:
                if new and (new[-1], piece) == best:
                    new[-1] += piece
                else:
                    new.append(piece)
            pieces[word] = new
    return merges


def write_json(name, value):
    (HERE / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def main():
    HERE.mkdir(exist_ok=True)
    merges = train(WORDS)
    symbols = list(bytes_to_unicode().values())
    tokens = [*symbols, *(s + "</w>" for s in symbols), *map("".join, merges), START, END]
    assert len(set(tokens)) == len(tokens)
    vocab = {token: place for place, token in enumerate(tokens)}
    write_json("vocab.json", vocab)
    (HERE / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    write_json("special_tokens_map.json", special)
    write_json(
        "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "added_tokens_decoder": {
                str(vocab[token]): {
                    "content": token,
                    "lstrip": False,
                    "normalized": token == START,
                    "rstrip": False,
                    "single_word": False,
                    "special": True,
                }
                for token in (START, END)
            },
            "clean_up_tokenization_spaces": True,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": MODEL_MAX_LENGTH,
            "tokenizer_class": "CLIPTokenizer",
            **special,
        },
    )
    (HERE / "tokenizer.json").unlink(missing_ok=True)
    fast = CLIPTokenizerFast.from_pretrained(HERE)
    fast.backend_tokenizer.save(str(HERE / "tokenizer.json"))
    check()
    print(f"{len(tokens)} tokens, {len(merges)} merges, {len(WORDS)} words")


def check():
    """Loads the files anew and compares both of transformers' tokenizers."""
    slow, fast = CLIPTokenizer.from_pretrained(HERE), CLIPTokenizerFast.from_pretrained(HERE)
    for word in [*WORDS, ","]:
        assert len(slow(word).input_ids) == 3, word
    longest = 0
    texts = ["", "a photo of 3 dogs, isn't it?", "  Äpfel & 日本語 \n 🍎 ", "An Apple on a RED background."]
    for first in CONCEPTS:
        texts.append(f"a {first} on a red background")
        texts += [f"a red {first} left of a blue {second} on a black background" for second in CONCEPTS]
        texts.append(f"a {first}, a dog and an apple on a red background")
    texts += [f"{count} {plural} on a red background" for count in COUNTS for plural in PLURALS]
    for text in texts:
        ids = slow(text).input_ids
        assert ids == fast(text).input_ids, (text, ids, fast(text).input_ids)
        assert ids[0] == len(slow) - 2 and ids[-1] == len(slow) - 1
        if " on a " in text:
            longest = max(longest, len(ids))
    assert longest <= MODEL_MAX_LENGTH, longest
    padded = fast("a cat", padding="max_length").input_ids
    assert padded == slow("a cat", padding="max_length").input_ids and len(padded) == MODEL_MAX_LENGTH
    print(f"longest caption: {longest} tokens; vocabulary: {len(slow)}")


if __name__ == "__main__":
    main()
