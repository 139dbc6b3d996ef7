#!/usr/bin/python3
"""The matching form, from lib/text/MATCHING.md alone, by Python's own Unicode tables. Shares nothing with lib/text.

    tools/matching.py KIND TEXT      prints the form (KIND: number, card, name, joined, plain, phone, birth-date, fold)
"""

import re
import sys
import unicodedata


class Refused(ValueError):
    """The text has no form."""


def span(first, last):
    return set(range(first, last + 1))


MARKS = span(0x300, 0x36F)
ARABIC = {0x640, 0x670} | span(0x610, 0x61A) | span(0x64B, 0x65F) | span(0x6D6, 0x6DC) | span(0x6DF, 0x6E4) \
    | span(0x6E7, 0x6E8) | span(0x6EA, 0x6ED) | span(0x8D3, 0x8E1) | span(0x8E3, 0x8FF)
HEBREW = span(0x591, 0x5BD) | {0x5BF, 0x5C7} | span(0x5C1, 0x5C2) | span(0x5C4, 0x5C5)
APOSTROPHES = {0x27, 0x60, 0xB4, 0x2B9, 0x2C8, 0x55A, 0x5F3, 0x2032, 0x2035, 0xFF07} | span(0x2BB, 0x2BF) \
    | span(0x2CA, 0x2CB) | span(0x2018, 0x201B) | span(0xA78B, 0xA78C)
# Python knows no Default_Ignorable_Code_Point: this is DerivedCoreProperties.txt's list.
IGNORABLE = {0xAD, 0x34F, 0x61C, 0x3164, 0xFEFF, 0xFFA0} | span(0x115F, 0x1160) | span(0x17B4, 0x17B5) \
    | span(0x180B, 0x180F) | span(0x200B, 0x200F) | span(0x202A, 0x202E) | span(0x2060, 0x206F) | span(0xFE00, 0xFE0F) \
    | span(0xFFF0, 0xFFF8) | span(0x1BCA0, 0x1BCA3) | span(0x1D173, 0x1D17A) | span(0xE0000, 0xE0FFF)
DROPPED = MARKS | ARABIC | HEBREW | APOSTROPHES | IGNORABLE
ONE_FORM = {0x131: "i", 0x6A9: "\u0643", 0x6CC: "\u064A", 0x649: "\u064A", 0x629: "\u0647"}
NOTHING = {"null", "\\n", "#ref!", "#n/a", "#value!", "#name?", "#div/0!", "#null!", "#num!", "nan", "n/a", "none"}
LETTERS = {"æ": "ae", "ð": "d", "ø": "o", "þ": "th", "đ": "d", "ħ": "h", "ĸ": "k", "ł": "l", "ŋ": "n", "œ": "oe", "ŧ": "t"}


def check(text):
    for c in text:
        if (unicodedata.category(c) == "Cc" and c != "\t") or c == "\uFFFD":
            raise Refused("a control or replacement character")
        if unicodedata.category(c) in ("Cn", "Cs", "Co"):
            raise Refused("an unassigned character")


def widen(part):
    mapping = unicodedata.decomposition(part)
    if mapping.startswith(("<wide>", "<narrow>")):
        return "".join(chr(int(code, 16)) for code in mapping.split()[1:])
    return part


def fold_one(c):
    parts = [part for part in unicodedata.normalize("NFD", c) if ord(part) not in DROPPED]
    parts = "".join(widen(part) for part in parts)
    parts = unicodedata.normalize("NFD", "".join(part.casefold() for part in parts))
    parts = "".join(str(unicodedata.decimal(part)) if unicodedata.category(part) == "Nd" else
                    ONE_FORM.get(ord(part), part) for part in parts)
    return "".join(part for part in parts if ord(part) not in DROPPED)


def fold(text):
    check(text)
    folded = "".join(fold_one(c) for c in text)
    out, run = [], []
    for c in [*folded, None]:
        if c is not None and unicodedata.combining(c):
            run.append(c)
            continue
        out += sorted(run, key=unicodedata.combining)
        run = []
        out += [c] if c is not None else []
    if len(out) > 1024:
        raise Refused("too long")
    folded = "".join(out)
    if folded.strip(" \t\u00A0\u3000") in NOTHING:
        raise Refused("nothing there")
    return folded


def is_letter(c):
    return unicodedata.category(c)[0] == "L" or c in "0123456789"


def is_in_word(c):
    return is_letter(c) or unicodedata.category(c)[0] == "M"


def finish(form):
    if not form or len(form.encode()) > 512:
        raise Refused("empty or too long")
    return form


def refuse_rounded(folded):
    if re.fullmatch(r"[0-9]*[.,][0-9]*e\+[0-9]+", folded):
        raise Refused("rounded")


def number(text):
    folded = fold(text)
    refuse_rounded(folded)
    return finish("".join(c.upper() if c.isascii() else c for c in folded if is_letter(c)))


def read_pairs(word):
    return re.sub("(a)a|(a)e|(o)e|(u)e", lambda match: match.group()[0], word)


def name(text, reading="name", drops_senior=False):
    folded = fold(text)
    refuse_rounded(folded)
    words = re.split("\0+", "".join(c if is_in_word(c) else "\0" for c in folded))
    words = ["".join(LETTERS.get(c, c) for c in word) for word in words if word]
    suffixes = {"jr", "ii", "iii", "iv"} | ({"sr"} if drops_senior else set())
    words = [word for word in words if word not in suffixes] or words
    if reading == "name":
        words = [read_pairs(word) for word in words]
    elif reading == "joined":
        words = [read_pairs("".join(words))]
    letters = "".join(sorted("".join(words)))
    if not letters.strip("0123456789"):
        raise Refused("no letter")
    return finish(letters)


def phone(text, calling_code="", national=None):
    folded = fold(text)
    refuse_rounded(folded)
    if any(is_in_word(c) and c not in "0123456789" for c in folded):
        raise Refused("a letter")
    digits = re.sub("[^0-9]", "", folded)
    if not 3 <= len(digits) <= 20:
        raise Refused("too few or too many digits")
    international = "+" in re.split("[0-9]", folded)[0]
    if not international and digits.startswith("00"):
        digits, international = digits[2:], True
    is_own = bool(calling_code) and digits.startswith(calling_code) and len(digits) > len(calling_code)
    if international and not is_own:
        return "+" + digits

    def fits(count):
        return national is not None and national[0] <= count <= national[1]
    if is_own and (international or (not fits(len(digits)) and fits(len(digits) - len(calling_code)))):
        digits = digits[len(calling_code):]
    return digits[1:] if digits[0] == "0" and len(digits) > 1 else digits


def birth_date(text):
    import datetime
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise Refused("not a date")
    try:
        datetime.date.fromisoformat(text)
    except ValueError as error:
        raise Refused(str(error)) from error
    return text


FORMS = {"number": number, "card": number, "name": name, "joined": lambda text: name(text, "joined"),
         "plain": lambda text: name(text, "plain"), "phone": phone, "birth-date": birth_date, "fold": fold}


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in FORMS:
        sys.exit(__doc__)
    print(FORMS[sys.argv[1]](sys.argv[2]))
