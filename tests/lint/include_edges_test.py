#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lint itself: it must find each kind of violation, and leave in peace what only looks like one."""
import contextlib
import io
import pathlib
import tempfile
import unittest
from unittest import mock

import include_edges

WRONG = {
    "base/a.h": '#include "config/model.h"',
    "config/a.h": '#include "dhcp/tables.h"',
    "firewall/a.cpp": '#include "router/kernel/links.h"',
    "dhcp/a.cpp": '#include "dns/tables.h"',
    "dns/a.cpp": '#  include "firewall/ruleset.h"',
    "router/daemon/toml.cpp": "#include <toml++/toml.h>",
    "router/reconcile/a.cpp": "#include <netlink/route/link.h>",
    "router/kernel/a.cpp": "#include <libnftnl/rule.h>",
    "firewall/mnl.cpp": "#include <libmnl/libmnl.h>",
    "firewall/nft/a.cpp": "#include <libnetfilter_conntrack/libnetfilter_conntrack.h>",
    "router/control/a.cpp": "#include <SQLiteCpp/Database.h>",
    "dhcp/log.cpp": "#include <spdlog/spdlog.h>",
    "base/asio.h": "#include <boost/asio/ip/address.hpp>",
    "dns/all.cpp": "#include <boost/asio.hpp>",
    "router/state/test.cpp": '#include "tests/lab/lib/namespace.h"',
    "router/daemon/shell.cpp": 'int f() { return std::system("ip link"); }',
    "router/daemon/pipe.cpp": 'auto* f = ::popen("nft list ruleset", "r");',
    "router/cli/exec.cpp": "void f(char** a) {\n  execvp (a[0], a);\n}",
    "router/cli/spawn.cpp": "auto e = posix_spawn(&p, path, nullptr, nullptr, a, e);",
}

RIGHT = {
    "base/mac.h": '#include <string>\n#include "base/wire_reader.h"',
    "config/load.cpp": '#include <toml++/toml.h>\n#include "base/mac_address.h"',
    "firewall/nft/send.cpp": '#include <libnftnl/rule.h>\n#include <libmnl/libmnl.h>\n#include "config/model.h"',
    "dns/server.cpp": "#include <boost/asio/ip/udp.hpp>",
    "router/kernel/links.cpp": "#include <netlink/route/link.h>\n#include <libnetfilter_conntrack/libnetfilter_conntrack.h>",
    "router/daemon/main.cpp": '#include "dhcp/server.h"\n#include "dns/server.h"\n#include "firewall/ruleset.h"',
    "router/state/store.cpp": "#include <SQLiteCpp/Database.h>\nvoid f(SQLite::Database& d) { d.exec(sql); }",
    "router/cli/offline.cpp": "auto e = posix_spawn(&p, path, nullptr, nullptr, a, e);",
    "router/cli/words.cpp": '// never system("x")\n/* popen(\n) */\nconst char* k = "execve(\\"x\\")";\n'
                            "boost::system::error_code e; auto f = R\"(system(1))\"; void my_system(int); auto t = host->system(1);",
}


class IncludeEdges(unittest.TestCase):
    def run_on(self, files):
        with tempfile.TemporaryDirectory() as directory:
            for name, text in files.items():
                path = pathlib.Path(directory) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text + "\n", encoding="utf-8")
            printed = io.StringIO()
            with mock.patch("sys.argv", ["include_edges.py", directory]), contextlib.redirect_stdout(printed):
                status = include_edges.main()
            return status, printed.getvalue()

    def test_finds_each_violation(self):
        for name, text in WRONG.items():
            with self.subTest(name):
                status, printed = self.run_on({name: text})
                self.assertEqual(status, 1, printed)
                line = text.splitlines().index("  execvp (a[0], a);") + 1 if "execvp" in text else 1
                self.assertTrue(printed.startswith(f"{name}:{line}: "), printed)
                self.assertTrue(printed.endswith("1 files, 1 violations\n"), printed)

    def test_leaves_the_rest_in_peace(self):
        self.assertEqual(self.run_on(RIGHT), (0, f"{len(RIGHT)} files, 0 violations\n"))

    def test_an_empty_tree_is_a_mistake(self):
        self.assertEqual(self.run_on({}), (1, "0 files, 0 violations\n"))


if __name__ == "__main__":
    unittest.main()
