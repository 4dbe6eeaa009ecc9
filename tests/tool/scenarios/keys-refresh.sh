# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# When a key is renewed, and when it is not.
cat >config <<'END'
CONFIG_MODULE_SIG=y
CONFIG_MODULE_SIG_HASH="sha512"
CONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y
CONFIG_CRYPTO_RSA=y
CONFIG_CRYPTO_ECDSA=y
CONFIG_CRYPTO_SHA512=y
END
refresh() { expect_exit 0 ksign keys refresh --kernel-config config "$@"; }
current() { readlink certs-local/current; }

# made REASON / stays REASON: what the last run did.
made() { [[ $(<"$out") == certs-local/"$(current)"": new key ("*"): "*"$1"* ]] || fail "not new for '$1': $(<"$out")"; }
stays() { [[ $(<"$out") == certs-local/"$(current)"": the current key stays ("*"): "*"$1"* ]] || fail "$(<"$out")"; }

step "first, not due, due"
refresh
made "there was no key"
first=$(current)
refresh
stays "due in "
unchanged ksign keys refresh --kernel-config config
touch -d '8 days ago' certs-local/current/signing_key.pem
refresh --refresh 9days
stays "due in"
refresh
made "the key was made 8 days ago"
[[ $(current) != "$first" && -d certs-local/$first ]] || fail "the old key folder is gone"
for period in 0s "1 week" 24h 30days 2w always; do
    refresh --refresh "$period"
done

step "a period that is none is an error, and never 'always'"
for period in "" 7 d 7x -1d "7 d s" 99999999999999999999d sometimes; do
    no_change usage_error "is no time" ksign keys refresh --kernel-config config --refresh "$period"
done

step "another hash, another type, a key that is not whole, a clock set back"
sed -i 's/sha512"/sha384"/; s/CRYPTO_SHA512/CRYPTO_SHA512/' config
refresh
made "the key's hash was sha512, and sha384 is wanted"
refresh --type p-256
made "the key was p-384, and p-256 is wanted"
refresh
made "the key was p-256, and p-384 is wanted"
rm certs-local/current/signing_prv.pem
refresh
made "no private key"
ln -sfn nowhere certs-local/current
refresh
made "not whole"
if command -v faketime >/dev/null; then
    faketime '30 days ago' "$bin/ksign" keys refresh --kernel-config config >"$out"
    made "in the future: was the clock set back?"
fi

step "old keys go only when they are told to, and never the current one"
count() { find certs-local -mindepth 1 -maxdepth 1 -type d | wc -l; }
[[ $(count) -gt 5 ]] || fail "old key folders are gone"
last=$(current)
refresh --keep 2
[[ $(count) == 2 && $(current) == "$last" && -e certs-local/current/signing_prv.pem ]] || fail "--keep 2 kept $(count)"

step "twenty at once make one new key"
rm -r certs-local
for _ in {1..20}; do
    ksign keys refresh --kernel-config config >>all.out 2>>all.err &
done
wait
[[ $(count) == 1 && $(grep -c "new key" all.out) == 1 && $(wc -l <all.out) == 20 && ! -s all.err ]] ||
    fail "$(count) keys: $(cat all.out all.err)"

step "two that are to make one make one"
for _ in 1 2; do
    ksign keys generate --type rsa-4096 --kernel-config config >>both.out 2>&1 &
done
wait
[[ $(count) == 2 && $(wc -l <both.out) == 2 ]] || fail "$(count) keys: $(cat both.out)"

step "a current that is a folder is not replaced"
rm certs-local/current
mkdir certs-local/current
refused certs-local/current "is no symbolic link" "move it away" ksign keys refresh --kernel-config config

step "without a configuration: the running kernel's, or a word that there is none"
mkdir -p root/lib/modules/6.12.1/build
cp config root/lib/modules/6.12.1/build/.config
expect_exit 0 ksign keys generate --root root -k 6.12.1 --certs-local of-kernel
[[ $(<of-kernel/current/khash) == sha384 ]] || fail "not the hash of the kernel that -k names"
rm root/lib/modules/6.12.1/build/.config
expect_exit 1 ksign keys generate --root root -k 6.12.1 --certs-local of-kernel
said "kernel 6.12.1" "has no configuration" "--kernel-config"
