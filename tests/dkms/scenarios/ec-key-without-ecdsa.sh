# shellcheck shell=bash disable=SC2154
# An EC key, and a kernel that cannot check its signatures (Debian 12's 6.1 has no
# CONFIG_CRYPTO_ECDSA): modules signed so would be refused, so nothing is signed.
sed -i '/CONFIG_CRYPTO_ECDSA[ =]/d' "/lib/modules/$kernel/build/.config"
make_certs_local "$kernel" ec
add_sample
link_post_build ksign-sample
link_framework

dkms_build_refused 1 ksign-sample
expect_unsigned "$(built ksign-sample ksign_sample_one)"
expect_unsigned "$(built ksign-sample ksign_sample_two)"
expect_said "$said" CRYPTO_ECDSA

before=$(sha256sum /var/lib/dkms/ksign-sample/1.0/"$kernel"/*/module/*)
status=0
/usr/libexec/ksign/post-build --dkms-tree /var/lib/dkms --module ksign-sample --module-version 1.0 \
    -k "$kernel" --arch "$(uname -m)" || status=$?
((status == 1)) || fail "post-build ended with $status"
sha256sum --check <<<"$before"
