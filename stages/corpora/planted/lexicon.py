"""The lexicon: 464 words with loadings of arousal, valence and dominance, and words without; and the frames.

A line of a group lists adjectives, nouns (events), verbs and adverbs. The group gives the signs of the loadings;
their sizes (0.7 to 1.3) come from a digest of the word.
"""

import hashlib

KINDS = ("adjective", "event", "verb", "adverb")

GROUPS = {
    # (arousal, valence, dominance): adjectives / events / verbs / adverbs
    (1, 1, 1): (
        "triumphant victorious thrilling heroic brilliant spirited fearless daring glorious vibrant energetic",
        "triumph victory celebration conquest jackpot adventure championship breakthrough carnival finale race",
        "conquered championed celebrated ignited electrified mastered galvanized inspired propelled rallied won",
        "triumphantly boldly proudly passionately vigorously fearlessly heroically zestfully gallantly eagerly",
    ),
    (1, 1, -1): (
        "amazed astonished giddy breathless dazzled awestruck ecstatic enchanted delirious overjoyed delighted",
        "surprise miracle rollercoaster fairytale spectacle whirlwind windfall romance marvel fantasy circus",
        "adored craved worshipped idolized welcomed chased cheered applauded hugged kissed desired",
        "breathlessly giddily ecstatically gleefully playfully wildly excitedly joyously merrily impulsively",
    ),
    (-1, 1, 1): (
        "confident composed secure wise dignified reliable graceful noble accomplished capable generous",
        "harmony comfort leisure prosperity retirement honor reassurance blessing heritage friendship peace",
        "guided sheltered protected soothed reassured supported mentored blessed restored mended healed",
        "calmly confidently wisely gracefully securely patiently assuredly kindly thoughtfully generously",
    ),
    (-1, 1, -1): (
        "gentle cozy tender humble sleepy mellow soft peaceful dreamy modest innocent",
        "lullaby nap picnic cradle daydream cuddle bath breeze sunset bedtime massage",
        "cherished trusted admired appreciated thanked treasured forgave savored embraced followed consoled",
        "gently softly tenderly humbly sleepily peacefully meekly lovingly sweetly dreamily",
    ),
    (1, -1, 1): (
        "furious hostile brutal vicious cruel savage ruthless aggressive violent enraged murderous",
        "attack rage assault fury invasion threat outrage battle ambush rampage riot",
        "attacked smashed threatened destroyed punched crushed assaulted insulted humiliated shattered slapped",
        "furiously brutally viciously aggressively violently ruthlessly savagely fiercely angrily cruelly",
    ),
    (1, -1, -1): (
        "terrified panicked frantic hysterical desperate frightened alarmed horrified anxious startled petrified",
        "panic nightmare disaster terror catastrophe emergency accident explosion earthquake wreck flood",
        "dreaded feared fled escaped evaded dodged endangered endured infected upset spilled",
        "frantically desperately hysterically anxiously nervously fearfully hastily shakily tearfully timidly",
    ),
    (-1, -1, 1): (
        "cold stern smug arrogant cynical spiteful contemptuous aloof bitter callous scornful",
        "contempt disdain neglect boycott verdict penalty censure eviction snub prejudice dismissal",
        "ignored dismissed neglected despised shunned rejected scorned abandoned belittled mocked evicted",
        "coldly sternly smugly bitterly cynically scornfully arrogantly callously grimly severely",
    ),
    (-1, -1, -1): (
        "gloomy lonely hopeless weary miserable depressed sorrowful weak dreary mournful helpless",
        "grief funeral loneliness defeat illness despair failure misery burial fatigue poverty",
        "mourned missed pitied regretted failed buried lamented grieved disappointed lost doubted",
        "sadly gloomily wearily hopelessly mournfully miserably helplessly sorrowfully weakly dejectedly",
    ),
    (0, 1, 0): (
        "good nice lovely pleasant splendid",
        "gift holiday wedding party reunion",
        "liked enjoyed loved improved favored",
        "nicely pleasantly happily gladly beautifully",
    ),
    (0, -1, 0): (
        "bad awful nasty horrible unpleasant",
        "problem mistake mess complaint scandal",
        "disliked hated ruined spoiled damaged",
        "badly poorly awfully terribly unhappily",
    ),
    (1, 0, 0): (
        "sudden loud rapid intense noisy",
        "rush storm alarm sprint stampede",
        "grabbed shook hurried jolted tossed",
        "suddenly loudly rapidly intensely abruptly",
    ),
    (-1, 0, 0): (
        "slow still idle silent lazy",
        "pause silence rest delay lull",
        "watched held carried stored kept",
        "slowly silently idly lazily quietly",
    ),
    (0, 0, 1): (
        "official dominant senior mighty firm",
        "command order decision ruling election",
        "commanded directed ordered governed led",
        "firmly officially strictly decisively forcefully",
    ),
    (0, 0, -1): (
        "minor tiny junior frail obedient",
        "request favor plea errand duty",
        "obeyed served awaited assisted asked",
        "barely faintly slightly obediently hesitantly",
    ),
    (0, 0, 0): (
        "wooden weekly blue local round seasonal narrow plastic regional annual",
        "meeting lecture survey schedule lesson exhibit appointment rehearsal interview routine",
        "described measured noticed recorded mentioned visited counted copied sorted numbered",
        "usually formally recently typically mainly normally partly locally roughly generally",
    ),
}

