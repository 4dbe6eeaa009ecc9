# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# The package's own POST_BUILD, which post-build runs after signing: its folder,
# arguments, changes and exit status.
release=0.0.0-ksign-test
printf 'key = %s\nhash = sha256\n' "$keys/both.pem" >"$scratch/ksign.conf"
: >"$scratch/no-key.conf"
echo "missing-key = fail" >"$scratch/no-key-fails.conf"
base=$PWD/tree/package/1.0
built=$base/$release/x86_64/module
arguments=(--dkms-tree "$PWD/tree" --module package --module-version 1.0 -k "$release" --arch x86_64)
run=(post-build --config "$scratch/ksign.conf" "${arguments[@]}")

# own SCRIPT: the package's script, read from standard input; modules anew.
own() {
    rm -rf tree
    new_module "$built/one.ko"
    new_module "$built/two.ko.zst" zst
    mkdir -p "$base/build/scripts"
    { echo '#!/bin/bash' && cat; } >"$base/build/$1"
    chmod 755 "$base/build/$1"
}
expect_built() {
    expect_signed "$built/one.ko" rsa2048 sha256
    expect_signed "$built/two.ko.zst" rsa2048 sha256
}

step "in the build folder, with its arguments and DKMS's environment, after signing"
own scripts/own.sh <<'END'
echo "own: $PWD $0 $kernelver"
printf 'own argument: <%s>\n' "$@"
tail -c 28 "../$kernelver/x86_64/module/one.ko" | grep -q appended && echo "own: signed by now"
END
cd /
kernelver=$release expect_exit 0 "${run[@]}" -- scripts/own.sh one 'two words' -- --three
expect_in "$out" "own: $base/build $base/build/scripts/own.sh $release"
for argument in one 'two words' -- --three; do
    expect_in "$out" "own argument: <$argument>"
done
expect_in "$out" "own: signed by now"
expect_in "$out" "$built/one.ko: signed ("
# In the order in which they happened, as make.log shows them.
[[ $(grep -n 'one.ko: signed' "$out" | cut -d: -f1) -lt $(grep -n '^own: ' "$out" | sed -n 1p | cut -d: -f1) ]] ||
    fail "another order: $(<"$out")"
[[ $(wc -l <"$out") == 8 ]] || fail "more than two modules and six lines of the script: $(<"$out")"
[[ ! -s $err ]] || fail "said: $(<"$err")"
cd "$scratch/work"
expect_built

step "its exit status is passed on; the modules stay signed"
for code in 1 23 127; do
    own own.sh <<<"exit $code"
    expect_exit $code "${run[@]}" -- own.sh
    said "$base/build/own.sh" "the package's own POST_BUILD failed with exit code $code" ""
    expect_built
done
# shellcheck disable=SC2016 # for the script
own own.sh <<<'kill -9 $$'
expect_exit 137 "${run[@]}" -- own.sh
expect_built

step "what it changes, adds or signs itself is signed again"
own own.sh <<'END'
cd ../0.0.0-ksign-test/x86_64/module
objcopy --add-section .own=/etc/os-release one.ko
zstd -qdc two.ko.zst >two.ko && rm two.ko.zst
cp two.ko three.ko
END
expect_exit 0 "${run[@]}" -- own.sh
for name in one two three; do
    "$tool_tests/payload.py" split "$built/$name.ko" payload signature
    verify payload signature "$keys/rsa2048.pem" || fail "$name.ko: its signature is not right"
done
readelf -S "$built/one.ko" | grep -q '\.own' || fail "what the script did is lost"

step "one without a #! line: DKMS's bash runs it, and one that can't be started says why"
own own.sh <<<""
# shellcheck disable=SC2016 # for the script
echo 'echo "own: $0 $1 ${BASH##*/}"; exit 7' >"$base/build/own.sh"
expect_exit 7 "${run[@]}" -- own.sh 'two words'
expect_in "$out" "own: $base/build/own.sh two words bash"
expect_built
echo '#!/no/such/program' >"$base/build/own.sh"
expect_exit 127 "${run[@]}" -- own.sh
said "$base/build/own.sh" "start: No such file or directory" "the program that its first line (#!) names"
expect_built

step "one that is missing or not executable: a warning, as DKMS has it"
own own.sh <<<"exit 9"
chmod 644 "$base/build/own.sh"
for script in own.sh missing.sh; do
    expect_exit 0 "${run[@]}" -- $script
    said "$base/build/$script" "is not executable, and was not run" ""
    expect_built
done

step "without a key it still runs: the package may not work without it"
own own.sh <<<'echo "own ran"; exit 7'
expect_exit 7 post-build --config "$scratch/no-key.conf" "${arguments[@]}" -- own.sh
expect_in "$out" "own ran"
said "kernel $release" "is not installed: there is no " "shows the kernels that are"
expect_unsigned "$built/one.ko"
own own.sh <<<'echo "own ran"'
expect_exit 0 post-build --config "$scratch/no-key.conf" "${arguments[@]}" -- own.sh
expect_exit 1 post-build --config "$scratch/no-key-fails.conf" "${arguments[@]}" -- own.sh
expect_in "$out" "own ran"

step "nor does a ksign.conf that is wrong, or a build that can't be told, keep it from running"
echo "mising-key = fail" >"$scratch/wrong.conf"
# shellcheck disable=SC2016 # for the script
own own.sh <<<'echo "own ran in $PWD"'
expect_exit 1 post-build --config "$scratch/wrong.conf" "${arguments[@]}" -- own.sh
said "$scratch/wrong.conf" "mising-key" "ksign.conf(5)"
expect_in "$out" "own ran in $base/build"
expect_unsigned "$built/one.ko"
cd "$base/build"
expect_exit 1 post-build --config "$scratch/ksign.conf" -- own.sh
cd "$scratch/work"
said post-build "can't tell which package, version and kernel DKMS has built" "kernel-sign.conf"
expect_in "$out" "own ran in $base/build"

step "nor does a module that fails stop it, or its success hide the failure"
own own.sh <<<'echo "own ran"'
echo broken >"$built/broken.ko"
expect_exit 1 "${run[@]}" -- own.sh
expect_in "$out" "own ran"
said "$built/broken.ko" "not an ELF file" ""
[[ $(grep -c "$built/broken.ko:" "$err") == 1 ]] || fail "said again: $(<"$err")"
expect_in "$err" "1 of 3 modules failed"
expect_built

step "it takes all modules away: nothing is left to sign, and that is said"
own own.sh <<<'rm ../*/x86_64/module/*'
expect_exit 1 "${run[@]}" -- own.sh
said "$built" "there are no built modules" "dkms status"
