# shellcheck shell=bash disable=SC2154
# ksign in place of sign-file.
make_certs_local "$kernel"
add_sample
link_framework

dkms_build ksign-sample
one=$(built ksign-sample ksign_sample_one)
two=$(built ksign-sample ksign_sample_two)
expect_signed_for "$kernel" "$one" "$two"
expect_debug_information no "$one"
expect_debug_information yes "$two"
# A signer says nothing when it succeeds.
expect_not_said "$said" ksign:
expect_not_said "$said" ": signed"
[[ ! -e /var/lib/dkms/mok.key && ! -e /var/lib/dkms/mok.pub ]] || fail "DKMS made a key"
