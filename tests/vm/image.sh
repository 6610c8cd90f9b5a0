#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# image.sh IMAGE BUILD GUEST: makes IMAGE, the ext4 disk of a machine that runs tests of BUILD on the kernel of GUEST (the
# directory that tests/lab/guest/build.sh filled).
#
# Programs, and every library that they load, are this machine's own: what is tested is the kernel. Needs neither root nor
# a mount: mke2fs copies the tree in.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_root=$(cd "$here/../.." && pwd)
image=$1
build=$(cd "$2" && pwd)
guest=$3
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# What tests run besides busybox's applets. Real ones wherever the tests read what they print.
tools=(bash busybox curl dash dhclient dhcpcd dig getent grep ip iperf3 nft ping run-parts sed sort ss stat sysctl tcpdump)
strip=$(command -v llvm-strip-19 || command -v strip)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# A child's cage changes its root to a directory that users may not enter through a closed one.
chmod 755 "$root"
mkdir -p "$root"/{dev,proc,root,run,sys,tmp,etc,usr/bin,usr/sbin,usr/lib,usr/lib64,var/tmp,var/lib/dhcp,var/lib/dhcpcd,var/empty}
mkdir -p "$root"/opt/vrouter/{bin,tests,modules}
ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
# Test programs look for the trees that they were built from.
mkdir -p "$root$source_root" "$root$build"

# Libraries go where the loader looks for them, whatever the path that it found them by here.
copy_libraries() {
  local library
  for library in $(ldd "$1" 2> /dev/null | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\// {print $1}'); do
    [ ! -e "$root$library" ] || continue
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
}

copy_tool() {
  local path
  path=$(command -v "$1") || { echo "image.sh: no $1 on this machine: run ./dev deps" >&2; exit 1; }
  case $path in
    */sbin/*) cp -L "$path" "$root/usr/sbin/$1" ;;
    *) cp -L "$path" "$root/usr/bin/$1" ;;
  esac
  copy_libraries "$path"
}

copy_built() {
  [ -x "$1" ] || { echo "image.sh: $1 is not built" >&2; exit 1; }
  "$strip" -o "$2/$(basename "$1")" "$1"
  copy_libraries "$1"
}

for tool in "${tools[@]}"; do copy_tool "$tool"; done
ln -s dash "$root/usr/bin/sh"
for applet in $("$(command -v busybox)" --list); do
  [ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
done
cp "$(command -v dhclient-script)" "$root/usr/sbin/"

for program in vrouterd vrouter; do copy_built "$build/bin/$program" "$root/opt/vrouter/bin"; done
for program in $(sed -n 's/^\([a-z0-9_]\+\) .*/\1/p' "$here"/sets/* | sort -u); do
  copy_built "$build/tests/$program" "$root/opt/vrouter/tests"
done
cp -r "$here/sets" "$root/opt/vrouter/sets"
cp -r "$guest/modules/." "$root/opt/vrouter/modules/"

for entry in dhcp dhcpcd.conf host.conf iproute2 nsswitch.conf protocols services; do
  [ ! -e "/etc/$entry" ] || cp -rL "/etc/$entry" "$root/etc/"
done
mkdir -p "$root/usr/lib/dhcpcd"
[ ! -d /usr/lib/dhcpcd ] || cp -r /usr/lib/dhcpcd/. "$root/usr/lib/dhcpcd/"
cp "$here/passwd" "$here/group" "$root/etc/"
touch "$root/etc/fstab"
install -m 755 "$here/init" "$root/usr/sbin/init"

rm -f "$image"
size=$(du -sm "$root" | cut -f1)
# No journal: what the machine writes is thrown away with it.
mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 -m 0 -d "$root" "$image" "$((size + size / 4 + 64))M"
