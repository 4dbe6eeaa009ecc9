# shellcheck shell=bash disable=SC2154 # variables of run
# Arch's package, built by makepkg and installed by pacman into a root that has the
# machine's own programs, so that its scripts and hooks run there.

arch_built() {
    # makepkg is never root.
    build arch
    local package
    package=$(compgen -G "$built/arch/ksign-0*.pkg.tar*")
    bsdtar -tf "$package" >"$work/files"
    for file in .INSTALL usr/bin/ksign usr/lib/ksign/post-build etc/dkms/kernel-sign.conf \
        usr/share/libalpm/hooks/65-ksign-{before,after}.hook usr/share/libalpm/scripts/ksign; do
        grep -qx "$file" "$work/files" || fail "$file is not in the package"
    done
}

pacman_in() {
    pacman --root "$arch_root" --config "$work/pacman.conf" --noconfirm --hookdir "$arch_root/usr/share/libalpm/hooks" "$@"
}

# dummy_package NAME VERSION [LINE]: one with a module's source, as Arch's dkms packages have it. LINE names the module.
dummy_package() {
    local folder=$work/$1-dkms
    rm -rf "$folder"
    mkdir -p "$folder/usr/src/$1-$2"
    printf '%s\nPACKAGE_VERSION="%s"\n' "${3-PACKAGE_NAME=\"$1\"}" "$2" >"$folder/usr/src/$1-$2/dkms.conf"
    printf '%s\n' "pkgname = $1-dkms" "pkgbase = $1-dkms" "pkgver = $2-1" "pkgdesc = test" "builddate = 1" "packager = test" \
        "size = 1" "arch = any" >"$folder/.PKGINFO"
    (cd "$folder" && bsdtar -czf "$work/$1-dkms-$2-1-any.pkg.tar.gz" .PKGINFO usr)
}

# keeps_states VERSION: of three packages, one is linked, one has a line in a file of the user's, one is disabled; and all are
# as they were after this version has come.
keeps_states() {
    local name files=()
    for name in linked appended disabled; do
        dummy_package "$name" "$1"
        files+=("$work/$name-dkms-$1-1-any.pkg.tar.gz")
    done
    pacman_in -U "${options[@]}" "${files[@]}" >"$work/said" 2>&1
    cat "$work/said"
    ! grep -E 'is your own|does not call|error:' "$work/said" || fail "$1: a message about nothing"
    [[ $(readlink "$arch_root/etc/dkms/linked.conf") == kernel-sign.conf ]] || fail "$1: the link is lost"
    cmp "$work/appended.conf" "$arch_root/etc/dkms/appended.conf" || fail "$1: the user's file is another"
    [[ ! -e $arch_root/etc/dkms/disabled.conf ]] || fail "$1: what was disabled is enabled"
}

dkms_states() {
    local name number=0
    for name in linked appended disabled; do dummy_package "$name" 1.0; done
    echo '# mine' >"$arch_root/etc/dkms/appended.conf"
    pacman_in -U "${options[@]}" "$work"/{linked,appended,disabled}-dkms-1.0-1-any.pkg.tar.gz >"$work/said" 2>&1
    cat "$work/said"
    grep -q 'appended.conf: is your own' "$work/said" || fail "a file that is in the way is not told"
    chroot "$arch_root" ksign dkms enable --append appended
    cp "$arch_root/etc/dkms/appended.conf" "$work/"
    chroot "$arch_root" ksign dkms disable disabled
    keeps_states 2.0
    keeps_states 2.0
    pacman_in -R linked-dkms appended-dkms disabled-dkms
    [[ ! -L $arch_root/etc/dkms/linked.conf ]] || fail "the link was left"
    [[ $(<"$arch_root/etc/dkms/appended.conf") == '# mine' ]] || fail "the line was left: $(<"$arch_root/etc/dkms/appended.conf")"
    [[ $(ls -A "$arch_root/run") == "" ]] || fail "a note was left"

    echo "-- names as a dkms.conf may write them"
    # shellcheck disable=SC2016 # the shell of a dkms.conf
    local -A lines=([single]="PACKAGE_NAME='single'" [commented]='PACKAGE_NAME=commented # "the name"' [blank]='PACKAGE_NAME=blank '
        [indented]=$'\tPACKAGE_NAME="indented" # \'x\'' [folder5]='PACKAGE_NAME=$name')
    for name in single commented blank indented folder5; do
        number=$((number + 1))
        dummy_package "folder$number" 1.0 "${lines[$name]}"
        pacman_in -U "${options[@]}" "$work/folder$number-dkms-1.0-1-any.pkg.tar.gz"
        [[ $(readlink "$arch_root/etc/dkms/$name.conf") == kernel-sign.conf ]] || fail "${lines[$name]}: no link for $name"
        pacman_in -R "folder$number-dkms"
        [[ ! -L $arch_root/etc/dkms/$name.conf ]] || fail "${lines[$name]}: the link was left"
    done
}

