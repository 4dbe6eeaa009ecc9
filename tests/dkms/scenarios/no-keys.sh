# shellcheck shell=bash disable=SC2154
# A kernel without keys: DKMS builds, ksign says what to do, and the modules stay
# unsigned. Nothing makes a key.
add_sample
link_post_build ksign-sample
link_framework

dkms_build ksign-sample
for module in ksign_sample_one ksign_sample_two; do
    expect_unsigned "$(built ksign-sample "$module")"
done
expect_no_new_key
# Both ways had their say: sign-file for each module, and post-build.
(($(times_said "$said" "ksign: ") >= 3)) || fail "ksign said too little"
(($(times_said "$said" "  hint: ") >= 1)) || fail "ksign did not say what to do"
expect_said "$said" "$kernel"

# By default that is no error of post-build; it can be made one.
post_build=(/usr/libexec/ksign/post-build --dkms-tree /var/lib/dkms --module ksign-sample
    --module-version 1.0 -k "$kernel" --arch "$(uname -m)")
"${post_build[@]}" 2>skipped || fail "missing-key = skip: post-build ended with $?"
[[ -s skipped ]] || fail "missing-key = skip: post-build said nothing"
set_ksign_conf missing-key fail
status=0
"${post_build[@]}" 2>failed || status=$?
((status == 1)) || fail "missing-key = fail: post-build ended with $status"
[[ -s failed ]] || fail "missing-key = fail: post-build said nothing"
expect_unsigned "$(built ksign-sample ksign_sample_one)"
expect_no_new_key
