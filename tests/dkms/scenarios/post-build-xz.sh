# shellcheck shell=bash disable=SC2154
# The kernel's tree holds .ko.xz, so DKMS compresses what it builds, before
# POST_BUILD.
make_certs_local "$kernel"
compressed_kernel "$kernel" xz
add_sample
link_post_build ksign-sample

dkms_build ksign-sample
for module in ksign_sample_one ksign_sample_two; do
    file=$(built ksign-sample "$module")
    [[ $file == *.ko.xz ]] || fail "DKMS did not compress: $file"
    expect_said_signed "$file"
    expect_signed_for "$kernel" "$file"
    expect_loadable "$file" xz
done
expect_debug_information no "$(built ksign-sample ksign_sample_one)"
expect_debug_information yes "$(built ksign-sample ksign_sample_two)"
