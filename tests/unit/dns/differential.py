#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our codec against dnspython: differential.py DECODE_LINES. What both read must be the same; what we let through, it must read."""
import random
import subprocess
import sys

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

SEED = 20261122
ROUNDS = 4000
TYPES = ["A", "AAAA", "MX", "TXT", "NS", "SOA", "PTR", "SRV", "HTTPS", "CNAME", "TYPE65280"]
RDATA = {
    "A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::1"], "MX": ["10 mail.example.", "20 MAIL.example."],
    "TXT": ['"hello" "world"'], "NS": ["ns1.example.", "ns2.x.example."], "PTR": ["host.example."],
    "SOA": ["ns.example. root.example. 1 2 3 4 5"], "SRV": ["1 2 53 ns.example."], "HTTPS": ["1 . alpn=h2 ipv4hint=192.0.2.1"],
    "CNAME": ["other.example."], "TYPE65280": ["\\# 3 010203"],
}


def random_name(rng):
    labels = [bytes(rng.choice(b"abcXYZ019-_") for _ in range(rng.randint(1, 12))) for _ in range(rng.randint(1, 5))]
    return dns.name.Name(labels + [b""])


def query(rng):
    edns = rng.random() < 0.6
    message = dns.message.make_query(random_name(rng), rng.choice(TYPES), use_edns=0 if edns else False,
                                     payload=rng.choice([0, 512, 1232, 4096, 65535]), want_dnssec=edns and rng.random() < 0.5)
    message.id = rng.randrange(65536)
    return message


def reply(rng):
    asked = query(rng)
    message = dns.message.make_response(asked, recursion_available=True)
    question = asked.question[0]
    kind = dns.rdatatype.to_text(question.rdtype)
    if rng.random() < 0.8:
        message.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *RDATA[kind]))
    if rng.random() < 0.5:
        message.authority.append(dns.rrset.from_text(dns.name.from_text("example."), 300, "IN", "NS", *RDATA["NS"]))
    if rng.random() < 0.5:
        message.additional.append(dns.rrset.from_text(dns.name.from_text("ns1.example."), 300, "IN", "A", "192.0.2.9"))
    if rng.random() < 0.2:
        message.set_rcode(dns.rcode.NXDOMAIN)
    return message


def mutate(rng, wire):
    wire = bytearray(wire)
    for _ in range(rng.randint(1, 3)):
        wire[rng.randrange(len(wire))] = rng.randrange(256)
    return bytes(wire)


def main():
    rng = random.Random(SEED)
    cases = []
    for _ in range(ROUNDS):
        made = query(rng) if rng.random() < 0.4 else reply(rng)
        wire = made.to_wire(max_size=65535)
        kind = "reply" if made.flags & dns.flags.QR else "query"
        cases.append((kind, made, wire, False))
        cases.append((kind, made, mutate(rng, wire), True))
    lines = "".join(f"{kind} {wire.hex()}\n" for kind, _, wire, _ in cases)
    out = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(out) == len(cases), (len(out), len(cases))

    accepted = 0
    for (kind, made, wire, mutated), line in zip(cases, out):
        where = f"{kind} {wire.hex()}\nours: {line}"
        if line == "rejected":
            assert mutated, f"a good message refused: {where}"
            continue
        accepted += mutated
        if kind == "query":
            theirs = dns.message.from_wire(wire)
            question = theirs.question[0]
            # dnspython's text leaves some bytes bare that ours escapes: compare what the texts mean.
            number, name, rdtype, size, dnssec = line.split()
            assert int(number) == theirs.id and int(rdtype) == question.rdtype, where
            assert dns.name.from_text(name) == question.name, where
            assert int(size) == (theirs.payload if theirs.edns >= 0 else -1), where
            assert bool(int(dnssec)) == bool(theirs.ednsflags & dns.flags.DO), where
            continue
        code, message = line.split()
        try:
            ours = dns.message.from_wire(bytes.fromhex(message))
            theirs = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            assert mutated, where  # rdata of types that we carry unread
            continue
        assert int(code) == theirs.rcode(), where
        assert ours.edns == -1 and not ours.flags & (dns.flags.AA | dns.flags.AD) and ours.flags & dns.flags.RA, where
        if not mutated:
            assert (ours.answer, ours.authority, ours.additional) == (theirs.answer, theirs.authority, theirs.additional), where
    print(f"{len(cases)} messages agree, {accepted} of {ROUNDS} mutated ones were readable")
    assert accepted > ROUNDS // 10


main()
