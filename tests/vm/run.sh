#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh IMAGE GUEST SET: boots GUEST/vmlinuz with a throw-away copy of IMAGE under TCG and has it run the tests of
# tests/vm/sets/SET. Prints what they print; exit status 0 when all of them passed.
set -euo pipefail

image=$1
guest=$2
set_name=$3

output=$(mktemp)
trap 'rm -f "$output"' EXIT
# rdrand: without a source of its own the kernel makes its tests wait for randomness.
qemu-system-x86_64 -accel tcg,thread=multi -cpu qemu64,+rdrand -smp 2 -m 768 -nodefaults -no-user-config -no-reboot \
  -display none -serial stdio -kernel "$guest/vmlinuz" -initrd "$guest/initramfs.gz" \
  -append "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off lab.root=/dev/vda vm.set=$set_name" \
  -drive "file=$image,format=raw,if=virtio,snapshot=on" < /dev/null | tee "$output"
grep -q '^vm: status 0' "$output" || { echo "run.sh: the machine did not say that all tests passed" >&2; exit 1; }
