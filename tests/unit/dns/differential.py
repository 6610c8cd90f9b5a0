#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our codec against dnspython: differential.py DECODE_LINES. What both read must be the same; what we let through, it must read."""
import random
import subprocess
import sys

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rrset

SEED = 20261122
ROUNDS = 6000
TYPES = ["A", "AAAA", "MX", "TXT", "NS", "SOA", "PTR", "SRV", "HTTPS", "CNAME", "TYPE65280", "DNAME", "CAA", "DS", "DNSKEY",
         "RRSIG", "NAPTR", "SVCB", "LOC", "TLSA", "HINFO", "SPF"]
RDATA = {
    "A": ["192.0.2.1", "192.0.2.2"], "AAAA": ["2001:db8::1"], "MX": ["10 mail.example.", "20 MAIL.example."],
    "TXT": ['"hello" "world"'], "NS": ["ns1.example.", "ns2.x.example."], "PTR": ["host.example."],
    "SOA": ["ns.example. root.example. 1 2 3 4 5"], "SRV": ["1 2 53 ns.example."], "HTTPS": ["1 . alpn=h2 ipv4hint=192.0.2.1"],
    "CNAME": ["other.example."], "TYPE65280": ["\\# 3 010203"], "DNAME": ["sub.other.example."], "CAA": ['0 issue "ca.example"'],
    "DS": ["1 13 2 " + 64 * "a"], "DNSKEY": ["257 3 13 " + 43 * "A" + "="], "NAPTR": ['1 2 "S" "SIP+D2U" "" _sip._udp.example.'],
    "RRSIG": ["A 13 2 300 20300101000000 20200101000000 1 example. " + 43 * "A" + "="], "LOC": ["52 0 0 N 5 0 0 E 1m 1m 1m 1m"],
    "SVCB": ["1 svc.example. port=53 ipv6hint=2001:db8::1 mandatory=port", "0 other.example."], "TLSA": ["3 1 1 " + 64 * "b"],
    "HINFO": ['"RFC8482" ""'], "SPF": ['"v=spf1 -all"'],
}


OPTIONS = [dns.edns.GenericOption(10, b"c" * 16), dns.edns.ECSOption("192.0.2.0", 24), dns.edns.GenericOption(15, b"\0\x16why"),
           dns.edns.GenericOption(12, b"\0" * 40), dns.edns.GenericOption(65001, b"")]


def random_label(rng):
    # Bytes that texts escape, that look like lengths or pointers, and the longest label there may be, among the plain ones.
    alphabet = rng.choice([b"abcXYZ019-_", b"abcXYZ019-_", bytes(range(256)), b".\\\"@$;\0\x01\x3f\xc0\x0c"])
    return bytes(rng.choice(alphabet) for _ in range(rng.choice([1, 2, 5, 12, 12, 63])))


def random_name(rng):
    while True:
        try:
            return dns.name.Name([random_label(rng) for _ in range(rng.choice([1, 2, 3, 4, 5, 34]))] + [b""])
        except dns.name.NameTooLong:
            pass


def random_options(rng):
    return rng.sample(OPTIONS, rng.randint(0, len(OPTIONS))) if rng.random() < 0.5 else []


def query(rng):
    edns = rng.random() < 0.6
    message = dns.message.make_query(random_name(rng), rng.choice(TYPES), use_edns=0 if edns else False,
                                     payload=rng.choice([0, 512, 1232, 4096, 65535]), want_dnssec=edns and rng.random() < 0.5,
                                     options=random_options(rng) if edns else None)
    if rng.random() < 0.2:
        message.flags |= dns.flags.CD
    message.id = rng.randrange(65536)
    return message


def reply(rng):
    asked = query(rng)
    message = dns.message.make_response(asked, recursion_available=True)
    if asked.edns >= 0:
        message.use_edns(0, payload=rng.choice([512, 1232, 4096]), options=random_options(rng))
    question = asked.question[0]
    kind = dns.rdatatype.to_text(question.rdtype)
    owner = question.name
    if rng.random() < 0.8:
        if kind not in ("CNAME", "DNAME", "RRSIG"):
            for _ in range(rng.choice([0, 0, 1, 2, 5])):
                target = random_name(rng)
                message.answer.append(dns.rrset.from_rdata(owner, rng.randrange(1 << 31), dns.rdtypes.ANY.CNAME.CNAME(1, 5, target)))
                owner = target
        message.answer.append(dns.rrset.from_text(owner, rng.randrange(1 << 31), "IN", kind, *RDATA[kind]))
    elif rng.random() < 0.5:
        message.authority.append(dns.rrset.from_text(dns.name.from_text("example."), 300, "IN", "SOA", *RDATA["SOA"]))
    if rng.random() < 0.5:
        message.authority.append(dns.rrset.from_text(dns.name.from_text("example."), 300, "IN", "NS", *RDATA["NS"]))
    if rng.random() < 0.5:
        message.additional.append(dns.rrset.from_text(dns.name.from_text("ns1.example."), 300, "IN", "A", "192.0.2.9"))
    if rng.random() < 0.2:
        message.set_rcode(rng.choice([dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.YXDOMAIN]))
    return message


def records(section):
    return {(rrset.name, rrset.rdtype, rdata.to_digestable()) for rrset in section for rdata in rrset}


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
            try:
                theirs = dns.message.from_wire(wire)
            except (dns.exception.DNSException, ValueError):
                assert mutated, where  # data of records that a question has no use for
                continue
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
        # What is cut off is cut off; nothing is told that wasn't said.
        assert ours.question == theirs.question and records(ours.answer) <= records(theirs.answer), where
        assert records(ours.authority) <= records(theirs.authority), where
        assert records(ours.additional) <= records(theirs.additional), where
    print(f"{len(cases)} messages agree, {accepted} of {ROUNDS} mutated ones were readable")
    assert accepted > ROUNDS // 10


main()
