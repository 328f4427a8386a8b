#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The guest's kernel and initramfs: made the same way twice, they boot and have what pods need.

setup_file() {
    export TOP WORK
    TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    WORK=$(mktemp -d)
    gcc -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -s -o "$WORK/init" \
        "$TOP/tests/kata/guest-init.c"
    "$TOP/guest/make" --debian --agent "$WORK/init" --out "$WORK/debian"
}

teardown_file() {
    rm -rf "$WORK"
}

make_guest() { # NAME OPTIONS…
    "$TOP/guest/make" --agent "$WORK/init" --out "$WORK/$1" "${@:2}"
}

told() { # DIR JQ-LIKE-KEY…: a value of guest.json
    python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    value = value[key]
print(value)' "$WORK/$1/guest.json" "${@:2}"
}

# Boots a guest to its test init. The console is in $WORK/NAME.console.
boot() { # NAME OPTIONS…
    timeout 120 "$TOP/tests/kata/boot-guest" "${@:2}" "$WORK/$1" >"$WORK/$1.console" || return 1
    sed -n 's/^ *[0-9.]* //p' "$WORK/$1.console" | tr -d '\r' >"$WORK/$1.said"
}

# Every feature of the list is there; those that are not are shown.
has_features() { # NAME
    local key bad=0
    for key in $(sed 's/#.*//' "$TOP/tests/kata/guest-features.txt"); do
        grep -qx "probe: $key yes" "$WORK/$1.said" && continue
        echo "missing: $(grep "^probe: $key " "$WORK/$1.said" || echo "$key")"
        bad=1
    done
    return $bad
}

@test "the same input makes the same bytes" {
    make_guest again --debian
    cmp "$WORK/debian/vmlinux" "$WORK/again/vmlinux"
    cmp "$WORK/debian/initramfs" "$WORK/again/initramfs"
    cmp "$WORK/debian/guest.json" "$WORK/again/guest.json"
    # what changes shows
    printf x | cat "$WORK/init" - >"$WORK/other"
    chmod 755 "$WORK/other"
    "$TOP/guest/make" --agent "$WORK/other" --out "$WORK/changed"
    ! cmp -s "$WORK/debian/initramfs" "$WORK/changed/initramfs" || false
    cmp "$WORK/debian/vmlinux" "$WORK/changed/vmlinux"
}

@test "guest.json tells what is in the files" {
    [ "$(told debian initramfs sha256)" = "$(sha256sum <"$WORK/debian/initramfs" | cut -d' ' -f1)" ]
    [ "$(told debian vmlinux sha256)" = "$(sha256sum <"$WORK/debian/vmlinux" | cut -d' ' -f1)" ]
    [ "$(told debian agent sha256)" = "$(sha256sum <"$WORK/init" | cut -d' ' -f1)" ]
    [ "$(told debian agent version)" = "guest-init test" ]
    [ "$(told debian way)" = debian ]
}

@test "of the kernel's memory nothing is left out but what fills gaps" {
    python3 - "$TOP/guest" "/boot/vmlinuz-$(told debian kernel)" "$WORK/debian/vmlinux" <<'PYTHON'
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import elf
from installed_kernel import vmlinux

def memory(image):
    """{page number: bytes} of what an ELF is loaded to, entry point, notes."""
    header = elf.HEADER.unpack_from(image)
    pages, notes = {}, b""
    for number in range(header[10]):
        kind, _, offset, _, place, size, whole, _ = elf.SEGMENT.unpack_from(image, header[5] + number * header[9])
        data = image[offset:offset + size]
        if kind != elf.PT_LOAD:
            notes += data
            continue
        assert place % elf.PAGE == 0 and whole >= size
        for at in range(0, size, elf.PAGE):
            pages[(place + at) // elf.PAGE] = data[at:at + elf.PAGE].ljust(elf.PAGE, b"\0")
    return pages, header[4], notes

was, entry, notes = memory(vmlinux(sys.argv[2]))
now, *rest = memory(open(sys.argv[3], "rb").read())
assert rest == [entry, notes]
assert all(was[page] == data for page, data in now.items())
gone = [data for page, data in was.items() if page not in now]
assert gone and all(elf.is_fill(data) for data in gone)
print(f"{len(gone)} of {len(was)} pages")
PYTHON
}

@test "a distribution's kernel boots, loads every module and has what pods need" {
    boot debian --cpus 2
    grep -qx "probe: release $(told debian kernel)" "$WORK/debian.said"
    grep -qx "probe: cpus 2" "$WORK/debian.said"
    ! grep "module-failed" "$WORK/debian.said" || false
    has_features debian
}

@test "a kernel from elsewhere: a file and a folder of modules" {
    local version
    version=$(told debian kernel)
    mkdir -p "$WORK/elsewhere"
    cp "/boot/vmlinuz-$version" "$WORK/elsewhere/kernel"
    cp -r "/lib/modules/$version" "$WORK/elsewhere/$version"
    make_guest foreign --vmlinuz "$WORK/elsewhere/kernel" --modules "$WORK/elsewhere/$version"
    cmp "$WORK/debian/vmlinux" "$WORK/foreign/vmlinux"
    cmp "$WORK/debian/initramfs" "$WORK/foreign/initramfs"
}

@test "the small kernel boots without modules and has what pods need" {
    make_guest small --small
    [ "$(told small modules)" = 0 ]
    boot small --cpus 2
    grep -qx "probe: release $(told small kernel)" "$WORK/small.said"
    grep -qx "probe: cpus 2" "$WORK/small.said"
    has_features small
}

@test "a panic is told on the console and ends the machine" {
    boot debian --append "rdinit=/nothing root=/dev/nothing"
    grep -q "Kernel panic" "$WORK/debian.said"
}

@test "what cannot be made says why and leaves nothing" {
    run make_guest none --kernel 0.0.0-none
    [ "$status" -eq 1 ]
    [[ $output == *"0.0.0-none"* ]]
    [ ! -e "$WORK/none" ]
    run make_guest none --small --kernel 6.12
    [ "$status" -eq 2 ]
    head -c 4096 /dev/urandom >"$WORK/rubbish"
    mkdir -p "$WORK/modules/1.2.3" && : >"$WORK/modules/1.2.3/modules.dep"
    run make_guest none --vmlinuz "$WORK/rubbish" --modules "$WORK/modules/1.2.3"
    [ "$status" -eq 1 ]
    [[ $output == *"rubbish: neither a bzImage nor"* ]]
    [ ! -e "$WORK/none" ]
}
