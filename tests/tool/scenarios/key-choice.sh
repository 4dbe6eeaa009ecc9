# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Which key and which hash: the first that is there of --key, the kernel's
# certs-local, the kernel's certs, ksign.conf. Never another in the place of one
# that is there and broken.
make_root root 1.2.3-test CONFIG_CRYPTO_ECDSA=y CONFIG_CRYPTO_SHA3=y
build_folder=$PWD/$build_folder
module=root/lib/modules/1.2.3-test/updates/dkms/m.ko
sign=(ksign sign -k 1.2.3-test --root root)

signs_with() {
    local key=$1 hash=$2
    shift 2
    new_module "$module"
    expect_exit 0 "${sign[@]}" "$@" m
    expect_signed "$module" "$key" "$hash"
    expect_in "$out" "$module: signed (ksign test key $key, "
}
new_module "$module"

step "none"
refused "kernel 1.2.3-test" "has no signing key" "set key and certificate (a MOK that is enrolled)" "${sign[@]}" m
for name in certs-local certs/signing_key.pem etc/ksign/ksign.conf; do
    expect_in "$err" "$name"
done

step "that of ksign.conf below the root"
printf 'key = %s\ncertificate = %s\n' "$keys/p521.key" "$keys/p521.der" >root/etc/ksign/ksign.conf
signs_with p521 sha512
step "that of another ksign.conf"
printf 'key = %s\n' "$keys/both.pem" >other.conf
signs_with rsa2048 sha512 --config other.conf
printf 'hash = sha256\n' >>other.conf
signs_with rsa2048 sha256 --config other.conf

step "the kernel's certs before that of ksign.conf: both files, or one that holds both"
mkdir "$build_folder/certs"
cp "$keys/p256.key" "$build_folder/certs/signing_key.pem"
cp "$keys/p256.der" "$build_folder/certs/signing_key.x509"
signs_with p256 sha512
rm "$build_folder/certs/signing_key.x509"
cat "$keys/rsa4096.key" "$keys/rsa4096.pem" >"$build_folder/certs/signing_key.pem"
signs_with rsa4096 sha512

step "certs-local before all of them; its khash"
make_certs_local "$build_folder" p384 sha256
signs_with p384 sha256
rm "$build_folder/certs-local/current/khash"
signs_with p384 sha512
step "certs-local's signing_key.pem alone"
rm "$build_folder/certs-local/current/"{signing_prv.pem,signing_crt.crt}
signs_with p384 sha512
step "certs-local by links that are absolute within the root"
mv "$build_folder/certs-local" root/keys-elsewhere
ln -s /keys-elsewhere "$build_folder/certs-local"
ln -sfn /keys-elsewhere/20240101-1200 root/keys-elsewhere/current
signs_with p384 sha512

step "--key before all"
signs_with stranger sha512 --key "$keys/stranger.key" --certificate "$keys/stranger.der"
signs_with rsa2048 sha512 --key "$keys/both.pem"

step "hash: --hash, then the kernel's, then khash, then ksign.conf's, then sha512"
echo sha256 >root/keys-elsewhere/20240101-1200/khash
printf 'hash = sha384\n' >other.conf
signs_with p384 sha256 --config other.conf
rm root/keys-elsewhere/20240101-1200/khash
signs_with p384 sha384 --config other.conf
echo 'CONFIG_MODULE_SIG_HASH="sha256"' >>"$build_folder/.config"
signs_with p384 sha256 --config other.conf
signs_with p384 sha512 --config other.conf --hash sha512
signs_with p384 sha512 --config other.conf --hash SHA512

step "a certs-local that is broken is an error, and no reason to take another key"
broken() {
    new_module "$module"
    refused "$1" "$2" "$3" "${sign[@]}" m
    # Whoever names a key knows what they want.
    signs_with stranger sha256 --key "$keys/stranger.key" --certificate "$keys/stranger.der"
}
ln -sfn 20990101-0000 root/keys-elsewhere/current
broken "root/keys-elsewhere/current" "does not lead to a folder with keys" "point the link to the newest key folder"
mkdir root/keys-elsewhere/20990101-0000
broken "root/keys-elsewhere/20990101-0000" "holds neither signing_prv.pem with signing_crt.crt, nor signing_key.pem" \
    "install this kernel's headers package again"
cp "$keys/p384.der" root/keys-elsewhere/20990101-0000/signing_crt.crt
broken "root/keys-elsewhere/20990101-0000" "holds a certificate without its private key" "given away without it"
cp "$keys/p256.key" root/keys-elsewhere/20990101-0000/signing_prv.pem
broken "root/keys-elsewhere/20990101-0000/signing_crt.crt" "is not the certificate of the key" "made together"
cp "$keys/p384.key" root/keys-elsewhere/20990101-0000/signing_prv.pem
echo rot13 >root/keys-elsewhere/20990101-0000/khash
broken "root/keys-elsewhere/20990101-0000/khash" "names an unknown hash, 'rot13'" "write one of sha256"
echo sha512 >root/keys-elsewhere/20990101-0000/khash
signs_with p384 sha256

