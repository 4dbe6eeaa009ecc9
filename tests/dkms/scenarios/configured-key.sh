# shellcheck shell=bash disable=SC2154
# A kernel without keys of its own is served by the key of ksign.conf, a MOK for
# instance.
make_certs_local "$kernel" rsa
mkdir -p /var/lib/shim-signed/mok
mv "$key_folder/signing_prv.pem" /var/lib/shim-signed/mok/MOK.priv
mv "$key_folder/signing_crt.crt" /var/lib/shim-signed/mok/MOK.der
rm -r "/lib/modules/$kernel/build/certs-local/"
set_ksign_conf key /var/lib/shim-signed/mok/MOK.priv
set_ksign_conf certificate /var/lib/shim-signed/mok/MOK.der
add_sample
link_post_build ksign-sample
link_framework

dkms_build ksign-sample
for module in ksign_sample_one ksign_sample_two; do
    expect_signed "$(built ksign-sample "$module")" /var/lib/shim-signed/mok/MOK.der "$(kernel_hash "$kernel")"
done
[[ ! -e /var/lib/dkms/mok.key ]] || fail "DKMS made a key"
