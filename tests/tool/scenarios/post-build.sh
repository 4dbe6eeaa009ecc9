# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# post-build by hand, in trees as every DKMS lays them out; tests/dkms has the real
# DKMS. The key is that of a ksign.conf: no kernel of this machine is touched.
release=0.0.0-ksign-test
printf 'key = %s\nhash = sha256\n' "$keys/both.pem" >ksign.conf
sed 's/^key.*//' ksign.conf >no-key.conf
{ cat no-key.conf && echo "missing-key = fail"; } >no-key-fails.conf
cp ksign.conf no-key.conf no-key-fails.conf "$scratch"
base=$scratch/work/tree/package/1.0
built=$base/$release/x86_64/module
arguments=(--dkms-tree "$PWD/tree" --module package --module-version 1.0 -k "$release" --arch x86_64)

# lay_out [FOLDER]: a tree with a package of three modules just built.
lay_out() {
    cd "$scratch/work"
    rm -rf tree
    local folder=${1:-$built}
    new_module "$folder/one.ko"
    new_module "$folder/two.ko.xz" xz
    new_module "$folder/sub/three.ko.zst" zst
    # Of another version, kernel and architecture: not what was built.
    new_module tree/package/2.0/$release/x86_64/module/one.ko
    new_module tree/package/1.0/$release-other/x86_64/module/one.ko
    new_module tree/package/1.0/$release/i686/module/one.ko
    mkdir -p "$base/build"
}

expect_built() {
    local folder=${1:-$built} other
    expect_signed "$folder/one.ko" rsa2048 sha256
    expect_signed "$folder/two.ko.xz" rsa2048 sha256
    expect_signed "$folder/sub/three.ko.zst" rsa2048 sha256
    expect_loadable "$folder/two.ko.xz" xz
    expect_loadable "$folder/sub/three.ko.zst" zst
    for other in 2.0/$release/x86_64 1.0/$release-other/x86_64 1.0/$release/i686; do
        expect_unsigned "$scratch/work/tree/package/$other/module/one.ko"
    done
    [[ $(grep -c ': signed (ksign test key rsa2048, RSA-2048, sha256, ' "$out") == 3 ]] || fail "not one line a module: $(<"$out")"
    [[ ! -s $err ]] || fail "said: $(<"$err")"
}

step "by arguments alone, in any folder"
for folder in / "$PWD" /; do
    lay_out
    cd "$folder"
    expect_exit 0 post-build --config "$scratch/ksign.conf" "${arguments[@]}"
    expect_built
done
unset folder
step "again: nothing is touched, and every module is named in the log all the same"
cd "$scratch/work"
unchanged post-build --config "$scratch/ksign.conf" "${arguments[@]}"
[[ $(grep -c ': already signed (' "$out") == 3 ]] || fail "said: $(<"$out")"
step "as a command of ksign"
lay_out
expect_exit 0 ksign post-build --config "$scratch/ksign.conf" "${arguments[@]}"
expect_built

step "by DKMS's environment and its build folder alone, as 2.8 and on call it"
lay_out
cd "$base/build"
kernelver=$release arch=x86_64 module=package expect_exit 0 post-build --config "$scratch/ksign.conf"
expect_built
step "arguments before the environment"
lay_out
kernelver=wrong arch=wrong module=wrong expect_exit 0 post-build --config "$scratch/ksign.conf" "${arguments[@]}"
expect_built
step "the tree and version from the folder, the rest from arguments"
lay_out
cd "$base/build"
expect_exit 0 post-build --config "$scratch/ksign.conf" --module package -k $release --arch x86_64
expect_built

step "DKMS 3.1.7 calls it while the folder has another name"
for name in tmp_x86_64_AbC123 .tmp_x86_64_AbC123; do
    lay_out "$base/$release/$name/module"
    cd "$base/$release/$name/module"
    kernelver=$release arch=x86_64 module=package expect_exit 0 post-build --config "$scratch/ksign.conf" "${arguments[@]}"
    expect_built "$base/$release/$name/module"
done

step "nothing built, nothing known"
lay_out
rm -r "$built"
refused "$built" "there are no built modules" "dkms status" post-build --config "$scratch/ksign.conf" "${arguments[@]}"
refused post-build "can't tell which package, version and kernel DKMS has built" "--module-version" \
    post-build --config "$scratch/ksign.conf" -k $release
refused post-build "can't tell which package, version and kernel DKMS has built" "kernel-sign.conf" \
    post-build --config "$scratch/ksign.conf"
kernelver=a/b no_change expect_exit 1 post-build --config "$scratch/ksign.conf" --module package --module-version 1.0
said "'a/b'" "is not a kernel's release" "uname -r"

step "one that fails: the others are signed, and the exit says so"
lay_out
echo broken >"$built/broken.ko"
expect_exit 1 post-build --config "$scratch/ksign.conf" "${arguments[@]}"
said "$built/broken.ko" "not an ELF file" ""
expect_signed "$built/one.ko" rsa2048 sha256
expect_signed "$built/sub/three.ko.zst" rsa2048 sha256

step "no key: a message that says what to do; missing-key decides the exit"
lay_out
no_change expect_exit 0 post-build --config "$scratch/no-key.conf" "${arguments[@]}"
said "kernel $release" "is not installed: there is no " "shows the kernels that are"
[[ ! -s $out ]] || fail "on standard output: $(<"$out")"
refused "kernel $release" "is not installed: there is no " "shows the kernels that are" \
    post-build --config "$scratch/no-key-fails.conf" "${arguments[@]}"

step "a key that can't be used is an error whatever missing-key says"
printf 'key = /nowhere/key\nmissing-key = skip\n' >"$scratch/bad-key.conf"
refused /nowhere/key "No such file or directory" "" post-build --config "$scratch/bad-key.conf" "${arguments[@]}"
