"""Numbers as they are said, for a recogniser that spells letters alone: 42 is forty-two."""

import re

_NUMBER = re.compile(r"(?<![\d.])(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(st|nd|rd|th)?(?![\d])", re.IGNORECASE | re.ASCII)
_YEARS = range(1100, 2000)


def said(text: str) -> str:
    """``text`` with its numbers in English words; four digits from 1100 to 1999 are read as a year."""
    return _NUMBER.sub(_words, text)


def _words(found: re.Match) -> str:
    from num2words import num2words

    whole, fraction, ordinal = found[1], found[2] or "", found[3]
    number = int(whole.replace(",", ""))
    if fraction:
        words = num2words(f"{number}{fraction}") + (ordinal or "")
    elif ordinal:
        words = num2words(number, to="ordinal")
    else:
        words = num2words(number, to="year" if len(whole) == 4 and number in _YEARS else "cardinal")
    return f" {words} "
