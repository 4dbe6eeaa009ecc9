# shellcheck shell=bash disable=SC2154
# DKMS 2.8.4: POST_BUILD, and sign_tool, which newer ones have no more. It reads
# framework.conf alone.
use_dkms bullseye
[[ $dkms_version == 2.8* ]] || fail "this was to be DKMS 2.8"
make_certs_local "$kernel"
add_sample
link_post_build ksign-sample
dkms_build ksign-sample
expect_signed_for "$kernel" "$(built ksign-sample ksign_sample_one)" "$(built ksign-sample ksign_sample_two)"
expect_said "$said" ": signed"

dkms_says removed remove -m ksign-sample -v 1.0 --all
rm /etc/dkms/ksign-sample.conf
echo ". /etc/ksign/dkms-framework.conf" >/etc/dkms/framework.conf
dkms_build ksign-sample
expect_signed_for "$kernel" "$(built ksign-sample ksign_sample_one)" "$(built ksign-sample ksign_sample_two)"

# A sign_tool that fails ends the build; a kernel without keys need not.
dkms_says removed remove -m ksign-sample -v 1.0 --all
rm -r "/lib/modules/$kernel/build/certs-local/"
cp "$plain_module" module.ko
/usr/libexec/ksign/sign-tool "$kernel" module.ko 2>skipped || fail "missing-key = skip: sign-tool ended with $?"
[[ -s skipped ]] || fail "missing-key = skip: sign-tool said nothing"
cmp "$plain_module" module.ko
set_ksign_conf missing-key fail
status=0
dkms_says refused build -m ksign-sample -v 1.0 -k "$kernel" || status=$?
((status == 11)) || fail "missing-key = fail: dkms build ended with $status, not 11"
expect_said refused "ksign: "
expect_no_new_key
