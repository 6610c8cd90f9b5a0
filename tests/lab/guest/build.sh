#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# build.sh DIRECTORY: makes DIRECTORY/vmlinuz and DIRECTORY/initramfs.gz, the lab's guest.
# build.sh --check DIRECTORY: only says by its exit status whether DIRECTORY holds the guest of these very scripts.
#
# Debian's cloud kernel and busybox-static are downloaded and unpacked but never installed: the kernel's maintainer
# scripts would change the machine's boot loader, and busybox-static would replace the machine's busybox.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
check=no
if [ "$1" = --check ]; then
  check=yes
  shift
fi
stamp=$(cat "$here/build.sh" "$here/init" "$here/udhcpc.script" | sha256sum)
if [ -s "$1/vmlinuz" ] && [ -s "$1/initramfs.gz" ] && [ "$(cat "$1/stamp" 2> /dev/null)" = "$stamp" ]; then exit 0; fi
[ "$check" = no ] || exit 1

mkdir -p "$1"
target=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The package that the meta-package of the day stands for.
kernel_package() { apt-cache depends linux-image-cloud-amd64 2> /dev/null | awk '$2 ~ /^linux-image-[0-9]/ {print $2; exit}'; }

download() {
  local kernel
  kernel=$(kernel_package)
  [ -n "$kernel" ] || return 1
  echo "guest: downloading $kernel and busybox-static"
  # apt's sandbox user may not write here, which would only cost a warning.
  (cd "$work" && apt-get -o APT::Sandbox::User=root -qq download "$kernel" busybox-static)
}

if ! download; then
  # Lists that are old or were never fetched name packages that are gone.
  [ "$(id -u)" = 0 ] || { echo "build.sh: the package lists are out of date: sudo apt-get update" >&2; exit 1; }
  apt-get -q update
  download || { echo "build.sh: can't download linux-image-cloud-amd64's kernel and busybox-static" >&2; exit 1; }
fi

echo "guest: packing the initramfs"
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/unpacked"; done

initramfs=$work/initramfs
mkdir -p "$initramfs"/{bin,dev,etc,modules,proc,root,run,sys,tmp,var/www}
cp "$work/unpacked/bin/busybox" "$initramfs/bin/busybox"
cp "$here/init" "$initramfs/init"
cp "$here/udhcpc.script" "$initramfs/etc/udhcpc.script"
chmod 755 "$initramfs/init" "$initramfs/etc/udhcpc.script"

# Copies a module after all that it depends on; modules/order is the order to load them in.
declare -A placed=()
place() {
  [ -z "${placed[$1]:-}" ] || return 0
  placed[$1]=yes
  local file dependency
  file=$(find "$work/unpacked/lib/modules" -name "$1.ko" -print -quit)
  if [ -z "$file" ]; then
    # Built in is as good.
    if grep -q "/$1\.ko$" "$work"/unpacked/lib/modules/*/modules.builtin; then return 0; fi
    echo "build.sh: the kernel has no module $1" >&2
    return 1
  fi
  for dependency in $(tr '\0' '\n' < "$file" | sed -n 's/^depends=//p' | tr ',' ' '); do place "$dependency"; done
  cp "$file" "$initramfs/modules/"
  echo "$1.ko" >> "$initramfs/modules/order"
}
place virtio_pci
place virtio_net

(cd "$initramfs" && find . -print0 | LC_ALL=C sort -z | cpio --null --quiet --create --format=newc --owner=0:0) |
  gzip -9n > "$target/initramfs.gz"
cp "$work"/unpacked/boot/vmlinuz-* "$target/vmlinuz"
chmod 644 "$target/vmlinuz"
echo "$stamp" > "$target/stamp"
