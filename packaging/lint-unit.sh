#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd itself reads the unit. What it says of programs that are not installed yet is no fault of the unit's.
set -eu
if ! command -v systemd-analyze >/dev/null; then
  grep -q '^Type=notify$' "$1"
  exit
fi
said=$(systemd-analyze verify --recursive-errors=no "$1" 2>&1 | grep -v -e 'is not executable' -e 'man .* failed' || true)
if [ -n "$said" ]; then
  printf '%s\n' "$said" >&2
  exit 1
fi
