# shellcheck shell=bash disable=SC2154
# Key and certificate that don't belong together: an error, and modules that are
# unsigned and whole.
make_certs_local "$kernel" rsa
mv "$key_folder/signing_prv.pem" other.pem
make_certs_local "$kernel" rsa
mv other.pem "$key_folder/signing_prv.pem"
rm "$key_folder/signing_key.pem"
add_sample
link_post_build ksign-sample
link_framework

dkms_build_refused 1 ksign-sample
one=$(built ksign-sample ksign_sample_one)
expect_unsigned "$one"
expect_unsigned "$(built ksign-sample ksign_sample_two)"
(($(times_said "$said" "ksign: ") >= 3)) || fail "ksign said too little"
expect_said "$said" "$key_folder"

before=$(sha256sum /var/lib/dkms/ksign-sample/1.0/"$kernel"/*/module/*)
status=0
/usr/libexec/ksign/post-build --dkms-tree /var/lib/dkms --module ksign-sample --module-version 1.0 \
    -k "$kernel" --arch "$(uname -m)" || status=$?
((status == 1)) || fail "post-build ended with $status"
sha256sum --check <<<"$before"
