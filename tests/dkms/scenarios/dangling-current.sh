# shellcheck shell=bash disable=SC2154
# certs-local is there but broken: that is an error. To fall back to the key of
# ksign.conf would sign with a key that this kernel was not meant to trust.
make_certs_local "$kernel" rsa
mkdir elsewhere
mv "$key_folder"/* elsewhere
rmdir "$key_folder"
set_ksign_conf key "$scratch/elsewhere/signing_prv.pem"
set_ksign_conf certificate "$scratch/elsewhere/signing_crt.crt"
add_sample
link_post_build ksign-sample
link_framework

dkms_build_refused 1 ksign-sample
expect_unsigned "$(built ksign-sample ksign_sample_one)"
expect_unsigned "$(built ksign-sample ksign_sample_two)"
expect_said "$said" certs-local/current

post_build=(/usr/libexec/ksign/post-build --dkms-tree /var/lib/dkms --module ksign-sample
    --module-version 1.0 -k "$kernel" --arch "$(uname -m)")
status=0
"${post_build[@]}" || status=$?
((status == 1)) || fail "a dangling link: post-build ended with $status"
expect_unsigned "$(built ksign-sample ksign_sample_one)"

# The folder is there again, but empty.
mkdir "$key_folder"
status=0
"${post_build[@]}" || status=$?
((status == 1)) || fail "an empty folder: post-build ended with $status"
expect_unsigned "$(built ksign-sample ksign_sample_one)"

# Half of what is needed.
cp elsewhere/signing_crt.crt "$key_folder"
status=0
"${post_build[@]}" || status=$?
((status == 1)) || fail "a certificate alone: post-build ended with $status"
expect_unsigned "$(built ksign-sample ksign_sample_one)"

# With the keys back in place the same call signs.
cp elsewhere/signing_prv.pem "$key_folder"
"${post_build[@]}" || fail "post-build ended with $?"
expect_signed_for "$kernel" "$(built ksign-sample ksign_sample_one)" "$(built ksign-sample ksign_sample_two)"
