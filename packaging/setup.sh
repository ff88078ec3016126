#!/bin/sh
# Installs what a target needs on Debian and Ubuntu; elsewhere it says exactly what is missing.
# usage: packaging/setup.sh build|demo|test|machines|bench
set -eu

# A need is PACKAGE:CHECK. CHECK is a program, or a file when it begins with a slash; {arch} is the multiarch triplet.
build="gcc:gcc libc6-dev:/usr/include/stdio.h pkg-config:pkg-config libseccomp-dev:/usr/include/seccomp.h make:make git:git"
demo="mmdebstrap:mmdebstrap uidmap:newuidmap ca-certificates:/etc/ssl/certs/ca-certificates.crt"
test="$demo busybox-static:busybox file:file runc:/usr/sbin/runc dpkg-dev:dpkg-source util-linux:script qemu-user-static:/usr/bin/qemu-arm-static xz-utils:xz bzip2:bzip2 ccache:ccache sudo:sudo iproute2:ip docker.io:dockerd bindfs:bindfs openssh-client:ssh-agent"
machines="$test qemu-system-x86:qemu-system-x86_64 e2fsprogs:/sbin/mke2fs debian-archive-keyring:/usr/share/keyrings/debian-archive-keyring.gpg"
bench="$test podman:podman slirp4netns:slirp4netns linux-perf:perf"

case "${1:-}" in
build) needs="$build" ;;
demo) needs="$build $demo" ;;
test) needs="$build $test" ;;
machines) needs="$build $machines" ;;
bench) needs="$build $bench" ;;
*) echo "usage: $0 build|demo|test|machines|bench" >&2; exit 2 ;;
esac

missing=""
for need in $needs; do
	package=${need%%:*} check=${need#*:}
	case "$check" in
	/*) [ -e "$check" ] || missing="$missing $package" ;;
	*) command -v "$check" >/dev/null 2>&1 || missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "missing:$missing (names of Debian's packages). Install what your system calls them, then try again." >&2
	exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "missing packages. Install them with: sudo apt-get install$missing" >&2
		exit 1
	fi
	as_root="sudo"
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086 # both are lists of words
if ! { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
rm -f "$log"
