"""The datasets known by name: where each lies on the hub, what its fields are called, its licence and its size.

Nothing here has been compared with the hub unless an entry says so: fields, sizes and licences are those that dataset
cards and public loaders state, and no revision is pinned. `python -m repro validate --online` compares them with the
hub, and `dataset.revision` pins a commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

DatasetName = Literal[
    "gsm8k",
    "math",
    "deepscaler",
    "deepscaler_10240",
    "orz",
    "deepmath",
    "dapo_math_17k",
    "scp_25k",
    "math500",
    "minerva",
    "olympiadbench",
    "aime24",
    "amc23",
]
TestName = Literal["gsm8k", "math", "math500", "minerva", "olympiadbench", "aime24", "amc23"]
"""Names with questions to test on."""

NOT_CHECKED = "fields not checked against the hub"


@dataclass(frozen=True)
class Entry:
    """One dataset. A dotted field is a path: `0.value` is the key `value` of the column `0`.

    `splits` are the hub's names of the training and the test split, None where there is none; `rows` their published
    sizes. `keep` and `without` are the default `dataset.filters` and `dataset.without` of training questions.
    `checked` says how the fields were checked, `notes` what sources disagree about or what to know before using it.
    `file` is the address of a file that is not on the hub: then `hub` is the repository that it lies in, and a copy is
    needed.
    """

    hub: str
    source: str
    licence: str
    question: str
    answer: str
    splits: tuple[str | None, str | None]
    rows: tuple[int | None, int | None]
    config: str | None = None
    solution: str | None = None
    revision: str | None = None
    keep: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[TestName, ...] = ()
    checked: str = NOT_CHECKED
    notes: str = ""
    file: str | None = None
    marked: bool = False
    """Whether the answer field holds the worked solution, with the answer after `####`."""

    @property
    def evaluation_only(self) -> bool:
        """Whether nothing of it is meant for training."""
        return self.splits[0] is None

    def defaults(self) -> dict[str, Any]:
        """The fields of a dataset spec that its name stands for, as plain data. A set for evaluation alone has one
        split, which is read whichever is asked for."""
        train, test = self.splits
        fields = {"question": self.question, "answer": self.answer, "solution": self.solution}
        return {
            **fields,
            "train_split": train or test,
            "test_split": test,
            "filters": dict(self.keep),
            "without": list(self.without),
        }


_HUB = "https://huggingface.co/datasets/"

CATALOGUE: Mapping[DatasetName, Entry] = MappingProxyType(
    {
        "gsm8k": Entry(
            hub="openai/gsm8k",
            config="main",
            source="https://github.com/openai/grade-school-math",
            licence="MIT",
            question="question",
            answer="answer",
            splits=("train", "test"),
            rows=(7473, 1319),
            checked="on a local copy of both splits",
            marked=True,
        ),
        "math": Entry(
            hub="nlile/hendrycks-MATH-benchmark",
            source="https://github.com/hendrycks/math",
            licence="MIT (the original's; this copy's card was not seen)",
            question="problem",
            answer="answer",
            solution="solution",
            splits=("train", "test"),
            rows=(12000, 500),
            keep={"level": [3, 4, 5]},
            without=("math500",),
            notes="The 12,000 / 500 split of PRM800K, whose test questions are MATH500. Levels are whole numbers in "
            "copies of this layout and 'Level 3' in the original: then dataset.filters: {level: [Level 3, ...]}.",
        ),
        "deepscaler": Entry(
            hub="agentica-org/DeepScaleR-Preview-Dataset",
            source=_HUB + "agentica-org/DeepScaleR-Preview-Dataset",
            licence="MIT",
            question="problem",
            answer="answer",
            solution="solution",
            splits=("train", None),
            rows=(40315, None),
            notes="A few rows are reported to have no answer: they are dropped with a count. It draws on old AIME and "
            "AMC papers, so look at the overlap with aime24 and amc23.",
        ),
        "deepscaler_10240": Entry(
            hub="ASTRAL-Group/data-efficient-llm-rl",
            file="https://github.com/ASTRAL-Group/data-efficient-llm-rl/raw/59df918/rl_training/data/deepscaler.parquet",
            source="https://github.com/ASTRAL-Group/data-efficient-llm-rl",
            licence="none stated in the repository; MIT for DeepScaleR, which the questions are from",
            question="extra_info.question",
            answer="reward_model.ground_truth",
            splits=("train", None),
            rows=(10240, None),
            checked="on the file itself, at commit 59df918",
            notes="The questions that DOTS + RR's authors train on. 10,090 are distinct but for spaces; 49 repeats "
            "have another answer, and the first one counts. Beside it, in adaptive_difficulty_prediction/: the "
            "predictor, which `repro predictor import` reads; embeddings, a tensor with a row per question, which "
            "studies compute; labels in two pickle files, for which docs/methods.md has a conversion.",
        ),
        "orz": Entry(
            hub="Open-Reasoner-Zero/orz_math_57k_collection",
            source="https://github.com/Open-Reasoner-Zero/Open-Reasoner-Zero",
            licence="MIT",
            question="0.value",
            answer="1.ground_truth.value",
            splits=("train", None),
            rows=(56878, None),
            notes="Each row is a list of two turns, which the datasets library reads as the columns 0 and 1.",
        ),
        "deepmath": Entry(
            hub="zwhe99/DeepMath-103K",
            source=_HUB + "zwhe99/DeepMath-103K",
            licence="MIT",
            question="question",
            answer="final_answer",
            solution="r1_solution_1",
            splits=("train", None),
            rows=(103110, None),
            notes="Cards state 103,110 rows and, in later copies, 103,022; 48 questions were revised in May 2025. "
            "About 2 GB, because three long solutions come with each question.",
        ),
        "dapo_math_17k": Entry(
            hub="open-r1/DAPO-Math-17k-Processed",
            config="all",
            source=_HUB + "BytedTsinghua-SIA/DAPO-Math-17k",
            licence="Apache-2.0 (the original's; this copy's card states none)",
            question="prompt",
            answer="solution",
            splits=("train", None),
            rows=(17398, None),
            notes="Each question once and without the instructions around it; `solution` is the gold answer alone. "
            "The original repeats each about 100 times: hub BytedTsinghua-SIA/DAPO-Math-17k, question "
            "prompt.0.content, answer reward_model.ground_truth. Counts of distinct questions differ: 17,398 and "
            "17,917; `en` in place of `all` leaves the Chinese ones out (14,116).",
        ),
        "scp_25k": Entry(
            hub="EricLu/SCP-116K",
            source="https://github.com/AQA6666/SCP-116K-open",
            licence="CC-BY-NC-SA-4.0 by later cards, MIT by an earlier one",
            question="problem",
            answer="matched_solution",
            splits=("train", None),
            rows=(116756, None),
            notes="The paper's 25,000 curated questions have no id known here, so this is all of SCP-116K. The matched "
            "solution is often prose, which is never judged right: better a file with short answers beside the name.",
        ),
        "math500": Entry(
            hub="HuggingFaceH4/MATH-500",
            source="https://github.com/openai/prm800k",
            licence="MIT (PRM800K's and MATH's; the card states none)",
            question="problem",
            answer="answer",
            solution="solution",
            splits=(None, "test"),
            rows=(None, 500),
        ),
        "minerva": Entry(
            hub="math-ai/minervamath",
            source=_HUB + "math-ai/minervamath",
            licence="not stated on the card; MIT on another copy (svc-huggingface/minerva-math)",
            question="question",
            answer="answer",
            splits=(None, "test"),
            rows=(None, 272),
        ),
        "olympiadbench": Entry(
            hub="Hothan/OlympiadBench",
            config="OE_TO_maths_en_COMP",
            source="https://github.com/OpenBMB/OlympiadBench",
            licence="Apache-2.0",
            question="question",
            answer="final_answer.0",
            splits=(None, "train"),
            rows=(None, 674),
            notes="Open-ended, text-only, English competition questions: 674 rows here, 675 in some evaluations. "
            "`final_answer` is a list; its first item is compared, as other evaluations do.",
        ),
        "aime24": Entry(
            hub="HuggingFaceH4/aime_2024",
            source="https://artofproblemsolving.com/wiki/index.php/AIME_Problems_and_Solutions",
            licence="not stated on the card; Apache-2.0 on its source (AI-MO/aimo-validation-aime)",
            question="problem",
            answer="answer",
            solution="solution",
            splits=(None, "train"),
            rows=(None, 30),
        ),
        "amc23": Entry(
            hub="math-ai/amc23",
            source=_HUB + "math-ai/amc23",
            licence="not stated on the card",
            question="question",
            answer="answer",
            splits=(None, "test"),
            rows=(None, 40),
            notes="40 questions here; another set of that name in use has 83 of AMC 2022 and 2023.",
        ),
    }
)

NAMES: tuple[DatasetName, ...] = get_args(DatasetName)
TRAINING_NAMES = tuple(name for name in NAMES if not CATALOGUE[name].evaluation_only)
