# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Files and folders that can't be read or written, by somebody who is not root.
use_nobody
"${as_nobody[@]}" "$bin/ksign" --version
cp "$keys/rsa2048.key" "$keys/rsa2048.der" .
chown 65534:65534 rsa2048.key
signing=("${as_nobody[@]}" "$bin/ksign" sign --key rsa2048.key --certificate rsa2048.der)
chown 65534:65534 .
new_module case/m.ko

step "a folder that can't be written"
chown 65534:65534 case/m.ko
refused case/m.ko "create a file in its folder: Permission denied" "run as a user who may write to" "${signing[@]}" case/m.ko

step "a module that can't be read; a folder that can't"
chown 65534:65534 case
chown 0:0 case/m.ko
chmod 600 case/m.ko
refused case/m.ko "open: Permission denied" "" "${signing[@]}" case/m.ko
chmod 644 case/m.ko
mkdir -m 700 case/closed
refused case/closed "Permission denied" "" "${signing[@]}" case/closed

cp case/m.ko case/readable.ko
chown 65534:65534 case/readable.ko
expect_exit 1 "${signing[@]}" case/readable.ko case
expect_in "$err" "ksign: case/closed: read the folder: Permission denied"
expect_in "$out" "case/readable.ko: already signed ("

step "an owner that can't be kept: left alone rather than given away"
refused case/m.ko "keep its owner: Operation not permitted" "keep the file's owner" "${signing[@]}" case/m.ko

step "a key that can't be read"
chown 0:0 rsa2048.key
expect_exit 1 "${signing[@]}" case/m.ko
said rsa2048.key "Permission denied" ""
chown 65534:65534 rsa2048.key

step "an /etc/ksign that can't be entered: what ksign.conf says there is not known"
mkdir -p root/etc/ksign
: >root/etc/ksign/ksign.conf
chmod 700 root/etc/ksign
refused root/etc/ksign/ksign.conf "look for it: Permission denied" "--config /dev/null" \
    "${as_nobody[@]}" "$bin/ksign" show --root root case/m.ko
expect_exit 0 "${as_nobody[@]}" "$bin/ksign" show --root root --config /dev/null case/m.ko

step "what may be done is done"
chown 65534:65534 case/m.ko
expect_exit 0 "${signing[@]}" case/m.ko
expect_signed case/m.ko rsa2048 sha512

step "a file system without room, one that is read-only, a file that is immutable"
if ! unshare --mount --propagation private true 2>/dev/null; then
    skip "no mount namespace can be made here, so full and read-only file systems were not tried"
fi
cat >in-namespace.sh <<'END'
set -euo pipefail
. "$tool_tests/environment.sh"
signing=(--key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der")
mkdir full
# Room for the module, not for a second one.
mount -t tmpfs -o size=200k ksign-test full
new_module full/m.ko
refused full/m.ko "No space left on device" "make room on the file system" ksign sign "${signing[@]}" full/m.ko
refused full/m.ko "No space left on device" "make room on the file system" \
    sign-file sha512 "$keys/rsa2048.key" "$keys/rsa2048.der" full/m.ko
mount -o remount,ro full
refused full/m.ko "Read-only file system" "mounted read-only" ksign sign "${signing[@]}" full/m.ko
umount full
END
export bin keys samples scratch tool_tests
unshare --mount --propagation private bash in-namespace.sh || fail "see above"

new_module case/m.ko
if chattr +i case/m.ko 2>/dev/null; then
    trap 'chattr -i case/m.ko' EXIT
    refused case/m.ko "Operation not permitted" "chattr -i" ksign sign --key rsa2048.key --certificate rsa2048.der case/m.ko
    chattr -i case/m.ko
    trap 'chattr -i case' EXIT
    chattr +i case
    refused case/m.ko "Operation not permitted" "its folder is immutable or append-only: chattr -i -a " \
        ksign sign --key rsa2048.key --certificate rsa2048.der case/m.ko
    chattr -i case
fi
