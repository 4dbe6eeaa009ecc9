# shellcheck shell=bash disable=SC2154
# Two runs of post-build on the same modules: each ends well and every module is
# whole and signed once.
make_certs_local "$kernel" rsa
add_sample
link_post_build ksign-sample
dkms_build ksign-sample
post_build=(/usr/libexec/ksign/post-build --dkms-tree /var/lib/dkms --module ksign-sample
    --module-version 1.0 -k "$kernel" --arch "$(uname -m)")
# DKMS leaves more there than modules: newer ones Module.symvers.
list() { find "/var/lib/dkms/ksign-sample/1.0/$kernel" -type f -path '*/module/*' | sort; }
list >before
for ((round = 0; round < 5; round++)); do
    for module in ksign_sample_one ksign_sample_two; do
        file=$(built ksign-sample "$module")
        cp "$plain_module" "$file"
    done
    "${post_build[@]}" >first 2>&1 &
    first=$!
    "${post_build[@]}" >second 2>&1 &
    second=$!
    wait "$first" || { cat first && fail "the first post-build ended with an error"; }
    wait "$second" || { cat second && fail "the second post-build ended with an error"; }
    expect_signed_for "$kernel" "$(built ksign-sample ksign_sample_one)" "$(built ksign-sample ksign_sample_two)"
    list | diff before - || fail "other files than before in the folder of modules"
done
