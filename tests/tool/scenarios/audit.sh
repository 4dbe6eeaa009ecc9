# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# ksign audit of a kernel of Debian below a root of its own, with an initramfs by
# the real initramfs-tools and by the real dracut. These are installed into an
# overlay over this machine's system, in a mount namespace that ends with the
# scenario: nothing of the machine is touched.
command -v apt-get >/dev/null || skip "the tools are Debian's packages, and there is no apt-get"
((EUID == 0)) || skip "only root can mount an overlay"

debian_kernel
release=$(basename "$package_modules")
root=$scratch/root
modules=$root/lib/modules/$release

step "a kernel with a part of its modules"
mkdir -p "$modules" "$root/boot" "$root/etc"
cp "$package_image" "$root/boot/vmlinuz-$release"
cp "$package_config" "$root/boot/config-$release"
cp "$package_modules"/modules.{builtin,builtin.modinfo,order} "$modules/"
# As the package has them: plain up to Debian 12, .ko.xz since.
ko=ko
[[ ! -e $package_modules/kernel/drivers/block/loop.ko.xz ]] || ko=ko.xz
for part in fs/ext4 fs/jbd2 fs/fat fs/mbcache.$ko drivers/block/loop.$ko drivers/block/virtio_blk.$ko drivers/virtio \
    lib/crc16.$ko drivers/net/dummy.$ko crypto/crc32c_generic.$ko fs/nls drivers/char/nvram.$ko; do
    mkdir -p "$modules/kernel/$(dirname "$part")"
    cp -r "$package_modules/kernel/$part" "$modules/kernel/$part"
done
depmod -b "$root" "$release"
count=$(find "$modules" -name "*.$ko" | wc -l)
((count >= 20)) || fail "only $count modules"

audit() {
    expect_exit "$1" ksign audit --root "$root" -k "$release" "${@:2}"
}

step "safe: all of them are Debian's"
audit 0
expect_in "$out" "kernel $release: $count modules, $count load"
expect_in "$out" "  $count signed by "
expect_in "$out" "It is safe to boot $release with module.sig_enforce=1: all $count installed modules load; no initramfs was found."
audit 0 --json
expect_json 'd["schema"], d["safe"], d["modules"], d["verdicts"], d["troubled"]' "(1, True, $count, {'loads': $count}, [])"
expect_json 'sum(d["signers"].values()), d["initramfs"]["path"], "running" in d' "($count, '', False)"

step "without a configuration: judged by the image alone, which is said"
mv "$root/boot/config-$release" .
audit 0
expect_in "$err" "no configuration of kernel $release was found, so it is taken to know every hash and type of key (--kernel-config"
mv "config-$release" "$root/boot/"
audit 0
expect_not_in "$err" "no configuration"

step "not safe: an unsigned one, one by a stranger, one that is damaged"
cp -r "$modules" "$scratch/good"
new_module "$modules/updates/unsigned.ko"
new_module "$modules/updates/stranger.ko"
silently sign-file sha256 "$keys/stranger.key" "$keys/stranger.der" "$modules/updates/stranger.ko"
dummy=$modules/kernel/drivers/net/dummy.$ko
container=$(container_of "$dummy")
decompress "$dummy" >dummy.ko
printf '\x01' | dd of=dummy.ko bs=1 seek=3000 conv=notrunc status=none
compress "$container" <dummy.ko >"$dummy"
audit 1
expect_in "$out" "$((count + 2)) modules, $((count - 1)) load, 3 refused"
expect_in "$out" "  1 signed by nobody that they name"
expect_in "$out" "  $modules/updates/unsigned.ko: refused with EKEYREJECTED"
expect_in "$out" "  $modules/updates/stranger.ko: refused with EKEYREJECTED (modprobe: Key was rejected by service): signed by ksign test key stranger (serial "
expect_in "$out" "  $dummy: refused with EKEYREJECTED"
[[ $(tail -n 1 "$out") == "It is not safe to boot $release with module.sig_enforce=1: 3 installed modules would be refused." ]] ||
    fail "its last line: $(tail -n 1 "$out")"
audit 1 --json --trust "$keys/stranger.pem"
expect_json '[m["path"].split("/")[-1] for m in d["troubled"]]' "['dummy.$ko', 'unsigned.ko']"
rm -rf "$modules/updates"
cp "$scratch/good/kernel/drivers/net/dummy.$ko" "$dummy"
audit 0

step "the kernel's own key, which its image does not know: signing with it is no remedy"
make_certs_local "$modules/build" stranger
new_module "$modules/updates/stranger.ko"
silently sign-file sha256 "$keys/stranger.key" "$keys/stranger.der" "$modules/updates/stranger.ko"
audit 1
expect_in "$out" "this kernel does not trust its own key (certs-local of kernel $release), so signing with that does not help"
audit 1 --trust "$keys/rsa2048.pem"
expect_in "$out" "so signing with that does not help"
rm -rf "$modules/updates" "$modules/build"
audit 0

