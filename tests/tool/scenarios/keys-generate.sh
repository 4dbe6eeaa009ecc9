# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Keys are what openssl calls whole, and what Arch-SKM's programs read.

# A kernel that verifies everything.
cat >config <<'END'
# Linux/x86 6.12.1 Kernel Configuration
CONFIG_MODULE_SIG=y
CONFIG_MODULE_SIG_SHA512=y
CONFIG_MODULE_SIG_HASH="sha512"
CONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y
CONFIG_CRYPTO_RSA=y
CONFIG_CRYPTO_ECDSA=y
CONFIG_CRYPTO_SHA256=y
CONFIG_CRYPTO_SHA512=y
CONFIG_CRYPTO_SHA3=y
END

# whole FOLDER: a key folder as openssl and Arch-SKM see it.
whole() {
    local folder=$1 name
    [[ $(stat -Lc %a "$folder") == 700 ]] || fail "$folder has mode $(stat -Lc %a "$folder")"
    for name in signing_key.pem signing_prv.pem; do
        [[ $(stat -c %a "$folder/$name") == 600 ]] || fail "$name has mode $(stat -c %a "$folder/$name")"
        openssl pkey -in "$folder/$name" -check -noout || fail "openssl does not take $name"
    done
    openssl x509 -inform DER -in "$folder/signing_crt.crt" -noout || fail "openssl does not take signing_crt.crt"
    openssl x509 -in "$folder/signing_key.pem" -outform DER | cmp - "$folder/signing_crt.crt" || fail "two certificates"
    openssl x509 -in "$folder/signing_key.pem" >"$scratch/self.pem"
    openssl verify -CAfile "$scratch/self.pem" "$scratch/self.pem" || fail "it does not verify by itself"
    cmp <(openssl x509 -in "$scratch/self.pem" -noout -pubkey) <(openssl pkey -in "$folder/signing_prv.pem" -pubout) ||
        fail "the key is not that of the certificate"
}

step "every type that this OpenSSL has signs a module"
for type in rsa-2048 rsa-3072 rsa-4096 p-256 p-384 p-521; do
    (umask 077 && expect_exit 0 ksign keys generate --kernel-config config --certs-local "$type" --type "$type")
    whole "$type/current"
    new_module "$type.ko"
    expect_exit 0 ksign sign --key "$type/current/signing_key.pem" "$type.ko"
    [[ $(module_information sig_key "$type.ko") == "$(openssl x509 -in "$type/current/signing_key.pem" -noout -serial |
        sed 's/serial=//; s/../&:/g; s/:$//')" ]] || fail "modinfo names another key"
done
openssl pkey -in rsa-3072/current/signing_prv.pem -noout -text | grep -q "Private-Key: (3072 bit" || fail "not 3072 bits"
[[ $(<p-384/current/khash) == sha512 && $(<p-384/current/ktype) == ec && $(<rsa-2048/current/ktype) == rsa ]] ||
    fail "khash or ktype"

step "one that it has not is an error with a remedy"
if ! openssl list -key-managers 2>/dev/null | grep -q ML-DSA; then
    sed 's/^CONFIG_CRYPTO_RSA.*/&\nCONFIG_CRYPTO_MLDSA=y\nCONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA=y/' config >config.mldsa
    refused "a key of type ml-dsa-65" "this OpenSSL can't make one" "ML-DSA needs OpenSSL 3.5" \
        ksign keys generate --kernel-config config.mldsa --certs-local p-384 --type ml-dsa-65
fi

step "what the certificate says"
cat >profile <<'END'
[ req ]
default_bits = 2048
distinguished_name = name
prompt = no
x509_extensions = extensions
[ name ]
O = Ärzte ohne Netz
1.OU = one
2.OU = two
CN = profile's name
[ extensions ]
basicConstraints = critical,CA:FALSE
keyUsage = digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
expect_exit 0 ksign keys generate --kernel-config config --certs-local profiled --profile profile --days 30
openssl req -new -x509 -utf8 -sha512 -days 30 -batch -nodes -config profile -newkey ec -pkeyopt \
    ec_paramgen_curve:secp384r1 -keyout /dev/null -out reference.pem
described() { openssl x509 "$@" -noout -subject -nameopt utf8,sep_multiline -ext basicConstraints,keyUsage,authorityKeyIdentifier; }
cmp <(described -inform DER -in profiled/current/signing_crt.crt) <(described -in reference.pem) ||
    fail "openssl req makes another certificate of this profile"
expect_exit 0 ksign keys generate --kernel-config config --certs-local profiled --cn "My key" --code-signing --ca
[[ $(openssl x509 -in profiled/current/signing_key.pem -noout -subject -nameopt RFC2253) == "subject=CN=My key" ]] ||
    fail "--cn: $(openssl x509 -in profiled/current/signing_key.pem -noout -subject -nameopt RFC2253)"
openssl x509 -in profiled/current/signing_key.pem -noout -text >text
for line in "Code Signing" "CA:TRUE" "Certificate Sign"; do
    expect_in text "$line"
done
expect_not_in text "Digital Signature"
[[ $(find profiled -mindepth 1 -maxdepth 1 -type d | wc -l) == 2 ]] || fail "two keys of one minute share a folder"

step "the type follows what the kernel can verify, and a word says why"
sed '/CRYPTO_ECDSA/d' config >config.rsa
expect_exit 0 ksign keys generate --kernel-config config.rsa --certs-local rsa --profile profile
expect_in "$err" "CONFIG_CRYPTO_ECDSA is not set in config.rsa"
openssl pkey -in rsa/current/signing_prv.pem -noout -text | grep -q "Private-Key: (2048 bit" || fail "not the profile's size"
refused "a key of type p-384" "can't verify ECDSA" "give this kernel an RSA key" \
    ksign keys generate --kernel-config config.rsa --certs-local rsa --type p-384
sed 's/6.12.1/6.6.30/' config >config.old
refused "a key of type p-521" "they came with Linux 6.10" "P-384" \
    ksign keys generate --kernel-config config.old --certs-local rsa --type p-521
sed 's/sha512"/sha384"/' config >config.sha384
refused config.sha384 "module hash (CONFIG_MODULE_SIG_HASH) is sha384, and that of config is sha512" "keys of their own" \
    ksign keys generate --kernel-config config --kernel-config config.sha384 --certs-local rsa

step "what makes no sense is a usage error"
usage_error "unknown type of key 'rsa-1024'" ksign keys generate --type rsa-1024
usage_error "--days: '0' is not a number" ksign keys generate --days 0 --kernel-config config
usage_error "--keep: 'x' is not a number" ksign keys generate --keep x --kernel-config config
usage_error "'config' is too much" ksign keys generate config
usage_error "'keys' needs a word" ksign keys
usage_error "there is no command 'keys foo'" ksign keys foo

step "broken profiles"
refused none "open: No such file" "" ksign keys generate --kernel-config config --profile none
echo '[ req' >broken
refused broken "line 1 can't be read" "x509.oot.genkey" ksign keys generate --kernel-config config --profile broken
sed 's/^CN.*/NOSUCHFIELD = x/' profile >broken
refused broken "use 'NOSUCHFIELD = x'" "x509.oot.genkey" ksign keys generate --kernel-config config --profile broken
sed 's/^keyUsage.*/keyUsage = nonsense/' profile >broken
refused broken "use the extensions in [ extensions ]" "x509.oot.genkey" ksign keys generate --kernel-config config --profile broken
