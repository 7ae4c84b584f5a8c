"""Our tokenizer and llama.cpp's cut every text into the same tokens."""

import random
from collections.abc import Iterator

import pytest

from tools.train.dataset import load_dataset
from tools.train.evaluate import BUNDLED
from tools.train.export import read_tokenizer
from tools.train.served import ServedModel

ALPHABETS = {
    "ascii": [chr(code) for code in range(0x20, 0x7F)],
    "digits": list("0123456789 .,-²½Ⅷ٣५"),
    "punctuation": list("!?.,;:-\u2013\u2014'\"“”«»()[]{}<>/\\|@#$%^&*_+=~`…¿¡§€ "),
    "white space": list(" \t\n\r\v\f\u00a0\u2003\u2028\u3000\u0085ab1."),
    "control": [chr(code) for code in (*range(1, 0x20), *range(0x7F, 0xA0), 0xAD, 0x200B, 0x200D, 0xFEFF)],
    "latin": list("aàáâãäåæçèéßüžŁőğİ\u0131\u017f zZ'"),
    "greek and cyrillic": list("αβγδωΣςжщЖЁїґ "),
    "cjk": list("漢字仮名交じり文中文简体한국어カタカナ、。「」 1"),
    "right to left": list("שלוםمرحباًَ 12"),
    "combining": list("aeoü\u0301\u0308\u0327\u20dd\u0e48ก\u093fक "),
    "emoji": ["😀", "👍🏽", "👩‍💻", "🇩🇪", "❤️", "☕", " ", "ok", "!"],
    "contractions": ["don't", "I'll", "WE'VE", "it's", "'s", "'Re", "you're", " 'm", "'d", " ", "''", "'"],
}


def drawn_texts(chance: random.Random) -> Iterator[str]:
    topics = load_dataset().everything()
    everything = [text for topic in topics for text in (topic.answer, *topic.wordings, *topic.held_out)]
    yield from chance.sample(everything, 280)
    everywhere = sorted({letter for letters in ALPHABETS.values() for letter in letters})
    for letters in (*ALPHABETS.values(), everywhere):
        for _ in range(50):
            yield "".join(chance.choice(letters) for _ in range(chance.randint(1, 40)))
    for _ in range(70):
        codes = (chance.choice((chance.randrange(1, 0xD800), chance.randrange(0xE000, 0x30000))) for _ in range(12))
        yield "".join(map(chr, codes))


TEXTS = list(drawn_texts(random.Random(20)))


def test_a_thousand_texts_become_the_same_tokens_here_and_in_llama_cpp() -> None:
    assert len(TEXTS) == 1000
    tokenizer = read_tokenizer(BUNDLED)
    with ServedModel(BUNDLED) as model:
        different = [text for text in TEXTS if tokenizer.encode(text) != model.tokenize(text)]
    assert different == []


@pytest.mark.parametrize("text", ["", " ", "What is HXP?", "naïve 漢字 👩‍💻\t\n", "a\u0301 don't", "\x01\x7f"])
def test_decoding_gives_back_the_text(text: str) -> None:
    tokenizer = read_tokenizer(BUNDLED)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_mean_themselves_only_in_a_chat() -> None:
    tokenizer = read_tokenizer(BUNDLED)
    assert tokenizer.encode_chat("<|im_end|>") == [tokenizer.id_of("<|im_end|>")]
    assert len(tokenizer.encode("<|im_end|>")) > 1


def test_dropout_cuts_finer_and_loses_nothing() -> None:
    tokenizer = read_tokenizer(BUNDLED)
    text = "What is hxp-resilience?"
    finer = tokenizer.encode(text, dropout=0.5, chance=random.Random(1))
    assert len(finer) > len(tokenizer.encode(text))
    assert tokenizer.decode(finer) == text
