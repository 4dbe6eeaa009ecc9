# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# One vmlinux in every payload compression and in each kind of image, packed by
# the programs that a kernel's build uses; and images that are damaged or hostile.
for program in gzip xz zstd lz4 objcopy; do
    command -v "$program" >/dev/null || fail "$program is not installed"
done
config=$scratch/config
printf '%s\n' CONFIG_MODULE_SIG=y CONFIG_CRYPTO_RSA=y CONFIG_CRYPTO_SHA256=y CONFIG_CRYPTO_SHA512=y >"$config"

# number VALUE SIZE: little endian.
number() {
    local value=$1 count
    for ((count = 0; count < $2; ++count)); do
        # shellcheck disable=SC2059 # the octal escape is the format
        printf "\\$(printf %o $((value & 255)))"
        value=$((value >> 8))
    done
}

# align FILE N: zero bytes up to a multiple of N.
align() {
    truncate -s "%$2" "$1"
}

step "a vmlinux as certs/system_certificates.S lays it out"
{ printf '\x7fELF' && head -c 300000 "$(command -v openssl)"; } >vmlinux
align vmlinux 8
first=$(stat -c %s "$keys/rsa2048.der")
total=$((first + $(stat -c %s "$keys/p384.der")))
cat "$keys/rsa2048.der" "$keys/p384.der" >>vmlinux
align vmlinux 8
{
    number "$total" 8 && number "$first" 8
    printf 'Linux version 6.12.1-test (builder@host) (gcc) #1 SMP\n'
    head -c 9000000 /dev/zero
    head -c 200000 /dev/urandom
} >>vmlinux
size=$(stat -c %s vmlinux)

new_module rsa.ko
new_module ec.ko
new_module stranger.ko
silently sign-file sha512 "$keys/rsa2048.key" "$keys/rsa2048.der" rsa.ko
silently sign-file sha512 "$keys/p384.key" "$keys/p384.der" ec.ko
silently sign-file sha512 "$keys/stranger.key" "$keys/stranger.der" stranger.ko

# bzimage PAYLOAD OUTPUT: Documentation/arch/x86/boot.rst.
bzimage() {
    local sectors=2
    {
        printf 'MZ' && head -c $((0x1f1 - 2)) /dev/zero && number "$sectors" 1
        head -c $((0x202 - 0x1f2)) /dev/zero && printf HdrS && number $((0x20f)) 2
        head -c $((0x248 - 0x208)) /dev/zero && number 64 4 && number "$(stat -c %s "$1")" 4
        head -c $(((sectors + 1) * 512 - 0x250 + 64)) /dev/zero && cat "$1" && head -c 5000 /dev/zero
    } >"$2"
}

# zboot PAYLOAD SIZE OUTPUT: drivers/firmware/efi/libstub/zboot-header.S.
zboot() {
    {
        printf 'MZ\0\0zimg' && number 512 4 && number "$2" 4 && head -c 496 /dev/zero && cat "$1"
    } >"$3"
}

# check IMAGE: all of the vmlinux is seen.
check() {
    local image=$1
    expect_exit 1 ksign verify --json --image "$image" --kernel-config "$config" rsa.ko stranger.ko
    expect_json '[m["verdict"] for m in d["modules"]]' "['loads', 'refused']"
    expect_json '[m["console"] for m in d["modules"]]' "['', 'Loading of module with unavailable key is rejected']"
    expect_json '[t["name"] for t in d["kernel"]["trusted"]]' "['ksign test key rsa2048', 'ksign test key p384']"
    expect_json 'd["kernel"]["release"]' 6.12.1-test
    expect_json 'd["modules"][0]["trust_origin"]' "built into $image"
}

step "plain, and in each compression by itself"
check vmlinux
gzip -n9 <vmlinux >vmlinux.gz
# scripts/xz_wrap.sh, and Makefile.lib's commands.
xz --check=crc32 --x86 --lzma2=dict=8MiB <vmlinux >vmlinux.xz
zstd -q -19 <vmlinux >vmlinux.zst
lz4 -q -l -9 - - <vmlinux >vmlinux.lz4
for suffix in gz xz zst lz4; do
    check "vmlinux.$suffix"
