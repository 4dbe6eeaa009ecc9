# shellcheck shell=bash disable=SC2034,SC2154 # shares variables with tests/kernel/run
#
# The keys of the kernel tests. Kernels hold their certificates, so they are cached with these. Sourced by
# tests/kernel/run; needs $cache, $project, fail and newer.
#
# They are made with openssl, as are those of other people's certs-local. The key that a kernel is built with is ksign's:
# kernels.sh.

# new_key NAME OPTIONS OF GENPKEY…: NAME.key (PEM), NAME.pem and NAME.der (its certificate).
new_key() {
    local name=$1
    shift
    newer openssl genpkey -quiet "$@" -out "$name.key"
    newer openssl req -new -x509 -utf8 -sha512 -days 36500 -batch -config "$project/conf/x509.oot.genkey" \
        -subj "/CN=ksign kernel test $name" -key "$name.key" -out "$name.pem"
    newer openssl x509 -in "$name.pem" -outform DER -out "$name.der"
}

make_keys() (
    umask 077
    cd "$1" || exit
    set -e
    new_key rsa4096 -algorithm RSA -pkeyopt rsa_keygen_bits:4096
    new_key rsa2048 -algorithm RSA -pkeyopt rsa_keygen_bits:2048
    new_key p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
    new_key p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
    new_key p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521
    new_key mldsa44 -algorithm ML-DSA-44
    new_key mldsa65 -algorithm ML-DSA-65
    new_key mldsa87 -algorithm ML-DSA-87
    # In every kernel's list of trusted keys, and in its list of revoked ones.
    new_key revoked -algorithm RSA -pkeyopt rsa_keygen_bits:2048
    # In none.
    new_key stranger -algorithm RSA -pkeyopt rsa_keygen_bits:2048
)

# use_keys: sets $keys, the folder with them.
use_keys() {
    keys=$cache/keys-$( (declare -f new_key make_keys && cat "$project/conf/x509.oot.genkey") | sha256sum | cut -c 1-16)
    [[ ! -e $keys/complete ]] || return 0
    echo "making keys"
    rm -rf "$cache"/keys-*
    mkdir -p "$keys"
    make_keys "$keys" >"$keys/log" 2>&1 || { cat "$keys/log" && fail "the keys could not be made"; }
    touch "$keys/complete"
}

# lay_out_key BUILD_FOLDER KEY: one of them as a kernel's own, as Arch-SKM lays it out.
lay_out_key() {
    local certs=$1/certs-local key=$2 folder
    folder=$certs/20240101-1200
    mkdir -p "$folder"
    cp "$keys/$key.key" "$folder/signing_prv.pem"
    cp "$keys/$key.der" "$folder/signing_crt.crt"
    cat "$keys/$key.key" "$keys/$key.pem" >"$folder/signing_key.pem"
    chmod 600 "$folder/signing_prv.pem" "$folder/signing_key.pem"
    ln -sfn 20240101-1200 "$certs/current"
}
