#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the edges between the rooms: who may include whom, and which library shows in which room.

include_edges.py ROOT    prints FILE:LINE: what is wrong, for each violation, and exits 1 when there is one
"""
import pathlib
import re
import sys

# base <- config <- {firewall, dhcp, dns} <- router. A room may include itself and these.
ROOMS = {
    "base": set(),
    "config": {"base"},
    "firewall": {"base", "config"},
    "dhcp": {"base", "config"},
    "dns": {"base", "config"},
    "router": {"base", "config", "firewall", "dhcp", "dns"},
}

# The directories in which a library's headers may be included.
LIBRARIES = [
    (r"toml\+\+/", ["config/"]),
    (r"netlink/", ["router/kernel/"]),
    (r"libnftnl/", ["firewall/nft/"]),
    (r"libmnl/", ["firewall/nft/", "router/kernel/", "router/processes/nflog.cpp"]),
    (r"libnetfilter_conntrack/", ["router/kernel/"]),
    (r"SQLiteCpp/|sqlite3\.h", ["router/state/"]),
    (r"systemd/|spdlog/", ["router/"]),
    (r"seccomp\.h|cap-ng\.h|linux/(landlock|seccomp)\.h", ["router/processes/"]),
    (r"CLI/", ["router/"]),
    (r"boost/json/", ["router/"]),
    (r"boost/asio/", ["config/", "firewall/", "dhcp/", "dns/", "router/"]),
    # The headers that bring in everything: seconds of compile time per file.
    (r"boost/(asio|json)\.hpp", []),
]

# No process is started to configure the network, nor for anything else.
CALLS = re.compile(
    r"(?<![\w.>])(system|popen|execl|execle|execlp|execv|execve|execveat|execvp|execvpe|fexecve|posix_spawnp?)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Comments, strings and characters, longest alternatives first; what they say is no code.
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def without_text(source):
    """The source with comments and strings blanked and its lines where they were."""
    return NOT_CODE.sub(lambda match: "\n" * match.group(0).count("\n"), source)


# Whose program is vrouter's own: `vrouter teardown` without a daemon is `vrouterd --teardown`.
STARTS_VROUTERD = {"router/cli/offline.cpp"}


def check_include(name, delimiter, header):
    room = name.split("/")[0]
    target = header.split("/")[0]
    if target == "tests":
        return f"product code includes {header} of the tests"
    if delimiter == '"' and target in ROOMS and target != room and target not in ROOMS[room]:
        allowed = ", ".join(sorted(ROOMS[room])) or "nothing"
        return f"{room}/ includes {header}; it may include {allowed}"
    for pattern, places in LIBRARIES:
        if re.match(pattern, header) and not any(name.startswith(place) for place in places):
            where = "only " + ", ".join(places) + " may" if places else "include the narrower headers instead"
            return f"includes {header}: {where}"
    return None


def check_file(name, source):
    for number, line in enumerate(source.splitlines(), 1):
        match = INCLUDE.match(line)
        if match and (problem := check_include(name, *match.groups())):
            yield f"{name}:{number}: {problem}"
    for number, line in enumerate(without_text(source).splitlines(), 1):
        if (match := CALLS.search(line)) and name not in STARTS_VROUTERD:
            yield f"{name}:{number}: calls {match.group(1)}(): product code starts no programs"


def check_tree(root):
    """The violations below root, and how many files were looked at."""
    problems, files = [], 0
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in {".h", ".cpp", ".c", ".hpp"}:
                files += 1
                problems += check_file(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    return problems, files


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    problems, files = check_tree(pathlib.Path(sys.argv[1]))
    print("\n".join(problems), end="\n" if problems else "")
    print(f"{files} files, {len(problems)} violations")
    return 1 if problems or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
