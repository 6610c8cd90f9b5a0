#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# build.sh DIRECTORY: makes DIRECTORY/vmlinuz and DIRECTORY/initramfs.gz, the lab's guest.
# The kernel is Debian's cloud kernel, downloaded and unpacked but never installed (its maintainer scripts would change
# the machine's boot loader); the rest is busybox-static and the files beside this script. Does nothing when DIRECTORY
# holds the guest made of the same parts already.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
target=$(cd "$1" && pwd)
busybox=/bin/busybox

kernel_package=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ {print $2; exit}')
[ -n "$kernel_package" ] || { echo "build.sh: no linux-image-cloud-amd64 in the package lists: run apt-get update" >&2; exit 1; }
stamp=$(cat "$here/build.sh" "$here/init" "$here/udhcpc.script" "$busybox" <(echo "$kernel_package") | sha256sum)
if [ "$(cat "$target/stamp" 2>/dev/null)" = "$stamp" ] && [ -s "$target/vmlinuz" ] && [ -s "$target/initramfs.gz" ]; then
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
echo "guest: downloading $kernel_package"
# The sandbox user of apt can't write here, which only costs a warning.
(cd "$work" && apt-get -o APT::Sandbox::User=root -qq download "$kernel_package")
echo "guest: unpacking it and packing the initramfs"
dpkg-deb -x "$work"/*.deb "$work/kernel"

root=$work/root
mkdir -p "$root"/{bin,dev,etc,modules,proc,root,run,sys,tmp,var/www}
cp "$busybox" "$root/bin/busybox"
cp "$here/init" "$root/init"
cp "$here/udhcpc.script" "$root/etc/udhcpc.script"
chmod 755 "$root/init" "$root/etc/udhcpc.script"

# A module after all that it depends on.
declare -A placed=()
place() {
  [ -z "${placed[$1]:-}" ] || return 0
  placed[$1]=yes
  local file dependency
  file=$(find "$work/kernel/lib/modules" -name "$1.ko" -print -quit)
  if [ -z "$file" ]; then
    # Built in is as good.
    if grep -q "/${1//_/[-_]}\.ko$" "$work"/kernel/lib/modules/*/modules.builtin; then return 0; fi
    echo "build.sh: $kernel_package has no module $1" >&2; return 1
  fi
  for dependency in $(tr '\0' '\n' < "$file" | sed -n 's/^depends=//p' | tr ',' ' '); do place "$dependency"; done
  cp "$file" "$root/modules/"
  echo "$1.ko" >> "$root/modules/order"
}
place virtio_pci
place virtio_net

(cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio --null --quiet --create --format=newc --owner=0:0) |
  gzip -9n > "$target/initramfs.gz"
cp "$work"/kernel/boot/vmlinuz-* "$target/vmlinuz"
chmod 644 "$target/vmlinuz"
echo "$stamp" > "$target/stamp"
