# shellcheck shell=bash disable=SC2154
# An EC key for a kernel that can check its signatures. Where the headers are of
# one that cannot, they are made to say otherwise: nothing here loads a module.
config=/lib/modules/$kernel/build/.config
grep -q '^CONFIG_CRYPTO_ECDSA=[ym]' "$config" || echo CONFIG_CRYPTO_ECDSA=y >>"$config"
make_certs_local "$kernel" ec
add_sample
link_post_build ksign-sample

dkms_build ksign-sample
expect_signed_for "$kernel" "$(built ksign-sample ksign_sample_one)" "$(built ksign-sample ksign_sample_two)"