step "an overlay with initramfs-tools and dracut"
cat >"$scratch/make-initramfs" <<'END'
#!/bin/bash
# make-initramfs SCRATCH RELEASE OUTPUT: initrd.img and initramfs.img in OUTPUT; in a mount namespace of its own.
set -euo pipefail
scratch=$1 release=$2 output=$3
mount --make-rprivate /
mkdir -p "$scratch/overlay"
mount -t tmpfs tmpfs "$scratch/overlay"
mkdir "$scratch/overlay"/{upper,work,system}
mount -t overlay -o "lowerdir=/,upperdir=$scratch/overlay/upper,workdir=$scratch/overlay/work" overlay "$scratch/overlay/system"
system=$scratch/overlay/system
for folder in dev proc sys; do mount --rbind "/$folder" "$system/$folder"; done
mount -t tmpfs tmpfs "$system/tmp"
mkdir -p "$system/tmp/modules" "$system/lib/modules/$release" "$system/tmp/output"
mount --bind "$scratch/root/lib/modules/$release" "$system/lib/modules/$release"
mount --bind "$output" "$system/tmp/output"
if [[ ! -x $system/usr/sbin/mkinitramfs || ! -x $system/usr/bin/dracut ]]; then
    # No daemon is started and no trigger makes an initramfs by itself.
    printf '#!/bin/sh\nexit 101\n' >"$system/usr/sbin/policy-rc.d"
    chmod +x "$system/usr/sbin/policy-rc.d"
    DEBIAN_FRONTEND=noninteractive chroot "$system" apt-get -qq -o APT::Sandbox::User=root install -y \
        --no-install-recommends initramfs-tools-core dracut-core
fi
cp "$scratch/root/boot/config-$release" "$system/boot/"
# Early microcode, as intel-microcode has it put in front: an archive that is not compressed.
mkdir -p "$system/lib/firmware/intel-ucode" "$system/lib/firmware/amd-ucode" "$system/etc/initramfs-tools/hooks"
head -c 5000 /dev/urandom >"$system/lib/firmware/intel-ucode/06-55-04"
cat >"$system/etc/initramfs-tools/hooks/early" <<'HOOK'
#!/bin/sh
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
mkdir -p /tmp/early/kernel/x86/microcode
cp /lib/firmware/intel-ucode/06-55-04 /tmp/early/kernel/x86/microcode/GenuineIntel.bin
(cd /tmp/early && find . | cpio -o -H newc >/tmp/early.cpio 2>/dev/null)
prepend_earlyinitramfs /tmp/early.cpio
HOOK
chmod +x "$system/etc/initramfs-tools/hooks/early"
mkdir -p "$system/etc/initramfs-tools/conf.d" "$system/etc/initramfs-tools/scripts"
printf 'MODULES=list\nBUSYBOX=n\nCOMPRESS=zstd\nDEVICE=\nNFSROOT=auto\nRUNSIZE=10%%\nFSTYPE=auto\n' >"$system/etc/initramfs-tools/initramfs.conf"
printf 'loop\next4\nvirtio_blk\ndummy\n' >"$system/etc/initramfs-tools/modules"
chroot "$system" mkinitramfs -o /tmp/output/initrd.img "$release"
chroot "$system" dracut --force --no-hostonly --early-microcode --kver "$release" --gzip -m "kernel-modules" \
    --force-drivers "loop ext4 virtio_blk dummy" --no-hostonly-cmdline /tmp/output/initramfs.img "$release"
END
chmod +x "$scratch/make-initramfs"
make_initramfs() {
    rm -rf "$scratch/output" && mkdir "$scratch/output"
    # Nothing of a mount namespace outlives its processes.
    unshare -m "$scratch/make-initramfs" "$scratch" "$release" "$scratch/output" >"$scratch/make.log" 2>&1 ||
        fail "no initramfs was made: $(tail -n 5 "$scratch/make.log")"
}
# The state of the machine's own folders, before and after.
machine() {
    # A bare system lacks some of them.
    { find /boot /etc /lib/modules /usr/sbin /lib/firmware -printf '%p %i %s %T@\n' 2>/dev/null || true; } | sort
}
machine >"$scratch/machine.before"

# The initramfs is made with a loop module by a stranger and a dummy that is Debian's own.
loop=$modules/kernel/drivers/block/loop.$ko
expect_exit 0 ksign sign --hash sha256 --key "$keys/stranger.key" --certificate "$keys/stranger.der" "$loop"
make_initramfs
machine | cmp - "$scratch/machine.before" || fail "the machine was changed"

