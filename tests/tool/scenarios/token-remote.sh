# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# One token for many machines: behind `p11-kit server`, and by `p11-kit remote` as
# over ssh. Signers here see the token by no other way.
make_token
add_certificate rsa2048 01
(umask 077 && echo 123456 >pin)
client=$(compgen -G '/usr/lib/*/pkcs11/p11-kit-client.so' || compgen -G '/usr/lib*/pkcs11/p11-kit-client.so') ||
    fail "p11-kit-client.so is not installed; Debian has it in p11-kit-modules"
client=$(head -n 1 <<<"$client")
key=(--hash sha256 --key "pkcs11:token=ksign-test;object=rsa2048")
reference-sign-file sha256 "$keys/rsa2048.key" "$keys/rsa2048.der" "$samples/sample.ko" expected.ko

# all_signed FOLDER NUMBER: with RSA the bytes are those of the key in a file.
all_signed() {
    local module number=0
    for module in "$1"/*.ko; do
        cmp "$module" expected.ko
        number=$((number + 1))
    done
    ((number == $2)) || fail "$number modules in $1"
}

step "a server of its own, as the HSM's machine has it"
export XDG_RUNTIME_DIR=$scratch/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
p11-kit server --provider "$softhsm_module" --name "$XDG_RUNTIME_DIR/hsm" "pkcs11:token=ksign-test" >server.sh
server=$(sed -n 's/^P11_KIT_SERVER_PID=\([0-9]*\);.*/\1/p' server.sh)
[[ -n $server ]] || fail "no server: $(<server.sh)"
trap 'kill "$server"' EXIT
token_configuration=$SOFTHSM2_CONF
unset SOFTHSM2_CONF
new_module m.ko
expect_exit 1 ksign sign "${key[@]}" --pin-file pin m.ko
export P11_KIT_SERVER_ADDRESS=unix:path=$XDG_RUNTIME_DIR/hsm

# SoftHSM fails by itself when several open its store at the very same moment, whoever they are (pkcs11-tool in place of
# ksign sees CKR_GENERAL_ERROR as often): each starts when the one before is past that.
step "two signers at once, by p11-kit-client.so, and beside them one module at a time: as DKMS calls sign-file"
for signer in 1 2; do
    for ((number = 0; number < 150; number++)); do
        new_module "modules$signer/m$number.ko"
    done
done
signers=()
for signer in 1 2; do
    PKCS11_MODULE_PATH=$client ksign sign "${key[@]}" --pin-file pin "modules$signer" >"said$signer" 2>&1 &
    signers+=($!)
    waited=0
    until cmp -s "modules$signer/m0.ko" expected.ko; do
        sleep 0.02
        waited=$((waited + 1))
        ((waited < 1500)) || fail "signer $signer does not begin: $(<"said$signer")"
    done
done
for ((number = 0; number < 8; number++)); do
    new_module "single/m$number.ko"
    KBUILD_SIGN_PIN=123456 PKCS11_MODULE_PATH=$client \
        expect_exit 0 sign-file sha256 "${key[3]}" "${key[3]}" "single/m$number.ko"
done
for signer in 1 2; do
    wait "${signers[signer - 1]}" || fail "signer $signer: $(<"said$signer")"
    all_signed "modules$signer" 150
done
all_signed single 8

step "a wrong PIN, and a server that is gone: said, and the module is as it was"
new_module case/m.ko
(umask 077 && echo 000000 >wrong-pin)
export PKCS11_MODULE_PATH=$client
refused "${key[3]}" "(a wrong PIN, or no such key?)" "p11tool" ksign sign "${key[@]}" --pin-file wrong-pin case/m.ko
P11_KIT_SERVER_ADDRESS=unix:path=$XDG_RUNTIME_DIR/nothing \
    refused "${key[3]}" "find the certificate in the token" "p11tool" ksign sign "${key[@]}" --pin-file pin case/m.ko
unset PKCS11_MODULE_PATH P11_KIT_SERVER_ADDRESS

step "set up for good, by openssl.cnf: nothing in the environment but what names that file"
printf '%s\n' "openssl_conf = openssl_init" "[openssl_init]" "engines = engines" "[engines]" "pkcs11 = pkcs11" \
    "[pkcs11]" "MODULE_PATH = $softhsm_module" "init = 0" >openssl.cnf
new_module m.ko
expect_exit 0 env -i OPENSSL_CONF=openssl.cnf SOFTHSM2_CONF="$token_configuration" \
    "$bin/ksign" sign "${key[@]}" --pin-file pin m.ko
cmp m.ko expected.ko

step "set up for good, by a file as in /etc/pkcs11/modules: nothing in the environment, as under DKMS"
unshare --mount --propagation private true 2>/dev/null ||
    skip "no mount namespace can be made here, so modules of p11-kit could not be set up"
printf '%s\n' "key = ${key[3]}" "pin-file = $PWD/pin" "hash = sha256" >ksign.conf
mkdir modules.d
cat >in-namespace.sh <<'END'
set -euo pipefail
mount --bind modules.d /usr/share/p11-kit/modules
exec env -i PATH="$PATH" "$bin/post-build" --config ksign.conf --dkms-tree tree --module package --module-version 1.0 \
    -k 0.0.0-none --arch x86_64
END
export bin
for remote in "unix:path=$XDG_RUNTIME_DIR/hsm" "|env SOFTHSM2_CONF=$token_configuration p11-kit remote $softhsm_module"; do
    new_module tree/package/1.0/0.0.0-none/x86_64/module/m.ko
    echo "remote: $remote" >modules.d/hsm.module
    expect_exit 0 unshare --mount --propagation private bash in-namespace.sh
    all_signed tree/package/1.0/0.0.0-none/x86_64/module 1
done

step "a remote that ends at once is an error, not the end by a signal"
echo "remote: |false" >modules.d/hsm.module
new_module tree/package/1.0/0.0.0-none/x86_64/module/m.ko
expect_exit 1 unshare --mount --propagation private bash in-namespace.sh
said "${key[3]}" "find the certificate in the token" "p11tool"
cmp tree/package/1.0/0.0.0-none/x86_64/module/m.ko "$samples/sample.ko"
