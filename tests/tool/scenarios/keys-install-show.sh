# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# A key on its way into a kernel's build folder, and what is shown of it there.
cat >config <<'END'
# Linux/x86 6.12.1 Kernel Configuration
CONFIG_MODULE_SIG=y
CONFIG_MODULE_SIG_HASH="sha512"
CONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y
CONFIG_CRYPTO_RSA=y
CONFIG_CRYPTO_ECDSA=y
CONFIG_CRYPTO_SHA512=y
END
expect_exit 0 ksign keys generate --kernel-config config
expect_exit 0 ksign config update config
stamp=$(readlink certs-local/current)
for release in 6.12.1-ours 6.12.1-native 6.12.1-given 6.12.1-none; do
    mkdir -p "root/lib/modules/$release/kernel" "root/usr/src/$release"
    ln -s "/usr/src/$release" "root/lib/modules/$release/build"
    cp config "root/usr/src/$release/.config"
done

step "into certs-local: whole, with modes, and it signs by itself"
expect_exit 0 ksign keys install root/usr/src/6.12.1-ours/certs-local
installed=root/usr/src/6.12.1-ours/certs-local
[[ $(readlink "$installed/current") == "$stamp" && $(stat -c %a "$installed/$stamp") == 700 ]] || fail "current or modes"
for file in certs-local/current/*; do
    cmp "$file" "$installed/current/${file##*/}" || fail "$file was not copied"
    [[ $(stat -c %a "$file") == "$(stat -c %a "$installed/current/${file##*/}")" ]] || fail "$file: mode"
done
new_module root/lib/modules/6.12.1-ours/updates/m.ko
expect_exit 0 ksign sign --root root -k 6.12.1-ours m
expect_exit 0 ksign keys install root/usr/src/6.12.1-ours/certs-local # again, over it
refused certs-local "is where the keys are already" "build folder" ksign keys install certs-local

step "the kernel's own way"
expect_exit 0 ksign keys install --native root/usr/src/6.12.1-native/certs
[[ $(cd root/usr/src/6.12.1-native/certs && stat -c '%n %a' ./*) == $'./signing_key.pem 400\n./signing_key.x509 400' ]] ||
    fail "$(ls -l root/usr/src/6.12.1-native/certs)"
new_module root/lib/modules/6.12.1-native/updates/m.ko
expect_exit 0 ksign sign --root root -k 6.12.1-native m

step "for a package that is given away: no private key in it"
expect_exit 0 ksign keys install --public-only root/usr/src/6.12.1-given/certs-local
! grep -rq "PRIVATE KEY" root/usr/src/6.12.1-given || fail "the private key was given away"
new_module root/lib/modules/6.12.1-given/updates/m.ko
expect_exit 1 ksign sign --root root -k 6.12.1-given m
said root/usr/src/6.12.1-given/certs-local "holds a certificate without its private key" "given away"

step "shown, for each kernel"
expect_exit 1 ksign keys show --root root # the one that was given away can't sign
serial=$(openssl x509 -in certs-local/current/signing_key.pem -noout -serial | sed 's/serial=//; s/../&:/g; s/:$//')
fingerprint=$(openssl x509 -in certs-local/current/signing_key.pem -noout -fingerprint -sha256 | sed 's/.*=//')
for text in "6.12.1-ours" "p-384, sha512" "serial $serial" "SHA-256 $fingerprint" "the kernel's configuration names it" \
    "none of its own" "without its private key"; do
    expect_in "$out" "$text"
done
expect_exit 0 ksign keys show --root root -k 6.12.1-ours --json
python3 - "$out" "$serial" <<'END' || fail "$(<"$out")"
import json, sys
document = json.load(open(sys.argv[1]))
assert document["schema"] == 1
kernel, = document["kernels"]
assert kernel["release"] == "6.12.1-ours" and kernel["serial"] == sys.argv[2] and kernel["type"] == "p-384"
assert kernel["trusted_by_config"] and kernel["verifiable"] and kernel["unsafe"] == []
END
expect_not_in "$out" "PRIVATE"

step "what is wrong with a key is shown, and is an exit code"
chmod 644 "$installed/current/signing_prv.pem"
expect_exit 1 ksign keys show --root root -k 6.12.1-ours
expect_in "$out" "unsafe:      root/usr/src/6.12.1-ours/certs-local/$stamp/signing_prv.pem has mode 0644: chmod"
chmod 600 "$installed/current/signing_prv.pem"
sed -i '/CRYPTO_ECDSA/d' root/usr/src/6.12.1-ours/.config
expect_exit 1 ksign keys show --root root -k 6.12.1-ours
expect_in "$out" "of no use:   this kernel can't verify ECDSA signatures"
sed -i 's/^CONFIG_SYSTEM_TRUSTED_KEYS.*/CONFIG_SYSTEM_TRUSTED_KEYS=""/' root/usr/src/6.12.1-native/.config
expect_exit 0 ksign keys show --root root -k 6.12.1-none
