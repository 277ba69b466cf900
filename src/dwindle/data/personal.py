"""Personal data in text: addresses, numbers that name a person or an account, and passwords in URLs.

Every pattern takes time linear in the text: its repetitions are bounded, and no two of them can share a character.
What a pattern finds is then held to the rule of its kind: a checksum, a length, the prefix of an issuer.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["LABELS", "Found", "Personal", "found"]

Personal = Literal["url", "email", "iban", "card", "ssn", "ip", "phone"]
"""A kind of personal data."""

LABELS: dict[Personal, str] = {
    "url": "URL with credentials",
    "email": "e-mail address",
    "iban": "IBAN",
    "card": "payment card number",
    "ssn": "social security number",
    "ip": "IP address",
    "phone": "phone number",
}
"""What each kind is called; of matches that overlap the kind that stands first here counts."""

_BREAK = re.compile(r"[ -]")


@dataclass(frozen=True)
class Found:
    """A piece of personal data.

    Args:
        kind: what it is.
        start: place of its first character.
        end: place after its last one.
    """

    kind: Personal
    start: int
    end: int


@dataclass(frozen=True)
class _Detector:
    """How one kind is found.

    Args:
        pattern: what it looks like.
        hints: characters one of which every match holds, for a quick no.
        accepted: how many characters of a match are one; 0 for none.
    """

    pattern: re.Pattern[str]
    hints: str
    accepted: Callable[[str], int] = len


def found(text: str, kinds: Collection[Personal]) -> list[Found]:
    """Return the personal data in a text, in its order; none overlap.

    Args:
        text: any text.
        kinds: what is looked for.
    """
    matches = [
        match
        for kind in LABELS
        if kind in kinds
        for detector in _DETECTORS[kind]
        for match in _matches(kind, detector, text)
    ]
    taken, marked = [], bytearray(len(text) if matches else 0)
    for match in matches:
        if marked.find(1, match.start, match.end) < 0:
            marked[match.start : match.end] = b"\1" * (match.end - match.start)
            taken.append(match)
    return sorted(taken, key=lambda match: match.start)


def _matches(kind: Personal, detector: _Detector, text: str) -> Iterator[Found]:
    if not any(hint in text for hint in detector.hints):
        return
    place = 0
    while match := detector.pattern.search(text, place):
        length = detector.accepted(match[0])
        place = match.start() + max(length, 1)
        if length:
            yield Found(kind, match.start(), place)


def _trimmed(holds: Callable[[str], bool]) -> Callable[[str], int]:
    """Return a rule that takes the longest beginning of a match, up to its end, a blank or a hyphen, that holds."""

    def accepted(text: str) -> int:
        ends = [len(text), *(gap.start() for gap in reversed(list(_BREAK.finditer(text))))]
        return next((end for end in ends if holds(_BREAK.sub("", text[:end]))), 0)

    return accepted


def _is_iban(account: str) -> bool:
    """Say whether an account number has the length and the check digits of an IBAN.

    Source: ISO 13616-1, check digits by ISO/IEC 7064, MOD 97-10.
    """
    if not 15 <= len(account) <= 34:
        return False
    return int("".join(str(int(character, 36)) for character in account[4:] + account[:4])) % 97 == 1


def _is_card(number: str) -> bool:
    """Say whether a number has issuer, length and check digit of a payment card.

    Source: ISO/IEC 7812-1, annex B (the formula of Luhn); issuers' published ranges.
    """
    if not _ISSUED.fullmatch(number):
        return False
    doubled = [divmod(2 * int(digit), 10) for digit in number[-2::-2]]
    return (sum(map(int, number[-1::-2])) + sum(map(sum, doubled))) % 10 == 0


_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|65\d\d|64[4-9]\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|3(?:0[0-5]|[68]\d)\d{11}"  # Diners Club
)


def _is_v4(text: str) -> bool:
    """Say whether an address is one of IPv4 that some machine can have."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or text == "255.255.255.255")


def _is_v6(text: str) -> bool:
    """Say whether an address is one of IPv6 that some machine can have, and no slice or qualified name of a program."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    groups = [group for group in text.split(":") if group]
    plain = len(groups) < 3 and not any(len(group) > 2 for group in groups)
    named = not any(character.isdigit() for character in text)
    return not (address.is_loopback or address.is_unspecified or plain or named)


def _whole(holds: Callable[[str], bool]) -> Callable[[str], int]:
    return lambda text: len(text) if holds(text) else 0


_DIGITS = "0123456789"
_AFTER = r"(?![\w-]|\.\d)"
_DETECTORS: dict[Personal, tuple[_Detector, ...]] = {
    "url": (
        _Detector(
            re.compile(
                r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,15}+://"
                r"[^\s/:@?#]{1,64}+:[^\s/@]{1,128}+@[^\s/@]{1,253}"
            ),
            "@",
        ),
    ),
    "email": (
        _Detector(
            re.compile(
                r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}+@"
                r"(?:[A-Za-z0-9-]{1,63}+\.){1,8}[A-Za-z]{2,24}(?!\w)"
            ),
            "@",
        ),
    ),
    "iban": (
        _Detector(
            re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d\d(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])"),
            _DIGITS,
            _trimmed(_is_iban),
        ),
    ),
    "card": (_Detector(re.compile(rf"(?<![\w.+-])\d{{4}}(?:[ -]?\d){{9,15}}{_AFTER}"), _DIGITS, _trimmed(_is_card)),),
    # Numbers as they are given out: Social Security Administration, randomization of 2011.
    "ssn": (
        _Detector(
            re.compile(rf"(?<![\w.-])(?!000|666|9)\d{{3}}-(?!00)\d\d-(?!0000)\d{{4}}{_AFTER}"),
            "-",
        ),
    ),
    "ip": (
        _Detector(
            re.compile(
                r"(?<![\w.])(?<![Vv]ersion )(?<![Rr]elease )(?<![Ss]ection )"
                r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\w|\.\w)"
            ),
            ".",
            _whole(_is_v4),
        ),
        _Detector(re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}+:){2,7}+[0-9A-Fa-f]{0,4}+(?![\w:])"), ":", _whole(_is_v6)),
    ),
    # International ones by ITU-T E.164, 15 digits at most; North American ones by their numbering plan; and those with
    # a trunk prefix 0 as they are written in Britain, Germany and France.
    "phone": (
        _Detector(re.compile(r"(?<![\w+])\+[1-9](?:[ .()/-]{0,2}+\d){7,14}(?!\d)"), "+"),
        _Detector(
            re.compile(rf"(?<![\w.+/-])(?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])[2-9]\d\d[-.]\d{{4}}{_AFTER}"),
            "-.",
        ),
        _Detector(
            re.compile(
                rf"(?<![\w.,:/+-])(?:0\d{{2,4}} \d{{3,4}} \d{{3,4}}|0\d{{2,4}}[ /-]\d{{6,8}}"
                rf"|0[1-9]([ .-])\d\d(?:\1\d\d){{3}}){_AFTER}"
            ),
            " /-.",
        ),
    ),
}
