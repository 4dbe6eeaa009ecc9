# shellcheck shell=bash disable=SC2154
# DKMS 3.0: what POST_BUILD and sign-file say is shown, and what they end with is
# ignored.
use_dkms bookworm
[[ $dkms_version == 3.0.* ]] || fail "this was to be DKMS 3.0"
make_certs_local "$kernel"
add_sample
own_post_build ksign-sample own-script.sh <<END
#!/bin/bash
echo ran >>"$scratch/own-script"
exit 23
END
link_post_build ksign-sample

echo "-- POST_BUILD, ending with 23"
dkms_says said.post-build build -m ksign-sample -v 1.0 -k "$kernel" || fail "dkms build ended with $?"
[[ $(wc -l <own-script) == 1 ]] || fail "the package's own POST_BUILD ran $(wc -l <own-script) times"
log=$(find /var/lib/dkms/ksign-sample/1.0 -name make.log)
for module in ksign_sample_one ksign_sample_two; do
    file=$(built ksign-sample "$module")
    expect_signed_for "$kernel" "$file"
    expect_said said.post-build "$file: signed"
    expect_not_said "$log" "$file: signed"
done
expect_said said.post-build "own-script.sh: the package's own POST_BUILD failed with exit code 23"

echo "-- both, without keys, which ksign.conf calls an error"
dkms_says removed remove -m ksign-sample -v 1.0 --all
rm -f /var/lib/dkms/mok.*
rm -r "/lib/modules/$kernel/build/certs-local/"
link_framework
set_ksign_conf missing-key fail
dkms_says said.unsigned build -m ksign-sample -v 1.0 -k "$kernel" || fail "missing-key = fail: dkms build ended with $?"
for module in ksign_sample_one ksign_sample_two; do
    expect_unsigned "$(built ksign-sample "$module")"
done
# sign-file for each module, and post-build, which runs the package's own all the same.
times=$(times_said said.unsigned "ksign: kernel $kernel: has no signing key")
((times == 3)) || fail "ksign said $times times that there is no key"
[[ $(wc -l <own-script) == 2 ]] || fail "the package's own POST_BUILD did not run"
expect_no_new_key