for tool in initrd.img initramfs.img; do
    file=$scratch/output/$tool
    [[ $(head -c 6 "$file") == 070701 ]] || fail "$tool does not begin with an early archive"
    step "$tool: as installed, but loop is by a stranger"
    audit 1 --json --initramfs "$file"
    packed=$(json_value "$out" 'd["initramfs"]["modules"]')
    ((packed >= 4)) || fail "only $packed modules in $tool"
    expect_json '[(m["path"].split("/")[-1], m["differs"], m["verdict"]) for m in d["initramfs"]["stale"]]' \
        "[('loop.$ko', False, 'refused')]"
    # As ukify and mkosi put it into a unified kernel image, filled up with zero bytes, and once more after that.
    for zeros in 1 2 3 4 512; do
        { cat "$file" && head -c "$zeros" /dev/zero; } >padded
        audit 1 --json --initramfs padded
        expect_json 'd["initramfs"]["modules"], d["initramfs"]["problem"]' "($packed, '')"
    done
    cp "$file" padded && truncate -s %4 padded && cat padded padded >twice
    audit 1 --json --initramfs twice
    expect_json 'd["initramfs"]["modules"], d["initramfs"]["problem"]' "($((2 * packed)), '')"
    figure "$tool: $(stat -c %s "$file") bytes, $packed modules"

    step "$tool: loop is installed anew, signed right: the one in the initramfs is stale, and refused"
    cp "$scratch/good/kernel/drivers/block/loop.$ko" "$loop"
    audit 1 --initramfs "$file"
    expect_in "$out" "kernel $release: $count modules, $count load"
    expect_in "$out" "/kernel/drivers/block/loop.$ko: differs from $loop; refused with EKEYREJECTED"
    [[ $(tail -n 1 "$out") == "It is not safe to boot $release with module.sig_enforce=1: one module in the initramfs would be refused." ]] ||
        fail "its last line: $(tail -n 1 "$out")"
    # By the name under which it is looked for.
    cp "$file" "$root/boot/initrd.img-$release"
    audit 1
    expect_in "$out" "initramfs $root/boot/initrd.img-$release: $packed modules, 1 of them stale or refused"
    # What is in there can't be signed there.
    expect_not_in "$out" "ksign sign"
    expect_in "$out" "; make the initramfs anew with what made it"
    mkdir -p "$root/usr/sbin" && touch "$root/usr/sbin/update-initramfs"
    audit 1 --json
    expect_json 'd["initramfs"]["stale"][0]["remedy"]' \
        "make the initramfs anew with: chroot $root update-initramfs -u -k $release"
    rm "$root/usr/sbin/update-initramfs"

    step "$tool: it is trusted, and differs all the same"
    audit 0 --initramfs "$file" --trust "$keys/stranger.pem"
    expect_in "$out" "/kernel/drivers/block/loop.$ko: differs from $loop; loads (ksign test key stranger"

    step "$tool: with a module after it that does not decode, and one that is not signed"
    mkdir -p "packed/lib/modules/$release/updates"
    new_module "packed/lib/modules/$release/updates/z.ko"
    xz -c --check=crc32 "packed/lib/modules/$release/updates/z.ko" >"packed/lib/modules/$release/updates/a.ko.xz"
    truncate -s 300 "packed/lib/modules/$release/updates/a.ko.xz"
    cp "$file" with-more && truncate -s %4 with-more
    (cd packed && find . | sort | cpio -o -H newc 2>/dev/null) | zstd -q >>with-more
    audit 1 --initramfs with-more
    expect_in "$out" "initramfs with-more: $((packed + 2)) modules, 3 of them stale or refused"
    expect_in "$out" "/updates/a.ko.xz: is not installed; refused with EINVAL (modprobe: Invalid argument): xz: the data ends too early"
    expect_in "$out" "/updates/z.ko: is not installed; refused with EKEYREJECTED"

    step "$tool: cut short"
    head -c $(($(stat -c %s "$file") * 3 / 4)) "$file" >short
    audit 1 --initramfs short
    expect_in "$out" "the initramfs can't be read"
    rm "$root/boot/initrd.img-$release"
    cp "$loop" "$scratch/debian-loop.$ko"
    expect_exit 0 ksign sign --hash sha256 --key "$keys/stranger.key" --certificate "$keys/stranger.der" "$loop"
done

step "made anew, it is safe"
cp "$scratch/debian-loop.$ko" "$loop"
make_initramfs
for tool in initrd.img initramfs.img; do
    audit 0 --initramfs "$scratch/output/$tool"
    expect_in "$out" "0 of them stale or refused"
done
usage_error "audit takes no PATH" ksign audit --root "$root" -k "$release" "$loop"
