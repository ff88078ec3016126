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

apt-get update -qq
# A build that dies starts from nothing again, so dpkg need not wait for the disk after each file.
apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-unsafe-io \
    ccache cmake ninja-build python3 "$@"

# Neither package lists nor archives belong in the image.
apt-get clean
rm -rf /var/lib/apt/lists/*
