#!/usr/bin/python3
"""Asks a dlv server about a licence, from lib/wire/PROTOCOL.md and lib/db/FORMAT.md alone; shares no code with dlv.

    tools/session_client.py HOST:PORT SERVER.pub AUTHORITY.pub NUMBER [--name NAME] [--class CLASS] [--kiosk KEY]
                            [--lookup-key FILE] [--udp]

Believes nothing but what the authority signed: every answer is proved. Prints the verdict and the facts; exit status
0 VALID, 1 another verdict, 2 trouble.
"""

import argparse
import struct
import sys

import check_evidence
import dbformat
import matching
import session_peer
from check_evidence import Refused, demand
from Cryptodome.PublicKey import RSA


class Release:
    """What a server's answers are read with: signed header, dictionary, and the nodes at which proofs end."""

    def __init__(self, client, authority, padded):
        head, self.id = client.fetch(session_peer.HEAD, padded=padded)
        self.page = head[:dbformat.PAGE]
        demand(dbformat.sha256(self.page) == self.id, "the header is of another release")
        self.facts = check_evidence.read_header(self.page, head[dbformat.PAGE:], authority)
        self.sets = dbformat.read_dictionary(client.fetch(session_peer.DICTIONARY, self.id, padded)[0])
        leaves = [dbformat.sha256(b"\0" + text) for text in self.sets] or [bytes(32)]
        demand(dbformat.merkle_levels(leaves)[-1][0] == self.page[192:224], "another dictionary than the signed one")
        self.count, = struct.unpack_from("<Q", self.page, 16)
        self.level = dbformat.held_level(self.count)
        nodes = client.fetch(session_peer.NODES, self.id, padded)[0]
        self.nodes = [nodes[i:i + 32] for i in range(0, len(nodes), 32)]
        demand(dbformat.merkle_levels(self.nodes)[-1][0] == self.page[128:160], "nodes of another tree")

    def check(self, proof):
        """That a proof's entries are leaves of the signed tree."""
        level = {i: dbformat.leaf(entry, items) for i, entry, items in proof.entries}
        count, beside = self.count, list(proof.nodes)
        demand(level and all(i < count for i in level), "an index beyond the count")
        for _ in range(self.level):
            level, count = check_evidence.ascend(level, count, beside), (count + 1) // 2
        demand(not beside and all(self.nodes[i] == node for i, node in level.items()), "a path leads elsewhere")


def arguments():
    parser = argparse.ArgumentParser(description="Asks a dlv server about a licence.")
    for name in "server", "server_key", "authority", "number":
        parser.add_argument(name)
    for name in "--name", "--class", "--kiosk", "--lookup-key":
        parser.add_argument(name, default=None)
    parser.add_argument("--udp", action="store_true")
    return parser.parse_args()


def ask(given, client, release, lookup_key):
    """(verdict, licence or None)"""
    digest = dbformat.number_digest(given.number)
    forms = []
    if given.name:
        readings = [matching.name(given.name, reading, release.facts.drops_senior) for reading in ("name", "joined", "plain")]
        forms = [(1, dbformat.field_digest(1, digest, form)) for form in dict.fromkeys(readings)]
    answer = client.ask([session_peer.item(digest, forms=forms)], what=session_peer.PROOFS, release=release.id,
                        padded=1232 if given.udp else 4096)
    demand(answer.status == session_peer.GOOD, f"no proof: status {answer.status}")
    proof, = answer.proofs
    release.check(proof)
    found = check_evidence.find(proof.entries, dbformat.keyed(lookup_key, digest), release.count)
    if found is None or dbformat.KINDS[found[0][38] & 3] not in ("licence", "former"):
        return "UNKNOWN", None
    entry, terms, items = found
    licence = dbformat.decode_licence(terms[38:], items, release.sets)
    matches, card = check_evidence.compare(release.facts, entry, licence, forms, lookup_key)
    day = lambda seconds: (seconds + release.facts.utc_offset) // 86400 + dbformat.stored_day("1970-01-01")
    today = day(answer.server_time)
    until = day(release.facts.valid_until) if release.facts.valid_until else None
    classes = [getattr(given, "class").encode()] if getattr(given, "class") else []
    return dbformat.verdict(licence, today, day(release.facts.created), until, today, release.facts.history, classes,
                            matches, dbformat.CARDS[card]), licence


def main():
    given = arguments()
    host, _, port = given.server.rpartition(":")
    kind = session_peer.UdpClient if given.udp else session_peer.TcpClient
    load = lambda path: open(path, "rb").read() if path else None
    try:
        server = session_peer.serialization.load_pem_public_key(load(given.server_key))
        kiosk = session_peer.serialization.load_pem_private_key(load(given.kiosk), None) if given.kiosk else None
        client = kind(int(port), server, kiosk, host=host).open()
        release = Release(client, RSA.import_key(load(given.authority)), 1232 if given.udp else 4096)
        verdict, licence = ask(given, client, release, load(given.lookup_key))
    except (Refused, session_peer.Refused, matching.Refused, OSError, ValueError) as reason:
        print(f"trouble: {reason}", file=sys.stderr)
        return 2
    print(verdict)
    for start, end, text in licence.groups if licence else ():
        classes = " ".join(name.decode() for name in dbformat.read_class_set(text))
        print(f"from {dbformat.day_text(start)} to {dbformat.day_text(end)}: {classes or 'no classes on file'}")
    return 0 if verdict == "VALID" else 1


if __name__ == "__main__":
    sys.exit(main())
