# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# What messages say to run, where the system is below another root: there, not on
# this machine; and so that a shell takes it as it stands.
root="my root" release=6.12.1-test
make_root "$root" $release
make_certs_local "$build_folder" rsa2048 sha512

step "verify and audit: ksign's own command"
new_module m.ko
expect_exit 1 ksign verify --root "$root" -k $release --trust "$keys/rsa2048.pem" ./m.ko
expect_in "$out" "sign it with: ksign sign -k $release --root 'my root' ./m.ko"
new_module "with space.ko"
expect_exit 1 ksign verify --root "$root" -k $release --trust "$keys/rsa2048.pem" "./with space.ko"
expect_in "$out" "sign it with: ksign sign -k $release --root 'my root' './with space.ko'"
new_module "$modules_folder/updates/m.ko"
expect_exit 1 ksign audit --root "$root" -k $release --trust "$keys/rsa2048.pem" --json
expect_json 'd["troubled"][0]["remedy"]' "sign it with: ksign sign -k $release --root 'my root' 'my root/lib/modules/$release/updates/m.ko'"
# The remedy, taken at its word.
new_module "$modules_folder/updates/m.ko"
expect_exit 0 bash -c "$bin/$(json_value "$out" 'd["troubled"][0]["remedy"]' | sed 's/^sign it with: //')"
expect_signed "$modules_folder/updates/m.ko" rsa2048 sha512

step "sign: DKMS's commands"
mkdir -p "$root/var/lib/dkms"
refused "kernel $release" "DKMS has no modules installed for it" "\`chroot 'my root' dkms status\`" \
    ksign sign -k $release --root "$root"
install_dkms "$root" $release zfs zfs
rm "$modules_folder/updates/dkms/zfs.ko"
expect_exit 1 ksign sign -k $release --root "$root"
said zfs "it is not in " "chroot 'my root' dkms install --force it again"
# The others are signed all the same.
install_dkms "$root" $release other other
expect_exit 1 ksign sign -k $release --root "$root"
said zfs "it is not in " "chroot 'my root' dkms install --force it again"
expect_in "$out" "$modules_folder/updates/dkms/other.ko: signed ("
rm -r "$root/var/lib/dkms/other" "$modules_folder/updates/dkms/other.ko"

step "dkms status: both"
install_dkms "$root" $release zfs zfs
mkdir -p "$root/var/lib/dkms/zfs/1.0/source"
expect_exit 1 ksign dkms status --root "$root"
expect_in "$out" "DKMS does not call ksign for it: ksign dkms enable --root 'my root' zfs"
expect_in "$out" "1 module not signed: chroot 'my root' dkms build --force -m zfs -v 1.0 -k $release"
expect_exit 1 ksign dkms status --root "$root" --json
expect_json 'd["packages"][0]["problems"]' "[\"DKMS does not call ksign for it: ksign dkms enable --root 'my root' zfs\"]"
mkdir -p "$root/etc/dkms/framework.conf.d"
echo 'sign_tool="/x"' >"$root/etc/dkms/framework.conf"
expect_exit 1 ksign dkms status --root "$root"
expect_in "$out" "use sign_file (ksign dkms enable --root 'my root' --native)"

step "dkms enable: a name of which DKMS knows another form, as Debian's nvidia-current"
cp -a "$root" nvidia
mkdir -p nvidia/var/lib/dkms/nvidia-current/535.216.03/source nvidia/usr/src/{nvidia-current-535.216.03,evdi-1.0}
touch nvidia/usr/src/{nvidia-current-535.216.03,evdi-1.0}/dkms.conf
echo "POST_BUILD=../usr/libexec/ksign/post-build" >nvidia/etc/dkms/kernel-sign.conf
expect_exit 0 ksign dkms enable --root nvidia nvidia other evdi nvidia-current
expect_in "$err" "nvidia: DKMS does not know this package yet, but nvidia-current"
expect_in "$err" "other: DKMS does not know this package yet"
[[ $(wc -l <"$err") == 2 ]] || fail "said: $(<"$err")"

step "dkms status: a kernel that is gone"
cp -a "$root" gone
rm -r gone/lib/modules/$release/{kernel,build} gone/etc/dkms
mkdir -p gone/etc/dkms
echo ". /etc/dkms/kernel-sign.conf" >gone/etc/dkms/zfs.conf
echo "POST_BUILD=../usr/libexec/ksign/post-build" >gone/etc/dkms/kernel-sign.conf
expect_exit 0 ksign dkms status --root gone
expect_in "$out" "note: kernel $release is gone: chroot gone dkms unbuild -m zfs -v 1.0 -k $release"
expect_not_in "$out" problem
expect_exit 0 ksign dkms status --root gone --json
expect_json 'd["good"], d["packages"][0]["builds"][0]["gone"]' "(True, True)"

step "this machine's own: as before"
expect_exit 1 ksign verify --trust "$keys/rsa2048.pem" "with space.ko"
expect_in "$out" "sign it with: ksign sign --key KEY --certificate CERTIFICATE 'with space.ko'"
