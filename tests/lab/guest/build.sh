#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# build.sh DIRECTORY: makes DIRECTORY/vmlinuz and DIRECTORY/initramfs.gz, the lab's guest, and DIRECTORY/modules, which
# a machine that runs the tests on that kernel loads besides (tests/vm).
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
if [ -s "$1/vmlinuz" ] && [ -s "$1/initramfs.gz" ] && [ -s "$1/modules/order" ] &&
  [ "$(cat "$1/stamp" 2> /dev/null)" = "$stamp" ]; then exit 0; fi
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

# place DIRECTORY MODULE: copies a module after all that it depends on; DIRECTORY/order is the order to load them in.
declare -A placed=()
place() {
  [ -z "${placed[$2]:-}" ] || return 0
  placed[$2]=yes
  local file dependency
  # File names have dashes where the kernel's own names have underscores, or not.
  file=$(find "$work/unpacked/lib/modules" -name "${2//[-_]/[-_]}.ko" -print -quit)
  if [ -z "$file" ]; then
    # Built in is as good.
    if grep -q "/${2//[-_]/[-_]}\.ko$" "$work"/unpacked/lib/modules/*/modules.builtin; then return 0; fi
    echo "build.sh: the kernel has no module $2" >&2
    return 1
  fi
  for dependency in $(tr '\0' '\n' < "$file" | sed -n 's/^depends=//p' | tr ',' ' '); do place "$1" "$dependency"; done
  cp "$file" "$1/"
  basename "$file" >> "$1/order"
}
for module in virtio_pci virtio_net virtio_blk; do place "$initramfs/modules" "$module"; done

# What a hypervisor host has loaded, or would load when asked. Those of the initramfs are there by then.
mkdir -p "$work/modules"
for module in tun veth dummy bridge br_netfilter 8021q sctp \
  nf_tables nfnetlink nfnetlink_log nf_log_syslog nf_conntrack nf_conntrack_netlink nf_nat \
  nft_chain_nat nft_compat nft_connlimit nft_ct nft_fib_inet nft_fib_ipv4 nft_fib_ipv6 nft_flow_offload nf_flow_table_inet \
  nft_hash nft_limit nft_log nft_masq nft_nat nft_numgen nft_objref nft_queue nft_quota nft_redir nft_reject_inet \
  nft_reject_ipv4 nft_reject_ipv6 nft_socket nft_synproxy nft_tunnel nft_meta_bridge nft_reject_bridge \
  ip_tables iptable_filter iptable_nat x_tables xt_conntrack xt_MASQUERADE; do
  place "$work/modules" "$module"
done
rm -rf "$target/modules"
cp -r "$work/modules" "$target/modules"

(cd "$initramfs" && find . -print0 | LC_ALL=C sort -z | cpio --null --quiet --create --format=newc --owner=0:0) |
  gzip -9n > "$target/initramfs.gz"
cp "$work"/unpacked/boot/vmlinuz-* "$target/vmlinuz"
chmod 644 "$target/vmlinuz"
echo "$stamp" > "$target/stamp"
