# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Debian's own kernels: from the image alone, every module of the package verifies;
# with one byte of one module changed, exactly that one is refused.
command -v apt-get >/dev/null || skip "the kernels are Debian's, and there is no apt-get"
release_suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)

for suite in "" "$release_suite-backports"; do
    debian_kernel "$suite"
    image=$package_image
    modules=$package_modules
    release=${modules##*/}

    step "$package: the image alone, $package_count modules"
    start=$EPOCHREALTIME
    expect_exit 0 ksign verify --image "$image" "$modules"
    end=$EPOCHREALTIME
    [[ ! -s $err ]] || fail "something was said: $(<"$err")"
    [[ $(wc -l <"$out") == "$package_count" ]] || fail "$(wc -l <"$out") lines for $package_count modules"
    [[ $(grep -cF ": loads (" "$out") == "$package_count" ]] || fail "not all load: $(grep -vF ': loads (' "$out" | sed -n 1p)"
    [[ $(grep -cF "; built into $image)" "$out") == "$package_count" ]] || fail "not all by the image's own key"
    figure "$package: $package_count modules in $(((${end/./} - ${start/./}) / 1000)) ms, image included"

    step "$package: the certificate is the one that modinfo names, and is in nothing but the image"
    # Debian's modinfo of Debian 12 reads .xz, so no module has to be unpacked.
    one=$(find "$modules" -name 'loop.ko*')
    [[ -n $one ]] || fail "there is no loop module"
    expect_exit 0 ksign verify --json --image "$image" "$one"
    expect_json 'd["modules"][0]["serial"]' "$(modinfo -F sig_key "$one")"
    expect_json '[t["serial"] for t in d["kernel"]["trusted"]]' "['$(modinfo -F sig_key "$one")']"
    expect_json 'd["kernel"]["release"], d["kernel"]["platform_keys"]' "('$release', True)"
    expect_exit 1 ksign verify --trust "$keys/rsa2048.pem" "$one"
    expect_in "$out" "which no keyring of this kernel holds"

    step "$package: as installed below a root, found by the release"
    mkdir -p "root-$release/lib/modules" "root-$release/boot"
    config=root-$release/lib/modules/$release/config
    if [[ $image == */boot/* ]]; then
        cp --reflink=auto "$image" "$package_config" "root-$release/boot/"
        config=root-$release/boot/config-$release
    fi
    cp -r --reflink=auto "$modules" "root-$release/lib/modules/"
    expect_exit 0 ksign verify --root "root-$release" -k "$release" "root-$release/lib/modules/$release"
    [[ $(grep -cF ": loads (" "$out") == "$package_count" ]] || fail "not all load as installed"
    expect_exit 0 ksign verify --json --root "root-$release" -k "$release" loop
    expect_json 'd["kernel"]["config"]' "$config"

    step "$package: one byte of one module"
    victim=$(find "root-$release/lib/modules" -name 'dummy.ko*')
    [[ -n $victim ]] || fail "there is no dummy module"
    container=$(container_of "$victim")
    decompress "$victim" >plain.ko
    printf '\x01' | dd of=plain.ko bs=1 seek=3000 conv=notrunc status=none
    ! cmp -s plain.ko <(decompress "$victim") || fail "the byte was that one already"
    compress "$container" <plain.ko >"$victim"
    expect_exit 1 ksign verify --root "root-$release" -k "$release" "root-$release/lib/modules/$release"
    [[ $(grep -cF ": loads (" "$out") == "$((package_count - 1))" ]] || fail "not all others load"
    [[ $(grep -vF ": loads (" "$out") == "$victim: refused with EKEYREJECTED (modprobe: Key was rejected by service): the signature is not one of this content"* ]] ||
        fail "not said of $victim: $(grep -vF ': loads (' "$out")"
    said "1 of $package_count modules would be refused" "" ""
    # Refused without enforcement, too.
    expect_exit 1 ksign verify --enforce no --root "root-$release" -k "$release" "$victim"
    rm -rf "root-$release"
done
