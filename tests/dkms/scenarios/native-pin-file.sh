# shellcheck shell=bash disable=SC2154
# An encrypted key. DKMS 3.0.9 and newer pass no KBUILD_SIGN_PIN on, so the
# passphrase comes from the pin-file of ksign.conf.
make_certs_local "$kernel" "" "a pass phrase"
add_sample
link_framework

# Without it, or with a wrong one: an error, no prompt that nobody sees, an
# untouched module. Called as DKMS does.
export kernelver=$kernel
sign() {
    cp "$plain_module" module.ko
    status=0
    timeout 60 /usr/libexec/ksign/sign-file sha512 pkcs11:ksign /usr/libexec/ksign/sign-file module.ko 2>said.sign || status=$?
    cat said.sign
    ((status == 1)) || fail "$1: sign-file ended with $status"
    [[ -s said.sign ]] || fail "$1: sign-file said nothing"
    cmp "$plain_module" module.ko
}
sign "no pin-file"
(umask 077 && echo "a wrong one" >/etc/ksign/pin)
set_ksign_conf pin-file /etc/ksign/pin
sign "a wrong pin-file"
expect_not_said said.sign "a wrong one"
rm /etc/ksign/pin
sign "a missing pin-file"
expect_said said.sign /etc/ksign/pin
unset kernelver

(umask 077 && echo "a pass phrase" >/etc/ksign/pin)
dkms_build ksign-sample
expect_signed_for "$kernel" "$(built ksign-sample ksign_sample_one)" "$(built ksign-sample ksign_sample_two)"
expect_not_said "$said" "a pass phrase"
