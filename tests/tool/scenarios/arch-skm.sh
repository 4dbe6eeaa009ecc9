# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Arch-SKM's own flow, with links to ksign in place of its three programs: what its README does, and what its hooks call.
mkdir -p certs-local configs
for name in genkeys.py install-certs.py sign_module.py; do
    ln -s "$bin/ksign" "certs-local/$name"
done
cp "$project/conf/x509.oot.genkey" certs-local/
for name in x86 arm; do
    printf '%s\n' 'CONFIG_MODULE_SIG=y' 'CONFIG_MODULE_SIG_HASH="sha512"' 'CONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y' \
        'CONFIG_CRYPTO_ECDSA=y' 'CONFIG_CRYPTO_RSA=y' 'CONFIG_CRYPTO_SHA512=y' 'CONFIG_SYSTEM_TRUSTED_KEYS=""' \
        "CONFIG_NAME=\"$name\"" >"configs/config.$name"
done
all_trust_current() {
    local folder
    folder=$PWD/certs-local/$(readlink certs-local/current)
    [[ $(grep -lxF "CONFIG_SYSTEM_TRUSTED_KEYS=\"$folder/signing_key.pem\"" configs/* | wc -l) == 2 ]] ||
        fail "$(grep TRUSTED configs/*)"
}

step "generate, for several configurations by a pattern"
expect_exit 0 certs-local/genkeys.py -v --config 'configs/config.*' --refresh 7d
expect_in "$out" "Making new keys"
[[ $(tail -n 1 "$out") == "Success: all done" ]] || fail "$(<"$out")"
all_trust_current
first=$(readlink certs-local/current)

step "not due, from another folder, with the words that are no longer used"
(cd certs-local && expect_exit 0 ./genkeys.py -kh sha1 -kt rsa -v -c '../configs/config.*')
expect_in "$out" "Key refresh not needed yet"
expect_in "$out" "config up to date"
[[ $(readlink certs-local/current) == "$first" ]] || fail "renewed too early"

step "due"
touch -d '8 days ago' certs-local/current/signing_key.pem
expect_exit 0 certs-local/genkeys.py -r 7days -c 'configs/config.*'
[[ $(readlink certs-local/current) != "$first" ]] || fail "not renewed"
all_trust_current

step "a changed hash"
second=$(readlink certs-local/current)
sed -i 's/sha512"/sha384"/' configs/*
expect_exit 0 certs-local/genkeys.py --config 'configs/config.*'
[[ $(readlink certs-local/current) != "$second" && $(<certs-local/current/khash) == sha384 ]] || fail "not renewed"
all_trust_current

step "a link, as makepkg has its sources: what it leads to keeps its checksum"
mkdir -p startdir src
cp configs/config.x86 startdir/config
ln -s ../startdir/config src/config
expect_exit 0 certs-local/genkeys.py -c src/config
cmp configs/config.x86 startdir/config
[[ ! -L src/config ]] || fail "it is a link still"
grep -q "signing_key.pem" src/config || fail "it names no key"

step "install, and sign a folder with what was installed"
expect_exit 0 certs-local/install-certs.py build/certs-local
[[ $(readlink build/certs-local/current) == "$(readlink certs-local/current)" ]] || fail "no current"
[[ $(readlink build/certs-local/sign_module.py) == /usr/bin/ksign ]] || fail "no link to the tool"
ln -sf "$bin/ksign" build/certs-local/sign_module.py
cp configs/config.x86 build/.config
for container in plain xz zst gz; do
    new_module "modules/$container.ko" "$container"
done
new_module modules/deeper/one.ko
mv modules/xz.ko modules/xz.ko.xz && mv modules/zst.ko modules/zst.ko.zst && mv modules/gz.ko modules/gz.ko.gz
expect_exit 0 build/certs-local/sign_module.py -d modules
[[ $(tail -n 1 "$out") == "Success: all done" ]] || fail "$(<"$out")"
cp build/certs-local/current/signing_key.pem "$scratch/key.pem"
serial=$(openssl x509 -in "$scratch/key.pem" -noout -serial | sed 's/serial=//')
for file in modules/*.ko*; do
    found=$(module_information sig_key "$file")
    [[ ${found//:/} == "$serial" && $(module_information sig_hashalgo "$file") == sha384 ]] || fail "$file: $found"
done
expect_unsigned modules/deeper/one.ko
new_module one.ko
expect_exit 0 build/certs-local/sign_module.py one.ko modules/deeper/one.ko

step "a folder as Arch-SKM's own program lays it out is used as it is"
mkdir -p theirs/20250101-0101
openssl req -new -nodes -utf8 -sha512 -days 36500 -batch -x509 -config certs-local/x509.oot.genkey -outform PEM \
    -out theirs/20250101-0101/signing_key.pem -keyout theirs/20250101-0101/signing_key.pem -newkey ec \
    -pkeyopt ec_paramgen_curve:secp384r1
openssl pkey -in theirs/20250101-0101/signing_key.pem -out theirs/20250101-0101/signing_prv.pem
openssl x509 -outform der -in theirs/20250101-0101/signing_key.pem -out theirs/20250101-0101/signing_crt.crt
chmod 600 theirs/20250101-0101/*.pem
echo sha512 >theirs/20250101-0101/khash
echo ec >theirs/20250101-0101/ktype
ln -s 20250101-0101 theirs/current
ln -s "$bin/ksign" theirs/sign_module.py
new_module two.ko
expect_exit 0 theirs/sign_module.py two.ko
sed 's/sha384"/sha512"/' configs/config.x86 >plain-config
unchanged ksign keys refresh --certs-local theirs --kernel-config plain-config
expect_in "$out" "the current key stays"

step "failures end with 1, and say so"
expect_exit 1 certs-local/genkeys.py --config 'no/such.*'
expect_exit 2 certs-local/genkeys.py --refresh sometimes --config configs/config.x86
sed -i 's/sha384"/sha512"/' configs/config.arm
expect_exit 1 certs-local/genkeys.py --config 'configs/config.*'
said configs/config.x86 "and that of configs/config.arm is sha512" "keys of their own"
expect_not_in "$out" "Success"
echo "no module" >broken.ko
expect_exit 1 build/certs-local/sign_module.py broken.ko one.ko
expect_not_in "$out" "Success"
expect_exit 2 build/certs-local/sign_module.py
expect_exit 2 certs-local/install-certs.py
