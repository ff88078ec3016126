#!/usr/bin/env bash
# debian_base.sh [PACKAGE...]: installs what every platform needs to build, and the packages named.
#
# A Dockerfile runs it twice: without packages first, which is the same layer for all platforms, then with its own.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive

# Nobody reads manuals in a build container.
cat > /etc/dpkg/dpkg.cfg.d/no-documentation <<'EOF'
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
EOF

# What apt and dpkg have to say is hundreds of lines, which matter only when something fails.
quietly() {
    "$@" > /tmp/apt.log 2>&1 || { cat /tmp/apt.log; exit 1; }
    rm /tmp/apt.log
}

packages=(ccache cmake ninja-build python3 "$@")
echo "installing ${packages[*]}"
quietly apt-get update -qq
# A build that dies starts from nothing again, so dpkg need not wait for the disk after each file.
quietly apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "${packages[@]}"

# Neither package lists nor archives belong in the image.
apt-get clean
rm -rf /var/lib/apt/lists/*
