#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# format.sh ROOT: every C++ file is as clang-format 19 lays it out; exit 77 (skipped) where that isn't installed.
set -euo pipefail
cd "$1"
command -v clang-format-19 > /dev/null || { echo "clang-format-19 is not installed: ./dev deps" >&2; exit 77; }
mapfile -d '' -t files < <(find base config firewall dhcp dns router tests \( -name '*.h' -o -name '*.cpp' \) -print0)
[ ${#files[@]} -gt 0 ] || { echo "no files to look at under $1" >&2; exit 1; }
if ! said=$(clang-format-19 --dry-run --Werror "${files[@]}" 2>&1); then
  echo "not formatted; mend them with clang-format-19 -i:"
  sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: error:.*/  \1/p' <<< "$said" | sort -u
  exit 1
fi
echo "${#files[@]} files are formatted"
