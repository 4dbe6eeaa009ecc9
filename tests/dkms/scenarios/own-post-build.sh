# shellcheck shell=bash disable=SC2154
# The package has a POST_BUILD of its own: it runs after signing, where and with
# what DKMS would have given it, and its exit status is that of ours.
make_certs_local "$kernel"
add_sample
own_post_build ksign-sample "own-script.sh --flag two" <<'END'
#!/bin/bash
{
    echo "directory $PWD"
    echo "arguments $# $*"
    echo "kernelver $kernelver"
    for module in "../$kernelver"/*/module/*.ko*; do
        echo "signer $(modinfo -F sig_key "$module")"
    done
} >/tmp-of-scenario/own-script
exit "$(cat /tmp-of-scenario/status)"
END
sed -i "s|/tmp-of-scenario|$scratch|" /usr/src/ksign-sample-1.0/own-script.sh
echo 0 >status
link_post_build ksign-sample

dkms_build ksign-sample
[[ -f own-script ]] || fail "the package's own POST_BUILD did not run"
cat own-script
grep -qx "directory /var/lib/dkms/ksign-sample/1.0/build" own-script || fail "it ran in another folder"
grep -qx "arguments 2 --flag two" own-script || fail "it got other arguments"
grep -qx "kernelver $kernel" own-script || fail "it got another kernelver"
serial=$(openssl x509 -inform DER -in "$(certificate_of "$kernel")" -noout -serial)
[[ $(sed 's/^signer /serial=/; s/://g' own-script | grep -cx "$serial") == 2 ]] ||
    fail "it ran before the modules were signed"
expect_signed_for "$kernel" "$(built ksign-sample ksign_sample_one)" "$(built ksign-sample ksign_sample_two)"

# Its exit status reaches DKMS. DKMS 3.0 ignores it, so we call as it does, too.
echo 23 >status
dkms_says removed remove -m ksign-sample -v 1.0 --all
dkms_build_refused 23 ksign-sample
expect_said "$said" "own-script.sh: the package's own POST_BUILD failed with exit code 23"
expect_signed_for "$kernel" "$(built ksign-sample ksign_sample_one)" "$(built ksign-sample ksign_sample_two)"
mkdir -p /var/lib/dkms/ksign-sample/1.0/build
cp /usr/src/ksign-sample-1.0/own-script.sh /var/lib/dkms/ksign-sample/1.0/build
cd /var/lib/dkms/ksign-sample/1.0/build || fail "no such folder"
status=0
/usr/libexec/ksign/post-build --dkms-tree /var/lib/dkms --module ksign-sample --module-version 1.0 \
    -k "$kernel" --arch "$(uname -m)" -- own-script.sh || status=$?
((status == 23)) || fail "post-build ended with $status, not with its script's 23"