_FILLERS = {
    "person": "teacher neighbor driver doctor cousin painter farmer student singer manager tailor baker uncle "
    "sister brother waiter plumber lawyer pilot nurse",
    "place": "station kitchen office garden library market bakery museum harbor corner school lobby village "
    "airport theater hotel pharmacy cafe river tower",
    "day": "monday tuesday wednesday thursday friday saturday sunday",
}
FILLERS = {name: line.split() for name, line in _FILLERS.items()}
"""Words without loadings: people, places and days."""

CLAUSES = (
    # the emotional clauses of the corpus: three words that carry in each
    "the {adjective} {person} {adverb} {verb} us",
    "my {person} {verb} that {adjective} {event}",
    "they {adverb} {verb} the {adjective} {person}",
    "the {event} was {adjective} and {adjective}",
    "our {adjective} {person} {verb} the {event}",
    "she {adverb} {verb} a {adjective} {person}",
    "he talked {adverb} of the {adjective} {event}",
    "that {event} {adverb} {verb} the {person}",
    "what a {adjective} and {adjective} {event}",
    "i {adverb} {verb} the whole {event}",
    "you {verb} me {adverb} and {adverb}",
    "the {adjective} {event} {verb} the {person}",
    "we {adverb} called it a {adjective} {event}",
    "your {person} {verb} and {verb} the {event}",
)
BEFORE = (
    # clauses without emotion, before the emotional one or after it
    "on {day} at the {place}",
    "after lunch near the {place}",
    "we walked to the {place} and",
    "the {person} was there and",
    "it was {day} and",
)
AFTER = (
    "while we sat in the {place}",
    "when the {person} came by",
    "before the bus left",
    "as it was {day}",
    "and then we went to the {place}",
)
OTHER = (
    # frames of the unlabelled sentences; none of their sentences can be one of the corpus
    "people remember {event} and {event} as {adjective} {adjective} days",
    "every {person} who {verb} someone {adverb} felt {adjective}",
    "some {adjective} {person} from the {place} {adverb} {verb} another {adjective} {person}",
    "it felt {adjective} because his {person} {adverb} {verb} her {event}",
    "nobody knew why this {event} and this {event} seemed so {adjective}",
    "last {day} {adjective} men {verb} {adjective} women during the {event}",
    "her {adverb} told story about the {event} sounded {adjective} and {adjective}",
    "there were {adjective} faces at the {place} since someone {adverb} {verb} them",
    "in this {place} an old {person} {verb} his {adjective} family {adverb}",
    "such {event} makes children {adjective} and parents {adjective}",
    "if {event} turns into {event} then {adjective} guests leave {adverb}",
    "both {adjective} girls {adverb} {verb} both {adjective} boys",
)

OTHER_TAILS = (
    # added to some of those frames: they also show the corpus' function words in other company
    "after lunch we left by bus",
    "before she came to my {place} on {day}",
    "while you and i sat there near our {place}",
    "when he talked of me as your friend",
    "then it was what they called the whole of it",
    "and that went on in the {place} until {day}",
    "so the {person} walked us at noon to a {place}",
)


def _loading(word: str, signs: tuple[int, int, int]) -> tuple[float, ...]:
    digest = hashlib.sha256(word.encode()).digest()
    return tuple(sign * (0.7 + 0.6 * digest[i] / 255) for i, sign in enumerate(signs))


WORDS: dict[str, list[str]] = {kind: [] for kind in KINDS}
"""The words of each kind, in a fixed order."""
LOADING: dict[str, tuple[float, ...]] = {}
"""Word to its loadings (arousal, valence, dominance)."""
for _signs, _lines in GROUPS.items():
    for _kind, _line in zip(KINDS, _lines, strict=True):
        for _word in _line.split():
            if _word in LOADING:
                raise AssertionError(f"the lexicon holds '{_word}' twice")
            WORDS[_kind].append(_word)
            LOADING[_word] = _loading(_word, _signs)
