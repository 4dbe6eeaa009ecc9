# shellcheck shell=bash disable=SC2154
# Native signing comes before compression. DKMS 3.0's `xz -f` writes CRC64, which
# no kernel reads: ksign as sign-file cannot mend that, as POST_BUILD it does.
make_certs_local "$kernel"
compressed_kernel "$kernel" xz
add_sample
link_framework

dkms_build ksign-sample
one=$(built ksign-sample ksign_sample_one)
expect_signed_for "$kernel" "$one" "$(built ksign-sample ksign_sample_two)"
[[ $(container_of "$one") == xz ]] || fail "DKMS did not compress"
check=$(xz --robot -l "$one" | awk '$1 == "file" { print $7 }')
echo "native alone: $check"

dkms_says removed remove -m ksign-sample -v 1.0 --all
link_post_build ksign-sample
dkms_build ksign-sample
for module in ksign_sample_one ksign_sample_two; do
    file=$(built ksign-sample "$module")
    expect_signed_for "$kernel" "$file"
    expect_loadable "$file" xz
    # Signed right already, so only the container is written anew.
    [[ $check == CRC32 ]] || expect_said "$said" "$file: repacked"
done
