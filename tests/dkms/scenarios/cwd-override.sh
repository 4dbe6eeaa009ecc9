# shellcheck shell=bash disable=SC2154
# DKMS 3.4 looks for POST_BUILD in /etc/dkms/<module>/ first, which our path with
# its many ../ matches by accident, and then runs it there. Debian has no such
# DKMS yet, so this is a simulation: post-build called as 3.4 does.
make_certs_local "$kernel"
add_sample
link_post_build ksign-sample
dkms_build ksign-sample
one=$(built ksign-sample ksign_sample_one)
two=$(built ksign-sample ksign_sample_two)

post_build=/etc/dkms/ksign-sample/../../../../../../../../../../../../usr/libexec/ksign/post-build
mkdir /etc/dkms/ksign-sample
cd /etc/dkms/ksign-sample || fail "no such folder"
[[ -x $post_build ]] || fail "the path that DKMS would try is none"
cp "$plain_module" "$one"
cp "$plain_module" "$two"
export kernelver=$kernel arch module=ksign-sample
arch=$(uname -m)
$post_build --dkms-tree /var/lib/dkms --module ksign-sample --module-version 1.0 -k "$kernel" --arch "$arch"
expect_signed_for "$kernel" "$one" "$two"

# The package's own script: that in its build folder, in that folder; but one in
# /etc/dkms/<module> comes first, and runs there.
mkdir /var/lib/dkms/ksign-sample/1.0/build
for folder in /var/lib/dkms/ksign-sample/1.0/build /etc/dkms/ksign-sample; do
    cat >"$folder/own-script.sh" <<END
#!/bin/bash
echo "\$PWD \$*" >"$scratch/own-script"
END
    chmod 755 "$folder/own-script.sh"
done
mv own-script.sh elsewhere.sh
$post_build --dkms-tree /var/lib/dkms --module ksign-sample --module-version 1.0 -k "$kernel" --arch "$arch" \
    -- own-script.sh argument
grep -qx '/var/lib/dkms/ksign-sample/1.0/build argument' "$scratch/own-script" ||
    fail "the build folder's script ran as: $(<"$scratch/own-script")"
mv elsewhere.sh own-script.sh
$post_build --dkms-tree /var/lib/dkms --module ksign-sample --module-version 1.0 -k "$kernel" --arch "$arch" \
    -- own-script.sh argument
grep -qx '/etc/dkms/ksign-sample argument' "$scratch/own-script" ||
    fail "the override ran as: $(<"$scratch/own-script")"
expect_signed_for "$kernel" "$one" "$two"
