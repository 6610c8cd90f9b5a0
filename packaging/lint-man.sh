#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A page is right when man(1)'s formatter has nothing to say about it and it renders to something.
set -eu
said=$(LC_ALL=C.UTF-8 groff -man -Tutf8 -ww -rF0 "$1" 2>&1 >/dev/null)
if [ -n "$said" ]; then
  printf '%s\n' "$said" >&2
  exit 1
fi
LC_ALL=C.UTF-8 groff -man -Tutf8 -P-cbou "$1" | grep -q "^NAME$"
