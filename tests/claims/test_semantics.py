"""What words, teachers and gates are worth (Srinivasan 2022, de Oliveira 2023), on planted speech.

`make claims` runs these, at 3,000 utterances by 40 speakers with five seeds; each claim is made too where it is untrue.
"""

import pytest

from tests.claims import changes_of, fine_tuned_size
from tests.claims.compared import Study
from tests.stories.conftest import Project

pytestmark = pytest.mark.claims

VOICE, BOTH = "deoliveira2023-distil", "deoliveira2023-distil-text"
LOST = {rate: f"deoliveira2023-wer-{rate}" for rate in ("25", "50")}
TEACHER, CROSSED = "srinivasan2022-teacher", "srinivasan2022-teacher-crossed"
ALONE, STUDENT, GATED, GATED_CROSSED = (f"srinivasan2022-{name}" for name in ("ft", "ts", "cts", "cts-crossed"))
REGRESSOR, READS, TUNED = changes_of(BOTH), changes_of(TEACHER), changes_of(GATED)
ERRORS = "corrupted-25"
"""Transcripts that teachers read."""
WORDS = {
    "studies/default/systems": [VOICE, BOTH, *LOST.values()],
    "studies/default/changes": dict.fromkeys((VOICE, BOTH, *LOST.values()), REGRESSOR),
}
TEACHERS = {
    "studies/default/systems": [TEACHER, CROSSED, ALONE, STUDENT, GATED, GATED_CROSSED],
    "studies/default/transcripts": ERRORS,
    "studies/default/changes": dict.fromkeys((TEACHER, CROSSED), READS)
    | dict.fromkeys((ALONE, STUDENT, GATED, GATED_CROSSED), TUNED),
}
VALENCE, AROUSAL = "ccc_valence", "ccc_arousal"


def run(folder, *settings: dict) -> Study:
    project = Project(folder)
    project.set(fine_tuned_size())
    for each in settings:
        project.set(each)
    project.snakemake(timeout=50_000)
    return Study(project)


@pytest.fixture(scope="module", params=["normal", "swapped"])
def words(request, tmp_path_factory):
    """The study of words; the dimension that they carry, and the one that they do not."""
    mode = request.param
    study = run(tmp_path_factory.mktemp(mode), WORDS, {"corpora/planted/mode": mode})
    return study, *((VALENCE, AROUSAL) if mode == "normal" else (AROUSAL, VALENCE))


@pytest.fixture(scope="module", params=["normal", "ironic"])
def teachers(request, tmp_path_factory):
    mode = request.param
    more = {"corpora/planted/mode": mode}
    return mode, run(tmp_path_factory.mktemp(f"teachers-{mode}"), TEACHERS, more)


def test_text_lifts_the_dimension_that_words_carry_more_than_the_other(words):
    study, carried, other = words
    for metric in (carried, other):
        print(f"text, {metric}:", study.gain(BOTH, VOICE, metric))
    more = study.gain(BOTH, VOICE, carried, less=other)
    print(f"{carried} more than {other}:", more)
    assert more.low > 0


def test_that_gain_falls_as_words_are_lost(words):
    study, carried, other = words
    gains = [study.gain(name, VOICE, carried).value for name in (BOTH, LOST["25"], LOST["50"])]
    print(f"gain in {carried} at WER 0, 25, 50 %:", " ".join(f"{gain:+.3f}" for gain in gains))
    assert gains == sorted(gains, reverse=True)
    assert study.gain(BOTH, LOST["50"], carried).low > 0
    assert study.gain(BOTH, LOST["50"], carried, less=other).low > 0


def test_the_gate_closes_badly_transcribed_utterances_more_often(teachers):
    mode, study = teachers
    rates = study.error_rates(ERRORS)
    more = study.ratio(GATED, rates > 0.5, rates <= 0.25, "valence")
    print(f"{mode}: closed above a WER of .5, times as often as below .25:", more)
    if mode == "normal":
        assert more.low > 1


def test_the_gate_closes_irony_at_three_times_the_rate_and_only_irony(teachers):
    mode, study = teachers
    against = study.contradicts
    more = study.ratio(GATED, against, ~against, "valence")
    print(f"{mode}: closed where words contradict the voice, times as often as elsewhere:", more)
    if mode == "ironic":
        assert more.value > 3 and more.low > 1
    else:
        assert more.high < 3


def test_what_a_teacher_is_worth_to_its_student(teachers):
    """Reported whichever way it falls; the students must differ from the encoder tuned alone in nothing but that."""
    mode, study = teachers
    for student in (STUDENT, GATED, GATED_CROSSED):
        for metric in (VALENCE, AROUSAL):
            print(f"{mode}: {student} - {ALONE}, {metric}:", study.gain(student, ALONE, metric))
        print(f"{mode}: {student}, valence more than arousal:", study.gain(student, ALONE, VALENCE, less=AROUSAL))
    of_teacher = study.gain(TEACHER, STUDENT, VALENCE)
    print(f"{mode}: the teacher's valence over its student's:", of_teacher)
    assert of_teacher.low > 0


def test_residuals_of_unseen_speakers_close_other_utterances(teachers):
    mode, study = teachers
    (trained, inside), (_, crossed) = study.closed(GATED), study.closed(GATED_CROSSED)
    print(f"{mode}: closed in-sample {inside.sum() / trained.sum():.1%}, crossed {crossed.sum() / trained.sum():.1%}")
    against = study.contradicts
    for student in (GATED, GATED_CROSSED):
        print(f"{mode}: {student}: contradictory", study.ratio(student, against, ~against, "valence"))
    assert (inside != crossed).any()
