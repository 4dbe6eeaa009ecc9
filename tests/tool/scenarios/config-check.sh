# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# What a configuration lacks, by the names of its kernel's version. A real `make olddefconfig`: tests/kernel.
step "a kernel without signatures"
cat >bad <<'END'
# Linux/x86 6.12.1 Kernel Configuration
CONFIG_MODULES=y
# CONFIG_MODULE_SIG is not set
CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y
END
no_change expect_exit 1 ksign config check bad
grep -Eq '^  MUST +CONFIG_MODULE_SIG +n +y ' "$out" || fail "$(<"$out")"
grep -Eq '^  advice +CONFIG_MODULE_COMPRESS_ZSTD +n +y ' "$out" || fail "$(<"$out")"
grep -Eq '^  advice +CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS +y +n ' "$out" || fail "$(<"$out")"

step "--fix mends what can be mended in the file, and keeps its other lines and its mode"
chmod 600 bad
expect_exit 0 ksign config check --fix bad
expect_in "$out" "make olddefconfig"
for line in CONFIG_MODULE_SIG=y CONFIG_MODULE_SIG_SHA512=y 'CONFIG_MODULE_SIG_HASH="sha512"' CONFIG_MODULE_COMPRESS=y \
    CONFIG_MODULE_COMPRESS_ZSTD=y '# CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS is not set' CONFIG_MODULES=y; do
    grep -qxF "$line" bad || fail "no line $line: $(<bad)"
done
[[ $(stat -c %a bad) == 600 ]] || fail "the mode changed"
unchanged ksign config check --fix bad

step "names and rules of versions"
sed 's/6.12.1/6.1.100/' bad >old
sed -i '/MODULE_COMPRESS=y/d; /MODULE_DECOMPRESS/d; s/"sha512"/"sha3-512"/' old
expect_exit 1 ksign config check old
expect_in "$out" "SHA-3 for modules came with Linux 6.7"
! grep -Eq 'CONFIG_MODULE_COMPRESS |MODULE_DECOMPRESS' "$out" || fail "options that 6.1 does not have: $(<"$out")"
sed 's/6.12.1/7.3.4/; s/"sha512"/"sha256"/' bad >new
expect_exit 1 ksign config check new
grep -Eq '^  MUST +CONFIG_MODULE_SIG_HASH +sha256 +sha512 ' "$out" || fail "$(<"$out")"

step "the keys that it must trust"
expect_exit 0 ksign keys generate --kernel-config bad
expect_exit 1 ksign config check bad
grep -Eq '^  MUST +CONFIG_SYSTEM_TRUSTED_KEYS ' "$out" || fail "$(<"$out")"
expect_exit 0 ksign config update bad
expect_exit 0 ksign config check bad

step "what is no configuration is not made one"
echo example >hostname
: >empty
for file in hostname empty; do
    for command in "config check" "config check --fix" "config update" "keys generate --kernel-config"; do
        # shellcheck disable=SC2086 # words
        refused $file "is no kernel's configuration: it holds no CONFIG_ line" "name a .config" ksign $command $file
    done
done
echo '# CONFIG_MODULES is not set' >small
expect_exit 1 ksign config check --fix small
grep -qxF CONFIG_MODULES=y small || fail "not mended: $(<small)"

step "JSON"
expect_exit 1 ksign config check --json nothing-is-there bad new
said nothing-is-there "no such file" "name a kernel's .config"
expect_json '[config["path"] for config in d["configs"]]' "['nothing-is-there', 'bad', 'new']"
expect_json 'd["configs"][0]["error"]' "{'subject': 'nothing-is-there', 'reason': 'no such file', 'remedy': \"name a kernel's .config, or a pattern in quotes\"}"
expect_exit 1 ksign config check --json bad new
python3 - "$out" <<'END' || fail "$(<"$out")"
import json, sys
document = json.load(open(sys.argv[1]))
assert document["schema"] == 1
good, bad = document["configs"]
assert good["good"] and not bad["good"] and bad["path"] == "new"
assert any(each["option"] == "CONFIG_MODULE_SIG_HASH" and each["level"] == "must" for each in bad["findings"])
END
usage_error "name the kernel configurations" ksign config check
