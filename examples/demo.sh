#!/usr/bin/env bash
# What `make demo` shows: the example project, built and tested on two platforms, twice.
# usage: examples/demo.sh CAISSON
#
# Everything but the artifacts lies in .build/demo: the machine's own images and compiler cache are left alone.
set -euo pipefail

if (($# != 1)) || [[ ! -x $1 ]]; then
    echo "usage: $0 CAISSON (the built program; \`make demo\` does it all)" >&2
    exit 2
fi
bin=$(realpath "$1")
cd "$(dirname "$0")/tensor"
demo=$(realpath ../..)/.build/demo
base=debian:bookworm
functions=ci/docker/runtime_functions.sh
platforms=(debian_cpu armv7)
mkdir -p "$demo"

# An ordinary user's caisson needs no more than this machine allows; else what sudo builds belongs to whoever calls it.
as_root=()
how=$bin
if (($(id -u) != 0)) && ! "$bin" --store "$demo/store" doctor >/dev/null 2>&1; then
    if ! command -v sudo >/dev/null; then
        "$bin" doctor >&2
        exit 1
    fi
    as_root=(sudo)
    how="sudo $bin"
fi

bold='' dim='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi
chapter=0
heading() {
    chapter=$((chapter + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$chapter" "$1" "$plain"
    shift
    (($# == 0)) || printf '   %s\n' "$@"
    echo
}

caisson() {
    "${as_root[@]}" env CAISSON_STORE="$demo/store" CCACHE_DIR="$demo/ccache" "$bin" "$@"
}

# show NAME COMMAND...: types a command as a person would, runs it, and remembers as NAME how long it took.
declare -A took
show() {
    local name=$1 start=$EPOCHREALTIME status=0
    shift
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@" || status=$?
    took[$name]=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {d = b - a; printf d < 10 ? "%.2f s" : "%.1f s", d}')
    if ((status != 0)); then
        printf "\nthe demo ends here: '%s' failed with status %d\n" "$*" "$status" >&2
        exit 1
    fi
    printf '%s(%s)%s\n' "$dim" "${took[$name]}" "$plain"
}

# has_image says whether FROM finds the base, in the store or in a registry: it makes an image of nothing else.
has_image() {
    local probe status=0
    probe=$(mktemp -d)
    touch "$probe/.probe_root"
    mkdir "$probe/docker"
    echo "FROM $base" > "$probe/docker/Dockerfile.build.probe"
    caisson -C "$probe" -p probe -b > "$demo/probe.log" 2>&1 || status=$?
    rm -rf "$probe"
    return "$status"
}

cat <<EOF
${bold}caisson builds and tests one source tree on many platforms, each in a container of its own.${plain}

The tree is examples/tensor: a small C library with a command, unit tests and a Python binding.
No daemon runs, and nothing was set up for it. Lines that begin with \$ are what you would type in
that folder; the time that each took stands below it. For the demo,

  caisson        is $how
  CAISSON_STORE  is $demo/store, where its images are kept
  CCACHE_DIR     is $demo/ccache, a compiler cache, empty now
EOF
rm -rf build "$demo/ccache"
mkdir "$demo/ccache"
if ! caisson doctor > "$demo/doctor.log" 2>&1; then
    printf '\nthis machine cannot run it yet:\n\n' >&2
    cat "$demo/doctor.log" >&2
    exit 1
fi

heading "A platform is a Dockerfile and a shell function" \
    "There is no configuration file. The Dockerfiles in ci/docker are the platforms; the function" \
    "build_<platform> in $functions says how each is built."
show list caisson -l

if ! has_image; then
    heading "A first image, where no registry can be reached" \
        "The Dockerfiles begin with FROM $base, and no registry gives that here. So it is" \
        "made from this machine's Debian mirror, once."
    show base caisson base add "$base" "$base"
fi

heading "The images" \
    "-b makes a platform's image and runs nothing. A run makes it too, when it is missing or when" \
    "the Dockerfile or a file that it uses has changed; both platforms share their first steps."
for p in "${platforms[@]}"; do
    show "image $p" caisson -p "$p" -b
done

# build_and_test WHEN: all platforms, one after the other in the same tree.
build_and_test() {
    local p
    for p in "${platforms[@]}"; do
        [[ $p == "${platforms[0]}" ]] || echo
        show "build $p $1" caisson -p "$p"
        show "tests $p $1" caisson -p "$p" "$functions" "unittest_$p"
    done
}

heading "The first time: build and test, natively and for ARM" \
    "Without a command, a run calls the platform's build function. It works on this tree, as you," \
    "and leaves what it makes in build/. Look at the processor behind each file, and at the last" \
    "line of a build: the compiler cache knows nothing yet."
build_and_test first
echo
show owner ls -l build/libtensor.so.1.0.0

heading "The second time, after rm -rf build" \
    "The same lines again. The images are there, and the compiler cache, which all platforms" \
    "share, knows every file: look at its hits."
show clean rm -rf build
build_and_test second

heading "What a run itself costs" \
    "A container from start to removal, with nothing to do in it."
show nothing caisson -p armv7 true

heading "How long it took"
row() { printf '   %-12s %10s   %10s %10s   %10s %10s\n' "$@"; }
row '' image '1st build' '2nd build' '1st tests' '2nd tests'
for p in "${platforms[@]}"; do
    row "$p" "${took[image $p]}" "${took[build $p first]}" "${took[build $p second]}" \
        "${took[tests $p first]}" "${took[tests $p second]}"
done
cat <<EOF

   The next demo finds the images, and then shows nearly nothing for them.
   What armv7 built last is in examples/tensor/build. To go on by yourself:

     cd examples/tensor
     $how --store $demo/store -p debian_cpu -i    # a shell on a platform, in this tree
     $how --help

   ${as_root[*]}${as_root:+ }rm -rf .build/demo removes what the demo keeps.
EOF
