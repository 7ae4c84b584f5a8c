"""What the data files promise."""

import random
from collections import Counter

import pytest

from tools.train.augmentation import Variation
from tools.train.dataset import Conversation, Topic, load_dataset, normalised
from tools.train.tokenizer import Tokenizer

DATA = load_dataset()
TOPICS = pytest.mark.parametrize("topic", DATA.topics, ids=lambda topic: topic.name)


def test_no_held_out_wording_is_in_a_training_list() -> None:
    trained = {normalised(text) for topic in DATA.everything() for text in topic.wordings}
    held_out = {normalised(text) for topic in DATA.everything() for text in topic.held_out}
    assert not trained & held_out


def test_no_wording_appears_twice() -> None:
    times = Counter(normalised(text) for topic in DATA.everything() for text in (*topic.wordings, *topic.held_out))
    assert [text for text, count in times.items() if count > 1] == []


def test_names_and_answers_are_unique() -> None:
    names = Counter(topic.name for topic in DATA.everything())
    answers = Counter(topic.answer for topic in DATA.everything())
    assert max(names.values()) == 1
    assert max(answers.values()) == 1


@TOPICS
def test_an_answer_is_short_and_asked_for_in_enough_ways(topic: Topic) -> None:
    assert len(topic.answer.split()) <= 45
    assert topic.answer == " ".join(topic.answer.split())
    assert topic.answer[-1] in ".?"
    assert len(topic.wordings) >= 6
    assert len(topic.held_out) >= 2


def test_there_are_enough_strangers() -> None:
    assert len(DATA.strangers.wordings) >= 250
    assert len(DATA.strangers.held_out) >= 40


def test_no_variation_is_held_out_or_belongs_to_another_topic() -> None:
    variation = Variation(DATA, random.Random(5))
    owner = {normalised(text): topic for topic in DATA.everything() for text in topic.wordings}
    held_out = {normalised(text) for topic in DATA.everything() for text in topic.held_out}
    for topic in DATA.everything():
        for _ in range(50):
            key = normalised(variation.draw(topic))
            assert key not in held_out
            assert owner.get(key, topic) is topic


def test_variations_of_the_same_seed_are_the_same() -> None:
    first, second = (Variation(DATA, random.Random(7)) for _ in range(2))
    topic = DATA.topics[0]
    assert [first.draw(topic) for _ in range(20)] == [second.draw(topic) for _ in range(20)]


def test_a_conversation_learns_the_answers_and_their_ends_alone() -> None:
    tokenizer = Tokenizer.from_merges([])
    conversation = Conversation(tokenizer)
    conversation.system("Be brief.")
    conversation.user(tokenizer.encode("hi"))
    conversation.assistant(tokenizer.encode("ho"))
    sample = conversation.sample()
    assert tokenizer.decode(sample.ids) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nho<|im_end|>\n"
    )
    learned = [index for index, learn in zip(sample.ids, sample.learn, strict=True) if learn]
    assert tokenizer.decode(learned) == "ho<|im_end|>"
