"""What the rows of a registry come to, from the help of `dlv dbgen` and lib/db/FORMAT.md alone.

For tools/dbformat.py: rows are dicts, and columns may be missing. Only what dbgen takes without a mapping is
read here, and only rows without faults or contradictions.
"""

import re

import dbformat
import matching

STATUS = dbformat.STATUS.index


def day(text, empty):
    return dbformat.NO_END if text == "no end" else dbformat.stored_day(text) if text else empty


def classes_of(row):
    """The set of a row's classes with its codes, and codes with an argument, each with its class."""
    names = [name.encode() for name in re.split("[ ,;|]+", row.get("classes", "")) if name]
    codes = [code.strip().encode() for code in re.split("[,;](?![^(]*[)])", row.get("codes", "")) if code.strip()]
    personal = [code for code in codes if re.match(rb"(70|71|95)[(.]", code)]
    return (dbformat.class_set({name: (row.get("class_type") == "P", set(codes) - set(personal)) for name in names}),
            [name + b"\x1f" + code for name in names for code in personal])


def forms_of(row, **rules):
    """{number of the field: matching form}"""
    get = lambda column: row.get(column, "").strip(" \t")
    forms = {1: get("name") and matching.name(row["name"]), 2: get("phone") and matching.phone(row["phone"], **rules),
             3: get("birth_date"),
             4: get("card") and not row.get("card_status") and matching.number(row["card"])}
    return {field: form for field, form in forms.items() if form}


def settle(licence):
    """The status that begins last is the current one; groups with the same days become one."""
    *earlier, (licence.status, licence.since, licence.until) = sorted(set(licence.statuses), key=lambda s: s[1])
    starts = [since for _, since, _ in earlier[1:]] + [licence.since]
    licence.statuses = [(status, since, min(until, start - 1)) for (status, since, until), start in zip(earlier, starts)]
    joined = {}
    for start, end, classes in licence.groups:
        own = joined.setdefault((start, end), {})
        for name, (provisional, codes) in dbformat.read_class_set(classes).items():
            old = own.get(name, (True, set()))
            own[name] = (provisional and old[0], codes | old[1])
    licence.groups = [(start, end, dbformat.class_set(own)) for (start, end), own in joined.items()]


def entries(rows, fields=(1,), lookup_key=None, has_legacy=False, **rules):
    """The entries of a registry: rows about one licence are brought together."""
    found, rest = {}, {}

    def add(digest, kind, of, forms):
        rest.setdefault(digest, dbformat.Entry(digest, kind=kind, of=of)).forms.update(forms)

    for row in rows:
        digest = dbformat.number_digest(row["licence"])
        entry = found.setdefault(digest, dbformat.Entry(digest, dbformat.Licence()))
        licence, (classes, personal), forms = entry.licence, classes_of(row), forms_of(row, **rules)
        entry.forms.update(forms)
        since = day(row.get("status_since"), dbformat.UNKNOWN)
        until = day(row.get("status_until"), dbformat.NO_END)
        if row.get("status_of") == "classes":
            licence.class_statuses.append((STATUS(row["status"]), since, until, classes))
        else:
            licence.statuses.append((STATUS(row["status"]), since, until))
        if row["valid_to"]:
            licence.groups.append((day(row["valid_from"], dbformat.NO_START), day(row["valid_to"], 0), classes))
        licence.codes += personal
        if row.get("card_status") and 4 in fields:
            code = dbformat.keyed(lookup_key, dbformat.field_digest(4, digest, matching.number(row["card"])))
            licence.cards.append((dbformat.CARDS.index(row["card_status"]), code[:6 // len(fields)]))
        if row.get("former"):
            add(dbformat.number_digest(row["former"]), "former", digest, forms)
        if row.get("document"):
            add(bytes.fromhex(row["document"]), "document", digest, {})
        if has_legacy:
            add(dbformat.record_digest(" ".join((row["name"], row["phone"], row["licence"]))), "legacy", digest, {})
    for entry in found.values():
        settle(entry.licence)
    return [*found.values(), *rest.values()]
