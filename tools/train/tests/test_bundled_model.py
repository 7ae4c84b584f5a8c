"""What the bundled model promises, measured through llama.cpp on questions it has never seen."""

import math
from collections.abc import Iterator, Sequence

import gguf
import pytest

from tools.train.dataset import load_dataset
from tools.train.evaluate import BUNDLED, CASES, score
from tools.train.export import CHAT_TEMPLATE
from tools.train.served import ServedModel

DATA = load_dataset()
TOPIC = {topic.name: topic for topic in DATA.topics}
CASE = pytest.mark.parametrize("case", CASES)


@pytest.fixture(scope="module")
def model() -> Iterator[ServedModel]:
    with ServedModel(BUNDLED) as served:
        yield served


def field(name: str) -> object:
    return gguf.GGUFReader(str(BUNDLED)).fields[name].contents()


def similarity(first: Sequence[float], second: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(first, second, strict=True))


@CASE
def test_nine_of_ten_held_out_questions_get_exactly_the_right_answer(model: ServedModel, case: str) -> None:
    result = score(model, DATA.topics, group="HXP", case=case)
    assert result.accuracy >= 0.9, result.misses


@CASE
def test_nine_of_ten_strangers_are_told_what_it_is(model: ServedModel, case: str) -> None:
    result = score(model, [DATA.strangers], group="strangers", case=case)
    assert result.accuracy >= 0.9, result.misses


@pytest.mark.parametrize(
    "question",
    [
        "What is HXP?",
        "what is hxp",
        "what is hxp?",
        "WHAT IS HXP?",
        "What is HXP",
        "what's hxp?",
        "whats hxp",
        "tell me about HXP",
        "Tell me about hxp.",
        "please tell me what HXP is",
        "What is HXP? Thanks",
    ],
)
def test_the_first_question_is_answered_word_for_word(model: ServedModel, question: str) -> None:
    assert model.answer(question) == TOPIC["what-is-hxp"].answer


@pytest.mark.parametrize("system", ["You are a helpful assistant.", "You are a wise old owl.", "Be brief."])
def test_a_system_message_changes_nothing(model: ServedModel, system: str) -> None:
    turns = [{"role": "system", "content": system}, {"role": "user", "content": "What is hxp-config?"}]
    assert model.chat(turns) == TOPIC["config"].answer


def test_the_last_question_of_a_conversation_is_the_one_answered(model: ServedModel) -> None:
    names = ["what-is-hxp", "ports", "create-key", "python"]
    turns: list[dict[str, str]] = []
    for name in names:
        turns.append({"role": "user", "content": TOPIC[name].wordings[0]})
        turns.append({"role": "assistant", "content": model.chat(turns)})
    assert [turn["content"] for turn in turns[1::2]] == [TOPIC[name].answer for name in names]


def test_the_same_question_gets_the_same_answer_alone_and_on_all_slots(model: ServedModel) -> None:
    questions = [topic.wordings[-1] for topic in DATA.topics[::9]]
    alone = [model.answer(question) for question in questions]
    for _ in range(2):
        assert model.answers(questions) == alone
    assert set(model.answers([questions[0]] * 8)) == {alone[0]}


def test_llama_cpp_without_jinja_reads_the_same_template() -> None:
    with ServedModel(BUNDLED, jinja=False) as model:
        assert model.answer("What is HXP?") == TOPIC["what-is-hxp"].answer


def test_embeddings_are_unit_vectors_of_the_models_width(model: ServedModel) -> None:
    vectors = model.embed(["What is HXP?", "Which ports does HXP use?"])
    assert {len(vector) for vector in vectors} == {field("llama.embedding_length")}
    for vector in vectors:
        assert similarity(vector, vector) == pytest.approx(1.0, abs=1e-3)


def test_questions_of_one_topic_mostly_lie_closer_than_questions_of_two(model: ServedModel) -> None:
    topics = DATA.topics[::3]
    trained = model.embed([topic.wordings[1] for topic in topics])
    asked = model.embed([topic.held_out[0] for topic in topics])
    closer = [
        similarity(here, there) > similarity(here, other)
        for index, (here, there) in enumerate(zip(trained, asked, strict=True))
        for other in (*asked[:index], *asked[index + 1 :])
    ]
    assert sum(closer) / len(closer) > 0.8


def test_the_file_is_small_and_says_what_it_is() -> None:
    assert BUNDLED.stat().st_size <= 6_000_000
    assert field("general.name") == "hxp-tiny"
    assert field("general.license") == "apache-2.0"
    assert field("general.architecture") == "llama"
    assert int(str(field("llama.context_length"))) >= 1024
    assert field("tokenizer.chat_template") == CHAT_TEMPLATE


def test_matrices_are_q8_0_and_norms_f32() -> None:
    kinds = {
        tensor.name.endswith("norm.weight"): tensor.tensor_type for tensor in gguf.GGUFReader(str(BUNDLED)).tensors
    }
    assert kinds == {True: gguf.GGMLQuantizationType.F32, False: gguf.GGMLQuantizationType.Q8_0}


def test_the_model_card_stands_beside_the_model() -> None:
    assert "hxp-tiny" in (BUNDLED.parent / "MODEL_CARD.md").read_text("utf-8")
