# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Modules that can't be signed: exit 1, a message with path, cause and remedy, the
# file as it was, and nothing beside it. The same for sign, strip, show, sign-file.
signing=(--key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der")
rebuild="rebuild or reinstall the module"

# all_refuse NAME CAUSE HINT: case/NAME, which is gone afterwards.
all_refuse() {
    echo "$1: $2"
    no_change all_say "case/$1" "$2" "$3"
    rm -r case
}

all_say() {
    local module=$1 cause=$2 hint=$3 command
    for command in sign "sign --dry-run" strip show sign-file "sign-file -d" "sign-file -p"; do
        # shellcheck disable=SC2206 # words
        local words=($command)
        case $command in
            sign*-file*) words+=(sha512 "$keys/rsa2048.key" "$keys/rsa2048.der" "$module") ;;
            sign*) words+=("${signing[@]}" "$module") ;;
            *) words+=("$module") ;;
        esac
        [[ $command != *-p ]] || words+=(case/dest.ko)
        expect_exit 1 ksign "${words[@]}"
        [[ ! -s $out ]] || fail "something on standard output: $(<"$out")"
        said "$module" "$cause" "$hint"
    done
}

step "no modules"
mkdir case && echo "no module" >case/text.ko
all_refuse text.ko "not a kernel module: it is not an ELF file" ""
mkdir case && : >case/empty.ko
all_refuse empty.ko "not a kernel module: it is empty" ""
mkdir case && printf '\x7fELF' >case/four-bytes.ko
all_refuse four-bytes.ko "its ELF header is truncated" "$rebuild"
mkdir case && head -c 63 "$samples/sample.ko" >case/header.ko
all_refuse header.ko "its ELF header is truncated" "$rebuild"
mkdir case && cp /bin/true case/program.ko
all_refuse program.ko "not a relocatable one (a program or a shared library?)" ""
mkdir case && head -c -1 "$samples/sample.ko" >case/truncated.ko
all_refuse truncated.ko "truncated: its section headers lie beyond its end" "$rebuild"
mkdir case && head -c 5000 "$samples/sample.ko" >case/cut.ko
all_refuse cut.ko "truncated: its section headers lie beyond its end" "$rebuild"
for container in xz zst gz; do
    mkdir case && head -c 5000 "$samples/sample.ko" | compress $container >case/cut.ko.$container
    all_refuse cut.ko.$container "truncated: its section headers lie beyond its end" "$rebuild"
    mkdir case && compress $container </bin/true >case/program.ko.$container
    all_refuse program.ko.$container "not a relocatable one" ""
    mkdir case && compress $container </dev/null >case/nothing.ko.$container
    all_refuse nothing.ko.$container "it is empty" ""
done

step "trailers that lie"
new_module m.ko
silently sign-file -d sha512 "$keys/rsa2048.key" "$keys/rsa2048.der" m.ko
size=$(stat -c %s m.ko.p7s)
# lying NAME TYPE LENGTH [FIELD]: sample.ko with its true signature and such a trailer.
lying() {
    mkdir case
    { cat "$samples/sample.ko" m.ko.p7s && trailer "${@:2}"; } >"case/$1"
}
lying too-large.ko 2 200000000
all_refuse too-large.ko "broken signature: it claims 200000000 bytes, and only" "$rebuild"
lying absurd.ko 2 4294967295
all_refuse absurd.ko "broken signature: it claims 4294967295 bytes, and only" "$rebuild"
lying all-of-it.ko 2 $(($(stat -c %s "$samples/sample.ko") + size))
all_refuse all-of-it.ko "broken signature: " "$rebuild"
lying one-less.ko 2 $((size - 1))
all_refuse one-less.ko "broken signature: its length of $((size - 1)) bytes does not lead to a CMS message" "$rebuild"
lying one-more.ko 2 $((size + 1))
all_refuse one-more.ko "broken signature: its length of $((size + 1)) bytes does not lead to a CMS message" "$rebuild"
lying zero.ko 2 0
all_refuse zero.ko "broken signature: its length of 0 bytes does not lead to a CMS message" "$rebuild"
lying type.ko 1 "$size"
all_refuse type.ko "broken signature: its type is 1, and the kernel knows PKCS#7 (2) only" "$rebuild"
lying field.ko 2 "$size" 5
all_refuse field.ko "broken signature: a field that must be zero is not" "$rebuild"
mkdir case && printf '~Module signature appended~\n' >case/marker.ko
all_refuse marker.ko "broken signature: the file is too short for one" "$rebuild"
mkdir case && trailer 2 0 >case/trailer.ko
all_refuse trailer.ko "broken signature: " "$rebuild"
mkdir case && { cat "$samples/sample.ko" && printf '~Module signature appended~\n'; } >case/marker-after-elf.ko
all_refuse marker-after-elf.ko "broken signature: " "$rebuild"
# Below a good one, where the kernel does not look, but ksign has to.
mkdir case
{ cat "$samples/sample.ko" m.ko.p7s && trailer 1 "$size" && cat m.ko.p7s && trailer 2 "$size"; } >case/below.ko
all_refuse below.ko "broken signature: its type is 1" "$rebuild"
lying compressed 2 $((size - 1))
compress zst <case/compressed >case/compressed.ko.zst
all_refuse compressed.ko.zst "broken signature: its length" "$rebuild"