done

step "bzImage and EFI zboot, and unified kernel images with them"
bzimage vmlinux bz.plain
bzimage vmlinux.gz bz.gz
zboot vmlinux.gz "$(stat -c %s vmlinux.gz)" zboot.gz
for suffix in xz zst lz4; do
    { cat "vmlinux.$suffix" && number "$size" 4; } >payload
    bzimage payload "bz.$suffix"
    zboot payload "$(stat -c %s "vmlinux.$suffix")" "zboot.$suffix"
done
for image in bz.plain bz.gz bz.xz bz.zst bz.lz4 zboot.gz zboot.xz zboot.zst zboot.lz4; do
    check "$image"
done
# As ukify and objcopy make them: sections added to a PE stub. Any PE will do for one.
printf 'int _start(void) { return 0; }\n' >stub.c
gcc -shared -nostdlib -fPIC -o stub.so stub.c
objcopy -O pei-x86-64 stub.so stub.efi 2>/dev/null || objcopy -I elf64-x86-64 -O efi-app-x86_64 stub.so stub.efi
for image in bz.zst zboot.lz4; do
    printf 'initrd' >initrd
    objcopy --add-section .initrd=initrd --change-section-vma .initrd=0x3000000 \
        --add-section ".linux=$image" --change-section-vma .linux=0x2000000 stub.efi "uki.$image"
    check "uki.$image"
done

step "a key that the kernel's configuration leaves out"
expect_exit 1 ksign verify --json --image bz.xz --kernel-config "$config" ec.ko
expect_json 'd["modules"][0]["errno"], d["modules"][0]["console"]' \
    "('EKEYREJECTED', 'Loading of module with unavailable key is rejected')"
expect_json '[t.get("unusable") for t in d["kernel"]["trusted"]]' \
    "[None, 'this kernel has no ECDSA: CONFIG_CRYPTO_ECDSA is not set']"
echo CONFIG_CRYPTO_ECDSA=y >>"$config"
expect_exit 0 ksign verify --image bz.xz --kernel-config "$config" ec.ko

step "truncated images"
for image in bz.xz bz.zst bz.lz4 zboot.gz "uki.bz.zst" vmlinux.xz vmlinux.lz4; do
    head -c $(($(stat -c %s "$image") / 2)) "$image" >short
    refused short "not a whole kernel image" "reinstall the kernel's package" ksign verify --image short rsa.ko
done
refused stub.c "is no kernel image that ksign knows" "name a bzImage" ksign verify --image stub.c rsa.ko

step "a module in an image's place, packed or not"
for container in plain xz zst gz; do
    new_module "m.$container" $container
    refused "m.$container" "is a kernel module or another object file, and no kernel image" "name a bzImage" \
        ksign verify --image "m.$container" rsa.ko
done

step "hostile images: bounded in time and memory"
# 3 GiB of zero bytes from a few hundred KiB.
head -c 3221225472 /dev/zero | zstd -q -19 --long=27 -T1 >bomb.zst
# 64 MiB that look like the start of a certificate everywhere.
{ printf '\x7fELF' && printf '\x30\x82\xff\xf0%.0s' {1..4096}; } >unit
for ((round = 0; round < 12; ++round)); do cat unit unit >twice && mv twice unit; done
# hostile STATUS IMAGE PEAK: the peak in KiB.
hostile() {
    expect_exit "$1" /usr/bin/time -o "$scratch/time" -f '%M %e' timeout 60 "$bin/ksign" verify --image "$2" rsa.ko
    read -r peak seconds < <(tail -n 1 "$scratch/time") # before it stands that the command failed
    figure "$2: peak $((peak / 1024)) MiB, $seconds s"
    ((peak < $3)) || fail "$2: peak of $peak KiB"
}
# A kernel's build runs zstd -22 --ultra, whose window of 128 MiB the decoder must hold.
hostile 1 bomb.zst $((192 * 1024))
said bomb.zst "unpacks to more than 2147483648 bytes" "reinstall"
hostile 1 unit $((64 * 1024))
said unit "is no kernel image: it has no \"Linux version\" in it" "name a bzImage"
