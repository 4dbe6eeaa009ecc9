# shellcheck shell=bash disable=SC2154
# Two packages built at once, and one package for two kernels with keys of their
# own.
other=$kernel-other
# A second kernel's headers: links to the first one's, so that it can have a
# certs-local of its own. Modules are really built there, but name the first
# kernel's release in their vermagic; nothing here loads them.
mkdir -p "/lib/modules/$other/build"
find "$(readlink -f "/lib/modules/$kernel/build")" -mindepth 1 -maxdepth 1 -exec ln -s -t "/lib/modules/$other/build" {} +
make_certs_local "$kernel" rsa
make_certs_local "$other" rsa
! cmp -s "$(certificate_of "$kernel")" "$(certificate_of "$other")" || fail "both kernels have the same key"

for name in ksign-first ksign-second; do
    add_sample "$name"
    dkms_says added add -m "$name" -v 1.0
done
link_post_build ksign-first ksign-second

# The path of what DKMS says is that of dkms_build, in a shell of its own.
(dkms_build ksign-first) >first.log 2>&1 &
first=$!
(dkms_build ksign-second) >second.log 2>&1 &
second=$!
wait "$first" || { cat first.log && fail "the first build failed"; }
wait "$second" || { cat second.log && fail "the second build failed"; }
for name in ksign-first ksign-second; do
    expect_signed_for "$kernel" "$(built "$name" ksign_sample_one)" "$(built "$name" ksign_sample_two)"
done

# DKMS 3.0 builds one package in one folder, so for two kernels one after the
# other; one call does both.
dkms_says removed remove -m ksign-first -v 1.0 --all
add_sample ksign-first
dkms_says both build -m ksign-first -v 1.0 -k "$kernel" -k "$other" || fail "dkms build for two kernels ended with $?"
for release in "$kernel" "$other"; do
    expect_signed_for "$release" "$(built ksign-first ksign_sample_one "$release")" \
        "$(built ksign-first ksign_sample_two "$release")"
done
