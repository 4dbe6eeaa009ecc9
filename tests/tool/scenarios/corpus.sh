# shellcheck shell=bash disable=SC2154,SC2164 # variables of environment.sh; set -e of run
# Every module of Debian's newest kernel: signed, right, and otherwise what it was.
# All of them plain; compressed a spread sample and the largest three, as xz takes
# its time; KSIGN_TEST_FULL=1 for all in each container. They are signed by Debian
# already, so the payload is known from a tool of our own (payload.py).
command -v apt-get >/dev/null || skip "the modules are those of Debian's kernel package, and there is no apt-get"
signing=(--hash sha512 --key "$keys/rsa2048.key" --certificate "$keys/rsa2048.der")

step "the package, from the cache or from Debian's mirror"
debian_kernel
count=$package_count
original=$package_modules
if [[ -n $(find "$original" -name '*.ko.*' -type f -print -quit) ]]; then
    # As those of Debian 13.
    cp -r "$original" "$scratch/original"
    original=$scratch/original
    find "$original" -name '*.ko.xz' -type f -print0 | xargs -0 -P "$(nproc)" -n 50 xz -d
fi
[[ $(find "$original" -name '*.ko' -type f | wc -l) == "$count" ]] || fail "$original has not the package's $count modules"
echo "$package: $count modules"

# sums FOLDER: "payload's SHA-256, number of signatures, module without suffix", sorted.
sums() {
    (cd "$1" && find . -type f -name '*.ko*' -print0 | "$tool_tests/payload.py" sums) | sed 's/\.ko\.[a-z]*$/.ko/' | sort -k 3
}
sums "$original" >original.sums
[[ $(wc -l <original.sums) == "$count" ]]
cut -d ' ' -f 1,3 original.sums >payloads
[[ $(cut -d ' ' -f 2 original.sums | sort | uniq -c | tr -d '\n') == *" $count 1" ]] || fail "not every module is signed once by Debian"

# The spread sample: every so many, and the largest three.
(cd "$original" && find . -type f -name '*.ko' | sort) >all
if [[ -n ${KSIGN_TEST_FULL-} ]]; then
    cp all sample
else
    { sed -n '1~20p' all && (cd "$original" && find . -type f -name '*.ko' -printf '%s %p\n' | sort -rn | sed -n 1,3p |
        cut -d ' ' -f 2); } | sort -u >sample
fi

# prepare: gives modules in the current folder owners, modes and attributes of their own.
prepare() {
    find . -type f -name '*.ko*' -print0 >files
    xargs -0 chmod 640 <files
    ((EUID != 0)) || xargs -0 chown 12:34 <files
    xargs -0 setfattr -n user.ksign -v "as it was" <files || fail "the file system of $PWD has no extended attributes"
}

# state: names, times and inodes of all modules.
state() {
    find . -type f -name '*.ko*' -printf '%i %T@ %s %p\n' | sort
}

# check CONTAINER COUNT: all in the current folder were signed, and are otherwise as they were.
check() {
    local container=$1 wanted=$2 file found owner=12:34 name=$1
    ((EUID == 0)) || owner=$(id -u):$(id -g)
    case $container in zst) name=zstd ;; gz) name=gzip ;; esac
    [[ $(grep -c ": signed again (ksign test key rsa2048, RSA-2048, sha512, $name)\$" "$out") == "$wanted" ]] ||
        fail "$container: not $wanted modules signed: $(tail -n 3 "$out")"
    [[ $(wc -l <"$out") == "$wanted" && ! -s $err ]] || fail "$container: more was said: $(<"$err")"

    sums . >signed.sums
    [[ $(wc -l <signed.sums) == "$wanted" ]] || fail "$container: $(wc -l <signed.sums) modules are left"
    cut -d ' ' -f 1,3 signed.sums | sort >now
    [[ $(sort "$scratch/work/payloads" | comm -12 - now | wc -l) == "$wanted" ]] || fail "$container: a payload has changed"
    [[ $(cut -d ' ' -f 2 signed.sums | sort | uniq -c | tr -d '\n') == *" $wanted 1" ]] ||
        fail "$container: not every module has exactly one signature"

    found=$(find . -type f -name '*.ko*' -printf '%m %U:%G\n' | sort | uniq -c | sed 's/^ *//')
    [[ $found == "$wanted 640 $owner" ]] || fail "$container: modes and owners: $found"
    found=$(xargs -0 getfattr -n user.ksign --only-values <files | grep -o 'as it was' | wc -l)
    ((found == wanted)) || fail "$container: $found of $wanted kept their extended attribute"
    [[ -z $(find . -mindepth 1 -name '.*') ]] || fail "$container: something was left"

    # What kmod says of each; Debian's reads no gzip.
    if [[ $container != gz ]]; then
        [[ $(xargs -0 modinfo -F sig_hashalgo <files | sort | uniq -c | sed 's/^ *//') == "$wanted sha512" ]] ||
            fail "$container: modinfo sees other hashes"
        [[ $(xargs -0 modinfo -F signer <files | sort | uniq -c | sed 's/^ *//') == "$wanted ksign test key rsa2048" ]] ||
            fail "$container: modinfo sees other signers"
    fi
    # openssl, for a spread sample of those.
    local verified=0 last
    while IFS= read -r file; do
        "$tool_tests/payload.py" split "$file" payload signature
        verify payload signature "$keys/rsa2048.pem" || fail "$file: its signature is not right: $(<"$scratch/verify.log")"
        verified=$((verified + 1)) last=$file
    done < <(tr '\0' '\n' <files | sort | sed -n "1~$((wanted / 50 + 1))p")
    ((verified >= 20)) || fail "$container: only $verified were verified"
    [[ $container == plain ]] || expect_loadable "$last" "$container"

    # Once more: nothing is written.
    state >before
    expect_exit 0 ksign sign "${signing[@]}" .
    [[ $(grep -c ': already signed (' "$out") == "$wanted" ]] || fail "$container: not all were left alone"
    state | cmp before - || fail "$container: a second run has touched something"
    figure "$container: $wanted modules, $verified verified by openssl"
}

for container in plain xz zst gz; do
    step "$container"
    mkdir "$scratch/work/$container"
    cd "$scratch/work/$container"
    if [[ $container == plain ]]; then
        cp -r --reflink=auto "$original/kernel" .
        wanted=$count
    else
        (cd "$original" && tr '\n' '\0' <"$scratch/work/sample" | xargs -0 cp --parents --reflink=auto -t "$scratch/work/$container")
        wanted=$(wc -l <"$scratch/work/sample")
        case $container in
            xz) find . -name '*.ko' -print0 | xargs -0 xz --check=crc32 --lzma2=dict=1MiB -T2 ;;
            zst) find . -name '*.ko' -print0 | xargs -0 zstd -q --rm -3 ;;
            gz) find . -name '*.ko' -print0 | xargs -0 gzip -n ;;
        esac
    fi
    prepare
    start=$SECONDS
    expect_exit 0 ksign sign "${signing[@]}" .
    echo "signed in $((SECONDS - start)) s"
    check "$container" "$wanted"
    cd "$scratch/work"
    rm -rf "${scratch:?}/work/$container"
done