# arch_older: the package under a lower version, as there is no older one.
arch_older() {
    local package
    package=$(compgen -G "$built/arch/ksign-0*.pkg.tar*")
    mkdir "$work/arch-older"
    bsdtar -xf "$package" -C "$work/arch-older"
    sed -i 's/^pkgver = .*/pkgver = 0.0.9-1/' "$work/arch-older/.PKGINFO"
    (cd "$work/arch-older" && bsdtar -czf "$work/ksign-0.0.9-1-x86_64.pkg.tar.gz" .PKGINFO .INSTALL etc usr)
}

# arch_main_job: with nothing but the package's own files.
arch_main_job() {
    local root=$work/arch-plain
    mkdir -p "$root/var/lib/pacman"
    printf '[options]\nArchitecture = auto\nSigLevel = Never\n' >"$work/pacman.conf"
    pacman --root "$root" --config "$work/pacman.conf" --noconfirm --noscriptlet -Udd "$(compgen -G "$built/arch/ksign-0*.pkg.tar*")"
    main_job "$root"
}

arch_life() {
    local package part
    arch_root=$work/arch-root
    package=$(compgen -G "$built/arch/ksign-0*.pkg.tar*")
    mkdir -p "$arch_root"/var/lib/pacman "$arch_root"/{usr,etc,tmp}
    # The machine's programs, less what is written.
    mkdir "$work/upper" "$work/scratch"
    mount -t tmpfs none "$work/scratch"
    mkdir "$work/scratch"/{upper,work}
    mount -t overlay -o "lowerdir=/usr,upperdir=$work/scratch/upper,workdir=$work/scratch/work" none "$arch_root/usr"
    for part in bin sbin lib lib64; do ln -s "usr/$part" "$arch_root/$part"; done
    mkdir "$arch_root/dev" && mount --rbind /dev "$arch_root/dev"
    printf '[options]\nArchitecture = auto\nSigLevel = Never\n' >"$work/pacman.conf"
    local options=(-dd --overwrite '*')

    echo "-- installed: packages that are there get linked, known to DKMS or not"
    mkdir -p "$arch_root/var/lib/dkms/old/1.0/source"
    dummy_package early 1.0
    pacman_in -U "${options[@]}" "$work/early-dkms-1.0-1-any.pkg.tar.gz"
    pacman_in -U "${options[@]}" "$work/ksign-0.0.9-1-x86_64.pkg.tar.gz"
    [[ $(readlink "$arch_root"/etc/dkms/{old,early}.conf) == $'kernel-sign.conf\nkernel-sign.conf' ]] ||
        fail "post_install linked nothing"

    echo "-- help names the paths that this package has"
    for part in sign-file sign-tool; do
        chroot "$arch_root" ksign "$part" --help | grep "\"/usr/lib/ksign/$part\"" || fail "$part --help names another path"
    done

    echo "-- a package that comes later gets linked by the hook, and unlinked when it goes"
    dummy_package later 2.0
    pacman_in -U "${options[@]}" "$work/later-dkms-2.0-1-any.pkg.tar.gz" 2>&1 | tee "$work/said"
    ! grep 'does not know' "$work/said" || fail "DKMS can't know it yet"
    [[ $(readlink "$arch_root/etc/dkms/later.conf") == kernel-sign.conf ]] || fail "the hook linked nothing"
    pacman_in -R later-dkms
    [[ ! -L $arch_root/etc/dkms/later.conf ]] || fail "the hook left the link"

    echo "-- packages that are upgraded keep what they had: a link, a line in the user's file, or nothing"
    dkms_states

    echo "-- upgraded: settings and links stay, and what was disabled stays disabled"
    mkdir -p "$arch_root/var/lib/dkms/disabled/1.0/source"
    echo 'missing-key = fail' >>"$arch_root/etc/ksign/ksign.conf"
    pacman_in -U "${options[@]}" "$package"
    grep -qx 'missing-key = fail' "$arch_root/etc/ksign/ksign.conf" || fail "the settings are lost"
    [[ $(pacman_in -Q ksign) != *0.0.9* ]] || fail "it is not upgraded"
    [[ -L $arch_root/etc/dkms/old.conf ]] || fail "the link is lost"
    [[ ! -e $arch_root/etc/dkms/disabled.conf ]] || fail "the upgrade has enabled what was not"

    echo "-- removed: no link leads to a program that is gone"
    pacman_in -R ksign
    [[ ! -L $arch_root/etc/dkms/old.conf ]] || fail "pre_remove left the link"
    [[ ! -e $arch_root/usr/bin/ksign && ! -e $arch_root/usr/lib/ksign ]] || fail "files were left"
    [[ -e $arch_root/etc/ksign/ksign.conf.pacsave ]] || fail "the changed settings were not saved"
}

# The same in a mount namespace of its own.
arch_life_inside() {
    export -f arch_life dkms_states keeps_states pacman_in dummy_package fail
    arch_older
    export work built
    # shellcheck disable=SC2016 # its own words
    unshare --mount --propagation private bash -eEc '
        trap "echo \"FAILED: inside, line \$LINENO: \$BASH_COMMAND\" >&2" ERR
        arch_life'
}

check "arch: built" arch_built
check "arch: signs what DKMS builds" arch_main_job
check "arch: installed, with hooks, upgraded, removed" arch_life_inside
