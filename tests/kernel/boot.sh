# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with tests/kernel/run
#
# Boots a judge with an initramfs. Sourced by tests/kernel/run; needs kernels.sh, $work and fail.

# What every boot is given. The guest's lines in the kernel's log must not be rationed.
boot_options=(loglevel=7 panic=-1 printk.devkmsg=on module.sig_enforce=1)

# copy_tool NAME PROGRAM ROOT FOLDER [LOADER…]: kmod's modprobe, its libraries and their loader, for the initramfs.
copy_tool() {
    local program=$1 folder=$2 library
    shift 2
    mkdir -p "$folder"
    cp "$program" "$folder/modprobe"
    # ldd without a shell script: the loader itself lists what it would load.
    while read -r library; do
        cp -L "$library" "$folder/"
    done < <("$@" --list "$program" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p')
    cp -L "$1" "$folder/loader"
}

# prepare_guest: what all initramfs have in common, in $work/guest.
prepare_guest() {
    local loader=/lib64/ld-linux-x86-64.so.2 newer_libraries=$trixie/usr/lib/x86_64-linux-gnu
    mkdir -p "$work"/guest/{bin,cases,tools}
    cp /bin/busybox "$work/guest/bin/busybox"
    install -m 755 "$here/guest/init" "$work/guest/init"
    "${CC:-gcc}" -static -Os -s -o "$work/guest/bin/load_module" "$here/guest/load_module.c" || fail "no load_module"
    copy_tool "$(readlink -f "$(command -v modprobe)")" "$work/guest/tools/modprobe" "$loader"
    copy_tool "$trixie/usr/bin/kmod" "$work/guest/tools/newer-modprobe" \
        "$newer_libraries/ld-linux-x86-64.so.2" --library-path "$newer_libraries"
}

# make_initramfs FOLDER FILE: FOLDER is what comes to lie in /cases. Uncompressed: no kernel needs to unpack it.
make_initramfs() {
    {
        (cd "$work/guest" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet)
        (cd "$1/.." && find cases | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet)
    } >"$2"
}

qemu() {
    local seconds=$1 log=$2
    shift 2
    # Never kvm: not every machine that has /dev/kvm can use it.
    timeout -k 5 "$seconds" qemu-system-x86_64 -accel tcg -cpu max -display none -nodefaults -no-user-config -no-reboot \
        -serial "file:$log" "$@" >"$log.qemu" 2>&1 </dev/null || { cat "$log.qemu" && return 1; }
}

# boot LABEL INITRAMFS LOG
boot() {
    local label=$1 initramfs=$2 log=$3 build folder
    build=$(build_folder "$label")
    rm -f "$log"
    case $label in
        6.1)
            qemu 240 "$log" -M pc -m 512 -kernel "$build/image" -initrd "$initramfs" \
                -append "console=ttyS0 ${boot_options[*]}"
            ;;
        6.12)
            cp "$build/firmware.fd" "$log.firmware"
            qemu 300 "$log" -M q35 -m 1024 -kernel "$build/image" -initrd "$initramfs" \
                -drive "if=pflash,format=raw,unit=0,readonly=on,file=$(unpacked stock-6.12)/usr/share/OVMF/OVMF_CODE_4M.fd" \
                -drive "if=pflash,format=raw,unit=1,file=$log.firmware" \
                -append "console=ttyS0 ${boot_options[*]}"
            ;;
        7.3*)
            folder=$(mktemp -d -p "$work")
            TMPDIR=$folder timeout -k 5 120 "$build/image" mem=512M uml_dir="$folder" con=null con0=null,fd:1 con1=null \
                initrd="$initramfs" "${boot_options[@]}" >"$log" 2>&1 </dev/null
            ;;
    esac
}