step "a key that the kernel can't verify: refused, whoever named it"
sed -i '/CRYPTO_ECDSA/d' "$build_folder/.config"
new_module "$module"
refused root/keys-elsewhere/20990101-0000/signing_prv.pem \
    "this kernel can't verify ECDSA signatures: CONFIG_CRYPTO_ECDSA is not set in root/usr/src/linux-headers-1.2.3-test/.config" \
    "give this kernel an RSA key" "${sign[@]}" m
refused "$keys/p256.key" "CONFIG_CRYPTO_ECDSA is not set" "RSA key" \
    "${sign[@]}" --key "$keys/p256.key" --certificate "$keys/p256.der" m
echo "# CONFIG_CRYPTO_ECDSA is not set" >>"$build_folder/.config"
refused "$keys/p256.key" "CONFIG_CRYPTO_ECDSA is not set" "RSA key" \
    "${sign[@]}" --key "$keys/p256.key" --certificate "$keys/p256.der" m
signs_with rsa2048 sha256 --key "$keys/both.pem"
echo CONFIG_CRYPTO_ECDSA=m >>"$build_folder/.config"
signs_with p384 sha256
step "what came with a later kernel than this one"
cp "$build_folder/.config" whole
sed -i '1i # Linux/x86 6.1.0 Kernel Configuration' "$build_folder/.config"
printf 'CONFIG_CRYPTO_ECDSA=y\nCONFIG_CRYPTO_SHA3=m\n' >>"$build_folder/.config"
refused "$keys/p521.key" "can't verify P-521 signatures: they came with Linux 6.10" "P-384" \
    "${sign[@]}" --key "$keys/p521.key" --certificate "$keys/p521.der" --hash sha512 m
refused "$keys/rsa2048.key" "can't verify sha3-256 signatures: they came with Linux 6.7" "--hash sha512" \
    "${sign[@]}" --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der" --hash sha3-256 m
mv whole "$build_folder/.config"

step "a certificate that no kernel parses"
openssl req -new -x509 -key "$keys/rsa2048.key" -sigopt rsa_padding_mode:pss -subj /CN=pss -out pss.pem
refused pss.pem "is signed with rsassaPss, which no kernel knows" "ksign keys generate" \
    "${sign[@]}" --key "$keys/rsa2048.key" --certificate pss.pem m
openssl ecparam -name secp384r1 -genkey -noout -param_enc explicit -out explicit.key
openssl req -new -x509 -key explicit.key -subj /CN=explicit -out explicit.pem
refused explicit.key "EC on another curve" "P-384" "${sign[@]}" --key explicit.key --certificate explicit.pem m

step "a hash that the kernel has not"
sed -i '/CRYPTO_SHA512/d; s/MODULE_SIG_HASH=.*/MODULE_SIG_HASH="sha256"/' "$build_folder/.config"
refused root/keys-elsewhere/20990101-0000/signing_prv.pem "can't verify sha512 signatures: CONFIG_CRYPTO_SHA512 is not set" \
    "sign with a hash that it has" "${sign[@]}" --hash sha512 m
signs_with p384 sha256
step "a kernel that verifies nothing takes all; one without .config is believed"
sed -i 's/CONFIG_MODULE_SIG=y/# CONFIG_MODULE_SIG is not set/' "$build_folder/.config"
signs_with p384 sha512 --hash sha512
mkdir -p "$build_folder/include/config"
printf 'CONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_RSA=y\n' >"$build_folder/include/config/auto.conf"
rm "$build_folder/.config"
refused root/keys-elsewhere/20990101-0000/signing_prv.pem "CONFIG_CRYPTO_ECDSA is not set" "RSA" "${sign[@]}" m
rm "$build_folder/include/config/auto.conf"
signs_with p384 sha512
step "without headers: the configuration in boot, or beside the modules"
echo "key = $keys/p384.key" >other.conf
echo "certificate = $keys/p384.der" >>other.conf
mv "$build_folder" headers-gone
mkdir root/boot
for file in boot/config-1.2.3-test lib/modules/1.2.3-test/config; do
    printf '%s\n' CONFIG_MODULE_SIG=y CONFIG_CRYPTO_RSA=y CONFIG_CRYPTO_SHA256=y 'CONFIG_MODULE_SIG_HASH="sha256"' \
        >root/$file
    new_module "$module"
    refused "$keys/p384.key" "CONFIG_CRYPTO_ECDSA is not set in root/$file" "RSA" "${sign[@]}" --config other.conf m
    signs_with rsa2048 sha256 --key "$keys/both.pem"
    rm root/$file
done
signs_with p384 sha512 --config other.conf
