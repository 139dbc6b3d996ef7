"""The verdict table over the full product of what it depends on: the real binary against tools/dbformat.py."""

import itertools
import json
import os
import random
import time

import dbformat
import matching
from conftest import VECTORS, build

STATUSES = ["valid", "suspended", "disqualified", "revoked", "surrendered", "deceased", "withheld"]
DAYS_OF_STATUS = [("", ""), ("2012-01-01", ""), ("2018-01-01", "2024-06-30"), ("2027-06-01", "")]
OF_CLASSES = [None, ("2018-01-01", "2024-12-31")]  # class A is suspended for that long
GROUPS = [
    [("2015-01-01", "2035-01-01", "A", "")],
    [("2010-01-01", "2019-12-31", "A", ""), ("2015-01-01", "2035-01-01", "B", "")],
    [("2027-01-01", "2040-01-01", "A", "")],
    [("2015-01-01", "2035-01-01", "", "")],
    [("2010-01-01", "2019-12-31", "A", "")],
    [("2015-01-01", "2035-01-01", "A", "P"), ("2015-01-01", "2035-01-01", "B", "")],
    [("", "no end", "A;B", "")],
]
CARDS = [[], [("K1", "current"), ("K2", "former"), ("K3", "lost"), ("K4", "stolen")]]
MOMENTS = ["2011-06-01", "2012-01-01", "2014-12-31", "2019-12-31", "2024-06-30", "2024-07-01", "2026-11-01", "2035-01-02"]
CLASSES = [[], ["A"], ["B"], ["A", "B"]]
FIELDS = [(None, None), ("Asha Rao", None), ("Asha Ray", None), (None, "K1"), ("Asha Ray", "K2"), ("Asha Rao", "K3"), (None, "K4"),
          (None, "K9")]


def registry():
    """The rows, and the numbers of the licences."""
    rows = ["licence,name,status,status_since,status_until,status_of,valid_from,valid_to,classes,class_type,card,card_status"]
    numbers = []
    for status, (since, until), of_classes, groups, cards in itertools.product(
            STATUSES, DAYS_OF_STATUS, OF_CLASSES, GROUPS, CARDS):
        number = f"GJ{len(numbers):04}"
        numbers.append(number)
        for start, end, classes, kind in groups:
            rows.append(f"{number},Asha Rao,{status},{since},{until},licence,{start},{end},{classes},{kind},,")
        start, end, *_ = groups[0]
        if of_classes is not None:
            rows.append(f"{number},Asha Rao,suspended,{of_classes[0]},{of_classes[1]},classes,{start},{end},A,,,")
        for card, state in cards:
            rows.append(f"{number},Asha Rao,{status},{since},{until},licence,{start},{end},,,{card},{state}")
    return "\n".join(rows) + "\n", numbers


def forms_of(number, name, card):
    digest, forms = dbformat.number_digest(number), []
    if name:
        forms += [(1, dbformat.field_digest(1, digest, matching.name(name, reading))) for reading in ("name", "joined", "plain")]
    if card:
        forms.append((4, dbformat.field_digest(4, digest, matching.number(card))))
    return forms


PRODUCT_PART = int(os.environ.get("PRODUCT_PART", 2))  # every second, say; `make soak` leaves nothing out


def test_the_full_product(release, keys, tmp_path):
    db, lookup = tmp_path / "l.db", VECTORS / "golden_lookup.key"
    text, numbers = registry()
    build(release, keys, db, text, "--lookup-key", lookup, "--fields", "name,card", "--provisional", "P", "--history-since",
          "2012-01-01", "--created", "2026-10-01", "--valid-days", "90")
    database = dbformat.Database(db, dbformat.load_key(keys.authority), lookup.read_bytes())
    places = {number: database.find(dbformat.number_digest(number)) for number in numbers}
    licences = {number: database.licence(place) for number, place in places.items()}
    ask = ["client", "--db", db, "--authority", keys.authority_pub, "--lookup-key", lookup, "--exact", "--json", "--stale-ok", "36525"]
    today = dbformat.stored_day(time.strftime("%Y-%m-%d", time.gmtime()))
    created, until = dbformat.stored_day("2026-10-01"), dbformat.stored_day("2026-12-30")
    compared = {number: {fields: (set(database.matches(place, forms_of(number, *fields)).values()),
                                  dbformat.CARDS[database.card_state(place, forms_of(number, *fields))]) for fields in FIELDS}
                for number, place in places.items()}
    met = {}
    whole = list(itertools.product(MOMENTS, CLASSES, FIELDS))
    for at, classes, fields in random.Random(18).sample(whole, len(whole) // PRODUCT_PART):
        name, card = fields
        options = [*(["--class", ",".join(classes)] if classes else []), *(["--name", name] if name else []),
                   *(["--card", card] if card else [])]
        done = release(*ask, "--at", at, *options, "--number", "-", stdin="".join(f"{number}\n" for number in numbers))
        answers = done.out.splitlines()
        assert len(answers) == len(numbers)
        for number, line in zip(numbers, answers):
            answer = json.loads(line)
            said = "NOT_COVERED" if answer.get("error") == "not_covered" else answer["verdict"]
            matches, state = compared[number][fields]
            wanted = dbformat.verdict(licences[number], dbformat.stored_day(at), created, until, today,
                                      dbformat.stored_day("2012-01-01"), [c.encode() for c in classes], matches, state)
            assert said == wanted, (number, at, classes, fields, answer, licences[number])
            met[said] = met.get(said, 0) + 1
    # The product reaches every verdict that an entry can have, each many times.
    assert set(met) == {"VALID", "EXPIRED", "NOT_YET_VALID", "SUSPENDED", "REVOKED", "MISMATCH", "NOT_ENTITLED", "REPLACED",
                        "NOT_COVERED"} and min(met.values()) > 500, met
