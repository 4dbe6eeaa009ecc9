# shellcheck shell=bash disable=SC2154
# DKMS 3.2: what POST_BUILD says goes to make.log, and its status counts.
use_dkms trixie
play_post_build_of_newer_dkms 23
play_native_of_newer_dkms

echo "-- both, without keys, which ksign.conf calls an error"
rm -r "/lib/modules/$kernel/build/certs-local/"
link_post_build ksign-sample
set_ksign_conf missing-key fail
status=0
dkms_says said build -m ksign-sample -v 1.0 -k "$kernel" || status=$?
((status == 1)) || fail "missing-key = fail: dkms build ended with $status"
expect_unsigned "$(built ksign-sample ksign_sample_one)"
expect_said said "Failed to sign module"
expect_said said "ksign: "
expect_no_new_key
