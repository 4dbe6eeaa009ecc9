# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# What is left to do after installed modules were signed: nothing for depmod, and
# the initramfs if it holds older copies. (scenario audit has initramfs files of
# the real programs; here the program that rebuilds is made up, and says so.)
release=1.2.3-test
make_root root $release CONFIG_CRYPTO_ECDSA=y
make_certs_local "$build_folder" p384 sha256
modules=root/lib/modules/$release/updates
new_module $modules/packed.ko.xz xz
new_module $modules/free.ko
mkdir -p root/boot root/usr/sbin initramfs/usr/lib/modules/$release/updates
initramfs=root/boot/initrd.img-$release
# As initramfs-tools does: the module decompressed in there.
decompress $modules/packed.ko.xz >initramfs/usr/lib/modules/$release/updates/packed.ko
pack() {
    (cd initramfs && find . | cpio --quiet -o -H newc) | zstd -q >$initramfs
}
sign() { ksign sign -k $release --root root --force "$@"; }
depmod="depmod is not needed"

step "no initramfs: nothing is said of it"
expect_exit 0 sign packed
expect_in "$err" "$depmod"
[[ $(wc -l <"$err") == 1 ]] || fail "said: $(<"$err")"

step "what is not in it, and what is in it as it is installed"
pack
expect_exit 0 sign free
[[ $(wc -l <"$err") == 1 ]] || fail "said: $(<"$err")"
expect_exit 0 ksign sign -k $release --root root packed # signed already
[[ ! -s $err ]] || fail "said: $(<"$err")"

step "an older copy in it, and no program that is known"
expect_exit 0 sign packed free
expect_in "$err" "$PWD/$initramfs still holds the older packed: rebuild it with what made it"
expect_exit 1 sign --rebuild-initramfs packed
expect_in "$err" "$PWD/$initramfs: was made by no program that ksign knows" "hint: the modules are signed"
expect_exit 0 sign --dry-run packed
[[ ! -s $err ]] || fail "said: $(<"$err")"

step "the command of each program, in its root"
printf '#!/bin/sh\n' >root/usr/sbin/dracut
expect_exit 0 sign packed
expect_in "$err" "rebuild it with \`chroot $PWD/root dracut --force /boot/initrd.img-$release $release\`" "--rebuild-initramfs"
printf '#!/bin/sh\n' >root/usr/sbin/mkinitcpio
expect_exit 0 sign packed
expect_in "$err" "rebuild it with \`chroot $PWD/root mkinitcpio -P\`"
echo linux-test >root/lib/modules/$release/pkgbase
expect_exit 0 sign packed
expect_in "$err" "rebuild it with \`chroot $PWD/root mkinitcpio -p linux-test\`"
touch root/usr/sbin/update-initramfs
expect_exit 0 ksign sign --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.pem" $modules/packed.ko.xz
expect_in "$err" "rebuild it with \`chroot $PWD/root update-initramfs -u -k $release\`"

step "rebuilt, by a program that is none of a distribution's, but is run in the root"
command -v busybox >/dev/null || fail "busybox is not installed; Debian has it in busybox-static"
((EUID == 0)) || skip "only root may chroot"
cp "$(command -v busybox)" root/usr/sbin/busybox
printf '#!/usr/sbin/busybox sh\necho "rebuilt: $*"; : >/boot/initrd.img-%s\n' $release >root/usr/sbin/update-initramfs
chmod +x root/usr/sbin/update-initramfs
PATH=/usr/sbin:/usr/bin:$PATH expect_exit 0 sign --json --rebuild-initramfs packed
expect_in "$err" "rebuilding the initramfs: chroot" "rebuilt: -u -k $release"
expect_json 'd["modules"][0]["outcome"]' "signed again"
[[ ! -s $initramfs ]] || fail "it was not run"

step "modules that an earlier run signed count as well"
pack
expect_exit 0 sign packed
expect_in "$err" "still holds the older packed" "--rebuild-initramfs do it"
# The hint, followed: with nothing left to sign.
rebuild=(ksign sign -k "$release" --root root --rebuild-initramfs)
unchanged "${rebuild[@]}" --dry-run packed
expect_in "$out" "already signed"
expect_in "$err" "would hold the older packed: it would be rebuilt with \`chroot $PWD/root update-initramfs -u -k $release\`"
expect_exit 0 "${rebuild[@]}" packed
expect_in "$out" "already signed"
expect_in "$err" "rebuilt: -u -k $release"
expect_not_in "$err" "$depmod"
[[ ! -s $initramfs ]] || fail "it was not run"
# The note, too, where a module is newer than the initramfs.
pack
touch -d "1 minute ago" $initramfs
expect_exit 0 ksign sign -k $release --root root packed
expect_in "$err" "still holds the older packed"

step "a dry run of what is to be signed says what would be rebuilt"
new_module $modules/packed.ko.xz xz
unchanged "${rebuild[@]}" --dry-run packed free
expect_in "$err" "would hold the older packed: it would be rebuilt with"

step "up to date: it is not rebuilt, and that is said"
expect_exit 0 ksign sign -k $release --root root packed
decompress $modules/packed.ko.xz >initramfs/usr/lib/modules/$release/updates/packed.ko
pack
unchanged "${rebuild[@]}" packed free
expect_in "$err" "$initramfs holds no older copies of these modules, and is not rebuilt"

step "a module that is a link into DKMS's tree, as with its symlink_modules"
tree=root/var/lib/dkms/linked/1.0/$release/x86_64/module
new_module $tree/linked.ko
ln -s ../../../../var/lib/dkms/linked/1.0/$release/x86_64/module/linked.ko $modules/linked.ko
cp $tree/linked.ko initramfs/usr/lib/modules/$release/updates/linked.ko
pack
expect_exit 0 ksign sign -k $release --root root linked
expect_in "$err" "$initramfs still holds the older linked: rebuild it with"
expect_exit 0 "${rebuild[@]}" linked
expect_in "$err" "rebuilt: -u -k $release"
pack
# And a link from elsewhere to what is installed.
ln -s $modules/packed.ko.xz elsewhere.ko.xz
expect_exit 0 "${rebuild[@]}" ./elsewhere.ko.xz
expect_in "$err" "$initramfs holds no older copies of these modules, and is not rebuilt"

step "its failure, and an initramfs that can't be read"
pack
printf '#!/usr/sbin/busybox sh\nexit 3\n' >root/usr/sbin/update-initramfs
expect_exit 1 sign --rebuild-initramfs packed
expect_in "$err" "failed with exit code 3" "the modules are signed"
head -c 3000 $initramfs >short && cp short $initramfs
expect_exit 0 sign packed
expect_in "$err" "may hold older copies, and can't be read"
