#!/usr/bin/env bash
# What runs in the containers, as a function per platform and purpose:
#
#   build_PLATFORM      builds the library, the command and the tests into /work/build, which is build/ of this tree
#   unittest_PLATFORM   the same, then tests it
#
# Usage: runtime_functions.sh FUNCTION [ARGUMENT...]
set -euo pipefail

# Prints a command, then runs it. Clearer than set -x, which shows every test and assignment of this file too.
run() {
    printf '+ %s\n' "$*" >&2
    "$@"
}

# configure PLATFORM [CMAKE_ARGUMENT...]
# Makes /work/build this platform's. All platforms run in place share that folder: what another one has left there is
# removed, since CMake cannot change compilers in a folder. The folder itself is a mount and stays.
configure() {
    local wanted="$*" marker=/work/build/.configured_for
    shift
    if [[ -f /work/build/build.ninja && -f $marker && $(< "$marker") == "$wanted" ]]; then
        return
    fi
    if [[ -e /work/build/CMakeCache.txt ]]; then
        echo "build/ was configured for something else, emptying it" >&2
        rm -f "$marker"
        find /work/build -mindepth 1 -delete
    fi
    run cmake -S /work/tensor -B /work/build -G Ninja --log-level=NOTICE \
        -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_COMPILE_WARNING_AS_ERROR=ON "$@"
    # Last, so that a run that was stopped before this line configures again.
    printf '%s\n' "$wanted" > "$marker"
}

# Shows progress to a person, and to a log only what went wrong.
compile() {
    local quiet=()
    [[ -t 1 ]] || quiet=(--quiet)
    run ninja -C /work/build "${quiet[@]}"
}

# artifacts READELF: one line for each thing built, with its size in bytes and its processor.
artifacts() {
    local readelf=$1 name machine
    for name in libtensor.so.1.0.0 libtensor.a tensor tensor_tests; do
        machine=$("$readelf" -h "/work/build/$name" | sed -n 's/^ *Machine: *//p' | sort -u)
        machine=${machine#Advanced Micro Devices }
        printf 'build/%-20s %8d  %s\n' "$name" "$(stat -c %s "/work/build/$name")" "$machine"
    done
}

# A line per test when it ends is enough, without one when it starts.
run_tests() {
    run ctest --test-dir /work/build --output-on-failure -j "$(nproc)" | grep -Ev '^ +Start +[0-9]+: '
}

make_debian_cpu() {
    cd /work/tensor
    configure debian_cpu -DCMAKE_C_COMPILER=gcc
    compile
}

build_debian_cpu() {
    make_debian_cpu
    artifacts readelf
}

unittest_debian_cpu() {
    make_debian_cpu
    run_tests
}

make_clang_asan() {
    cd /work/tensor
    configure clang_asan -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTENSOR_SANITIZE=ON
    compile
}

build_clang_asan() {
    make_clang_asan
    artifacts readelf
}

unittest_clang_asan() {
    make_clang_asan
    run_tests
}

make_armv7() {
    cd /work/tensor
    configure armv7 -DCMAKE_TOOLCHAIN_FILE=cmake/armv7.cmake
    compile
}

build_armv7() {
    make_armv7
    artifacts arm-linux-gnueabihf-readelf
}

# Nothing is run: this checks that what was built is for the processor and calling convention that it is meant for.
unittest_armv7() {
    make_armv7
    local name header
    for name in libtensor.so.1.0.0 tensor tensor_tests; do
        header=$(arm-linux-gnueabihf-readelf -h "/work/build/$name")
        for expected in 'Class: *ELF32' 'Machine: *ARM' 'hard-float ABI'; do
            if ! grep -q "$expected" <<< "$header"; then
                echo "build/$name is not what it should be, '$expected' is missing in its header:" >&2
                echo "$header" >&2
                return 1
            fi
        done
        echo "build/$name is a program for ARM with hardware floating point"
    done
}

if (($# == 0)); then
    echo "usage: $0 FUNCTION [ARGUMENT...], one of:" >&2
    compgen -A function | grep -E '^(build|unittest)_' | sed 's/^/  /' >&2
    exit 2
fi

"$@"
