#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shell_syntax.sh ROOT: the shells can read our scripts, and `./dev help` works.
set -euo pipefail
cd "$1"
for script in dev .ci/run tests/lab/guest/build.sh tests/lint/*.sh; do bash -n "$script"; done
for script in tests/lab/guest/init tests/lab/guest/udhcpc.script; do sh -n "$script"; done
bash ./dev help > /dev/null
