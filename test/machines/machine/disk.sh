# Makes vmlinuz and disk.ext4 in this folder, as root: a small Debian bookworm and the kernel of its backports (6.12), whose
# cloud flavour has the drivers of QEMU's NVMe disk and virtio ports built in, so that no module is needed to start.
cat >kernel.sh <<'END'
set -eu
root=$1
sed -n 's/ bookworm main$/ bookworm-backports main/p' "$root/etc/apt/sources.list" | head -n 1 >"$root/etc/apt/sources.list.d/backports.list"
chroot "$root" apt-get -q update
# The package linux-image-cloud-amd64 is but a name for the newest one. It is unpacked, not installed: that would make an
# initramfs, which the machine does not use.
package=$(chroot "$root" apt-cache depends linux-image-cloud-amd64/bookworm-backports | sed -n 's/.*Depends: //p' | head -n 1)
chroot "$root" sh -euc 'cd /tmp && apt-get -q download "$0"' "$package"
dpkg-deb --fsys-tarfile "$root"/tmp/*.deb | tar -C "$root" --keep-directory-symlink -xf - ./boot ./lib
rm -rf "$root"/tmp/*.deb "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*
chroot "$root" depmod "${package#linux-image-}"
END
mmdebstrap --mode=root --variant=minbase --include=ca-certificates,uidmap,kmod,iproute2 \
	--customize-hook='sh kernel.sh "$1"' bookworm root
mv root/boot/vmlinuz-* vmlinuz
truncate -s 8G disk.ext4
mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -d root disk.ext4
rm -rf root kernel.sh