step "a marker without its last byte is payload, as it is to the kernel"
{ cat "$samples/sample.ko" m.ko.p7s && trailer 2 "$size" | head -c -1; } >almost.ko
cp almost.ko original.ko
silently sign-file sha512 "$keys/rsa2048.key" "$keys/rsa2048.der" almost.ko
expect_signed almost.ko rsa2048 sha512 "$PWD/original.ko"

step "compressed data that does not decode"
for container in xz zst gz; do
    case $container in xz) name=xz ;; zst) name=zstd ;; gz) name=gzip ;; esac
    new_module whole.ko $container
    whole=$(stat -c %s whole.ko)
    mkdir case && head -c $((whole / 2)) whole.ko >case/half.ko
    all_refuse half.ko "$name: the data ends too early" "$rebuild"
    mkdir case && head -c $((whole - 1)) whole.ko >case/last-byte.ko
    all_refuse last-byte.ko "$name: the data ends too early" "$rebuild"
    mkdir case && cp whole.ko case/flipped.ko
    head -c 400 /dev/zero | dd of=case/flipped.ko bs=1 seek=$((whole / 2)) conv=notrunc status=none
    all_refuse flipped.ko "$name: " "$rebuild"
    mkdir case && { cat whole.ko && echo garbage; } >case/garbage.ko
    all_refuse garbage.ko "$name: " "$rebuild"
    mkdir case && head -c 6 whole.ko >case/magic.ko
    all_refuse magic.ko "$name: " "$rebuild"
done
# The checksum at the end is compared: kmod does so too, the kernel for zstd.
for container in zst gz; do
    new_module whole.ko $container
    at=$(($(stat -c %s whole.ko) - 4 * (1 + $([[ $container == gz ]] && echo 1 || echo 0))))
    mkdir case && cp whole.ko case/sum.ko
    printf '\x01\x02\x03\x04' | dd of=case/sum.ko bs=1 seek=$at conv=notrunc status=none
    all_refuse sum.ko ": " "$rebuild"
done

step "no memory to decode: no word about the module, and no verdict"
xz --check=crc32 --lzma2=preset=6,dict=64MiB <"$samples/sample.ko" >large-dictionary.ko.xz
# shellcheck disable=SC2016 # for the inner shell
with_little_memory() { expect_exit 1 bash -c 'ulimit -v 70000 && exec "$@"' - "$bin/ksign" "$@" large-dictionary.ko.xz; }
for command in "sign ${signing[*]}" strip show "verify -j 1 --trust $keys/rsa2048.der"; do
    # shellcheck disable=SC2086 # words
    with_little_memory $command
    said large-dictionary.ko.xz "there is not enough memory" "ulimit -v"
done
rm large-dictionary.ko.xz

step "decompression bombs"
for container in xz zst gz; do
    mkdir case
    { cat "$samples/sample.ko" && head -c 40000000 /dev/zero; } | compress $container >case/bomb.ko
    [[ $(stat -c %s case/bomb.ko) -lt 200000 ]] || fail "not much of a bomb"
    for command in "sign ${signing[*]}" strip show; do
        # shellcheck disable=SC2086 # words
        refused case/bomb.ko "holds more than 31457280 bytes of module" "--max-size" ksign $command --max-size 30M case/bomb.ko
    done
    printf 'max-size = 30M\n' >ksign.conf
    refused case/bomb.ko "holds more than 31457280 bytes of module" "max-size in ksign.conf" \
        ksign sign --config ksign.conf "${signing[@]}" case/bomb.ko
    # It is not the compressed size that counts, and not that of the signature.
    expect_exit 0 ksign show --max-size 40M case/bomb.ko
    rm -rf case
done
mkdir case && head -c 40000000 /dev/zero >case/plain.ko
refused case/plain.ko "holds more than 31457280 bytes" "--max-size" ksign sign "${signing[@]}" --max-size 30M case/plain.ko
rm -r case
