# shellcheck shell=bash disable=SC2016,SC2034,SC2154 # PKGBUILDs name their own variables; those of run and tests/kernel
#
# abk, as a user of Arch has it: installed by pacman in a root that has the machine's own programs, with real git, makepkg,
# pacman and ksign. Its ways of going wrong are played with a kernel that is none and builds in a second. Then all of it
# once for real: the example's PKGBUILD for Debian's source, updated, built and installed by abk; real DKMS builds a package
# for it; and the kernel is booted under sig_enforce=1 and says whether it takes the modules.
#
# The scenarios run one after the other, in one root, in the mount namespace of a process that is kept for this.

abk_root=$work/abk-root
# abk's user there, who is no one on the machine.
builder=1000:1000
home=/home/builder

# --- the root ---------------------------------------------------------------

abk_built() {
    build arch
    local file
    bsdtar -tf "$(compgen -G "$built/arch/ksign-0*.pkg.tar*")" >"$work/files"
    for file in usr/bin/abk usr/share/man/man1/abk.1.gz usr/share/doc/ksign/kernel-example/PKGBUILD \
        usr/share/bash-completion/completions/abk usr/share/zsh/site-functions/_abk usr/share/fish/vendor_completions.d/abk.fish; do
        grep -qx "$file" "$work/files" || fail "$file is not in the package"
    done
}

# package_of FOLDER NAME LINE…: packs a folder, with these lines in its .PKGINFO.
package_of() {
    local source=$1 name=$2
    shift 2
    printf '%s\n' "pkgname = $name" "pkgbase = $name" "pkgver = 1-1" "pkgdesc = test" "builddate = 1" "packager = test" "size = 1" \
        "arch = any" "$@" >"$source/.PKGINFO"
    (cd "$source" && bsdtar -czf "$work/$name-1-1-any.pkg.tar.gz" .PKGINFO [a-z]*)
}

# in_root COMMAND…: as root. as_user COMMAND…: as the one who builds.
in_root() { chroot "$abk_root" /usr/bin/env -i HOME="$home" PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 TERM=dumb "$@"; }
as_user() {
    chroot --userspec="$builder" "$abk_root" /usr/bin/env -i HOME="$home" USER=builder LOGNAME=builder LC_ALL=C.UTF-8 TERM=dumb \
        PATH="${user_path-}/usr/lib/ccache:/usr/bin" "$@"
}

# make_root: what else but pacman and makepkg would make.
make_root() {
    local part package
    mkdir -p "$abk_root"/{usr,etc,proc,dev,tmp,var/lib/pacman,var/cache/pacman/pkg,var/log,var/tmp,boot} "$abk_root$home" "$work/over"
    chmod 1777 "$abk_root"/{tmp,var/tmp}
    mount -t tmpfs none "$work/over"
    for part in usr etc; do
        mkdir -p "$work/over/$part"/{upper,work}
        mount -t overlay -o "lowerdir=/$part,upperdir=$work/over/$part/upper,workdir=$work/over/$part/work" none "$abk_root/$part"
    done
    for part in bin sbin lib lib64; do ln -s "usr/$part" "$abk_root/$part"; done
    mount --rbind /dev "$abk_root/dev"
    mount -t proc none "$abk_root/proc"
    rm -rf "$abk_root"/etc/{ksign,dkms,makepkg.conf.d} "$abk_root"/usr/lib/modules/*
    mkdir "$abk_root/etc/dkms"
    printf '[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n' >"$abk_root/etc/pacman.conf"
    mkdir -p "$abk_root/ccache"
    [[ ! -d ${abk_ccache-} ]] || mount --bind "$abk_ccache" "$abk_root/ccache"
    # A kernel compiled as tests/kernel compiles it is built in less time, and most of it is in the cache of compilers that
    # both use; kconfig and Makefiles are not changed.
    {
        printf 'MAKEFLAGS="-j%s KCFLAGS=-w\\ -O1 CFLAGS_signal.o=-Os"\n' "$(nproc)"
        echo 'export CCACHE_DIR=/ccache CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=include_file_ctime,locale'
    } >"$abk_root$home/.makepkg.conf"
    mkdir "$abk_root$home/.config"
    # What stands for Arch and the AUR: local repositories.
    printf '%s\n' 'MAIN_KERNELS="linux-one"' "MAIN_URL=$home/upstream" "AUR_URL=$home/upstream" >"$abk_root$home/.config/abk.conf"
    chown -R "$builder" "$abk_root$home" "$abk_root/ccache"

    # What the machine has, by the names that Arch's packages have.
    mkdir "$work/machine"
    touch "$work/machine/.keep"
    mkdir -p "$work/machine/var"
    package_of "$work/machine" machine provides\ =\ {boost-libs,gcc-libs,glibc,openssl,zlib,coreutils,initramfs,kmod} \
        provides\ =\ {bc,cpio,gettext,libelf,pahole,perl,python,tar,xz,zstd}
    package=$(compgen -G "$built/arch/ksign-0*.pkg.tar*")
    in_root_files "$work/machine-1-1-any.pkg.tar.gz" "$package"
    in_root pacman -U --noconfirm /tmp/machine-1-1-any.pkg.tar.gz
    in_root pacman -U --noconfirm "/tmp/${package##*/}"
    in_root ksign --version
}

# in_root_files FILE…: into the root's /tmp.
in_root_files() { cp "$@" "$abk_root/tmp/"; }

# --- what scenarios are made of -----------------------------------------------

said=$work/abk-said

# abk WORD…: as its user; what it says is in $said. $answers is typed in. abk_fails: and it must not succeed;
# wrong_usage: and it ends with 2.
abk() {
    local status=0
    printf '+ abk %s\n' "$*"
    as_user abk "$@" >"$said" 2>&1 < <([[ -z ${answers-} ]] || printf '%s\n' "$answers") || status=$?
    cat "$said"
    return "$status"
}

abk_fails() { ! abk "$@" || fail "abk $* succeeded"; }
wrong_usage() {
    local status=0
    abk "$@" || status=$?
    ((status == 2)) || fail "abk $* ended with $status, not with 2"
}
says() { grep -qF -- "$1" "$said" || fail "not said: $1"; }

builds=$abk_root$home/build

# git_of FOLDER ARGUMENT…: as the user, for whom the repositories are.
git_of() {
    local folder=$1
    shift
    as_user git -C "${folder#"$abk_root"}" -c user.name=builder -c user.email=builder@localhost "$@"
}

# as_file FILE: a file of the user's, of standard input.
as_file() {
    install -D /dev/null "$1"
    cat >"$1"
    chown -R "$builder" "$abk_root$home"
}

# What stands for Arch's repositories: one kernel each.
upstream=$abk_root$home/upstream

# new_kernel NAME: packaging as Arch's, for a source whose configuration and Makefile are all there is.
new_kernel() {
    local folder=$upstream/$1.git
    rm -rf "$folder" "${builds:?}/$1" "$builds/$1"-* "$builds/patches/$1"
    mkdir -p "$folder/kernel-1/scripts"
    cat >"$folder/config" <<'EOF'
CONFIG_MODULES=y
CONFIG_MODULE_SIG=y
CONFIG_SYSTEM_TRUSTED_KEYRING=y
CONFIG_SYSTEM_TRUSTED_KEYS=""
CONFIG_MODULE_SIG_SHA512=y
CONFIG_MODULE_SIG_HASH="sha512"
CONFIG_CRYPTO_ECDSA=y
EOF
    printf '%s\n' 'olddefconfig:' '	@echo configured' 'all:' '	@echo "a.c:7: warning: unused variable"' '	@echo "  CC fs/error.o"' \
        '	cp .config vmlinuz' >"$folder/kernel-1/Makefile"
    printf '#!/bin/sh\necho "config $*" >>.config\n' >"$folder/kernel-1/scripts/config"
    chmod 755 "$folder/kernel-1/scripts/config"
    tar -czf "$folder/kernel-1.tar.gz" -C "$folder" kernel-1
    rm -r "$folder/kernel-1"
    cat >"$folder/PKGBUILD" <<EOF
pkgbase=$1
pkgver=1.0
pkgrel=1
pkgdesc='A kernel'
arch=(x86_64)
options=(!strip)
_srcname=kernel-1
source=(kernel-1.tar.gz config)
sha256sums=(SKIP SKIP)
EOF
    cat >>"$folder/PKGBUILD" <<'EOF'

prepare() {
  cd $_srcname

  echo "Setting config..."
  cp ../config .config
  make olddefconfig
  diff -u ../config .config || :
}

build() {
  cd $_srcname
  make all
}

_package() {
  pkgdesc="The $pkgdesc"
  install -Dm644 $_srcname/vmlinuz "$pkgdir/usr/lib/modules/$pkgver-$pkgbase/vmlinuz"
}

_package-headers() {
  pkgdesc="Headers of $pkgdesc"

  cd $_srcname
  local builddir="$pkgdir/usr/lib/modules/$pkgver-$pkgbase/build"

  install -Dt "$builddir" -m644 .config Makefile
}

pkgname=("$pkgbase" "$pkgbase-headers")
for _p in "${pkgname[@]}"; do
  eval "package_$_p() {
    $(declare -f "_package${_p#$pkgbase}")
    _package${_p#$pkgbase}
  }"
done
EOF
    chown -R "$builder" "$abk_root$home"
    git_of "$folder" init --quiet --initial-branch=main
    commit "$1" first
}

# commit NAME WORDS: upstream has changed.
commit() {
    chown -R "$builder" "$upstream"
    git_of "$upstream/$1.git" add --all
    git_of "$upstream/$1.git" commit --quiet -m "$2"
}

# upstream_says NAME SED-SCRIPT: and how.
upstream_says() {
    sed -i "$2" "$upstream/$1.git/PKGBUILD"
    commit "$1" "$2"
}

# The state of a kernel's folder and patches: to say that nothing was changed.
state_of() {
    (cd "$builds" && find "$1" "patches/$1" -name .git -prune -o -type f -print0 2>/dev/null | sort -z | xargs -0 sha256sum)
    git_of "$builds/$1" rev-parse HEAD
}

# stand_in PROGRAM: one that only says what it was called with, for those who have $user_path=/opt/stand-in:
stand_in() {
    mkdir -p "$abk_root/opt/stand-in"
    printf '#!/bin/sh\necho "%s $*"\n' "$1" >"$abk_root/opt/stand-in/$1"
    chmod 755 "$abk_root/opt/stand-in/$1"
}

# how_many PATTERN FILE
how_many() { grep -c -- "$1" "$2" || true; }

# --- scenarios: the packaging -------------------------------------------------

abk_update() {
    local pkgbuild=$builds/linux-one/PKGBUILD before name
    new_kernel linux-one

    echo "-- cloned, from where abk.conf says"
    abk -u linux-one
    [[ $(how_many 'ksign keys refresh --certs-local "$startdir/certs-local" --kernel-config .config' "$pkgbuild") == 1 &&
        $(how_many 'ksign config update --certs-local "$startdir/certs-local" .config' "$pkgbuild") == 1 &&
        $(how_many 'ksign keys install --certs-local "$startdir/certs-local" "$builddir/certs-local"' "$pkgbuild") == 1 ]] ||
        fail "the steps are not there"
    [[ $(grep -A1 'ksign config update' "$pkgbuild") == *"make olddefconfig"* ]] || fail "they are not before olddefconfig"

    echo "-- again: nothing changes"
    before=$(state_of linux-one)
    abk -u linux-one
    says "up to date: 1.0-1"
    [[ $(state_of linux-one) == "$before" ]] || fail "something was changed"

    echo "-- two at once leave nothing beside; remotes have another name in the user's settings of git"
    as_user git config --global clone.defaultRemoteName upstream
    new_kernel linux-other
    abk -u linux-other -u linux-one
    abk -u linux-other -u linux-one
    says "linux-other is up to date"
    [[ -z $(compgen -G "$builds/.abk*") ]] || fail "left: $(compgen -G "$builds/.abk*")"
    as_user git config --global --unset clone.defaultRemoteName

    echo "-- a new version: the old one is archived, without keys"
    mkdir -p "$builds/linux-one/certs-local/20260101-0000"
    echo secret >"$builds/linux-one/certs-local/20260101-0000/signing_key.pem"
    echo "by hand" | as_file "$builds/linux-one/notes"
    upstream_says linux-one 's/^pkgver=.*/pkgver=1.1/'
    abk -u linux-one
    says "archived as $home/build/linux-one-1.0-1.tar.xz"
    says "linux-one is now 1.1-1"
    grep -qx pkgver=1.1 "$pkgbuild" || fail "it is not the new version"
    grep -q 'ksign keys refresh' "$pkgbuild" || fail "it has no steps"
    [[ $(tar -xOf "$builds/linux-one-1.0-1.tar.xz" linux-one/PKGBUILD | grep pkgver=) == pkgver=1.0 ]] || fail "the archive is not the old one"
    [[ $(tar -tf "$builds/linux-one-1.0-1.tar.xz" | sort | tr '\n' ' ') == \
    "linux-one/PKGBUILD linux-one/config linux-one/kernel-1.tar.gz linux-one/notes " ]] ||
        fail "the archive holds: $(tar -tf "$builds/linux-one-1.0-1.tar.xz")"
    [[ $(<"$builds/linux-one/certs-local/20260101-0000/signing_key.pem") == secret && -e $builds/linux-one/notes ]] || fail "files were lost"
    ! git_of "$builds/linux-one" status --short | grep -q certs-local || fail "git would take the keys"

    echo "-- archived by -a, once"
    abk -a linux-one
    abk -a linux-one
    says "linux-one-1.1-1.tar.xz holds it already"

    echo "-- an update that would overwrite a file of the user's"
    upstream_says linux-one 's/^pkgver=.*/pkgver=1.2/'
    # In the place of a file, by any name; of a folder that the new file has; and of what is in a folder.
    echo "mine" | as_file "$builds/linux-one/my notes"
    echo "mine" | as_file "$builds/linux-one/größe"
    echo "mine" | as_file "$builds/linux-one/keys"
    echo "mine" | as_file "$builds/linux-one/own/list"
    for name in notes "my notes" größe keys own; do
        if [[ $name == keys ]]; then
            mkdir "$upstream/linux-one.git/keys"
            echo "theirs" >"$upstream/linux-one.git/keys/k.asc"
        else
            echo "theirs" >"$upstream/linux-one.git/$name"
        fi
        commit linux-one "$name"
        before=$(state_of linux-one)
        abk_fails -u linux-one
        says "$name is a $([[ $name == own ]] && echo folder || echo file) of yours"
        [[ $(state_of linux-one) == "$before" ]] || fail "something was changed"
        rm -r "$upstream/linux-one.git/$name"
        commit linux-one "without $name"
    done

    echo "-- names that nobody knows"
    abk_fails -u linux-none
    says "taking it to be in the AUR"
    says "could not be cloned"
    abk_fails -u ../linux
    says "is no name of a package"
    [[ ! -e $builds/linux-none && -z $(compgen -G "$builds/.abk*") ]] || fail "something was left"
}

abk_edits() {
    local pkgbuild=$builds/linux-two/PKGBUILD before
    new_kernel linux-two
    # What git may be told of ends of lines, and of patches, says nothing here.
    as_user git config --global core.autocrlf true
    as_user git config --global diff.context 0
    echo "-- own patches, of both kinds"
    as_file "$builds/patches/linux-two/10-options.patch" <<'END'
--- a/PKGBUILD
+++ b/PKGBUILD
@@ -3,7 +3,7 @@
 pkgrel=1
 pkgdesc='A kernel'
 arch=(x86_64)
-options=(!strip)
+options=(!strip !debug)
 _srcname=kernel-1
 source=(kernel-1.tar.gz config)
 sha256sums=(SKIP SKIP)
END
    as_file "$builds/patches/linux-two/20-config.patch" <<'END'
--- config.orig	2026-01-01
+++ config	2026-01-01
@@ -1,2 +1,3 @@
 CONFIG_MODULES=y
+CONFIG_MINE=y
 CONFIG_MODULE_SIG=y
END
    abk -u linux-two
    grep -qxF 'options=(!strip !debug)' "$pkgbuild" || fail "the PKGBUILD is not patched"
    grep -qx CONFIG_MINE=y "$builds/linux-two/config" || fail "the configuration is not patched"
    abk -u linux-two
    says "up to date"

    echo "-- edited by hand: asked, and not lost when the answer is no"
    sed -i 's/^  make all/  make all # quietly/' "$pkgbuild"
    upstream_says linux-two 's/^pkgrel=.*/pkgrel=2/'
    before=$(state_of linux-two)
    answers=n abk_fails -u linux-two
    says "Keep that as a patch"
    says "nothing was updated"
    abk_fails -u linux-two
    [[ $(state_of linux-two) == "$before" ]] || fail "something was changed"

    echo "-- nor where no patch can be written"
    chmod 555 "$builds/patches/linux-two"
    answers=y abk_fails -u linux-two
    says "your changes could not be written there"
    says "Nothing was changed."
    chmod 755 "$builds/patches/linux-two"
    [[ $(state_of linux-two) == "$before" ]] || fail "something was changed"

    echo "-- kept as a patch when it is yes, and then no edit any more"
    answers=y abk -u linux-two
    grep -q 'make all # quietly' "$pkgbuild" || fail "the edit is lost"
    grep -qx pkgrel=2 "$pkgbuild" || fail "it is not the new release"
    [[ -n $(compgen -G "$builds/patches/linux-two/zz-edits-*.patch") ]] || fail "there is no patch"
    [[ $(how_many '^ ' "$builds"/patches/linux-two/zz-edits-*) == 6 ]] || fail "the patch says nothing of what is around"
    upstream_says linux-two 's/^pkgrel=.*/pkgrel=3/'
    abk -u linux-two
    grep -q 'make all # quietly' "$pkgbuild" || fail "the patch was not applied"
    grep -qx pkgrel=3 "$pkgbuild" || fail "it is not the newest release"
    [[ $(compgen -G "$builds/patches/linux-two/*" | wc -l) == 3 ]] || fail "there are other patches"

    echo "-- edits that no patch holds"
    printf 'a\0b' >"$upstream/linux-two.git/logo file"
    upstream_says linux-two 's/^pkgrel=.*/pkgrel=4/'
    abk -u linux-two
    printf 'a\0c' >"$builds/linux-two/logo file"
    before=$(state_of linux-two)
    answers=y abk_fails -u linux-two
    says "logo file: you have changed it"
    [[ $(state_of linux-two) == "$before" ]] || fail "something was changed"
    # What it says to do.
    eval "git_of $builds/linux-two $(sed -n 's/.*with: git -C [^ ]* //p' "$said")"
    abk -u linux-two
    says "up to date"

    interrupted_update linux-two
    as_user git config --global --unset core.autocrlf
    as_user git config --global --unset diff.context

    echo "-- a patch that does not apply any more"
    upstream_says linux-two 's/^options=.*/options=(strip)/'
    before=$(state_of linux-two)
    abk_fails -u linux-two
    says "10-options.patch does not apply"
    says "nothing was updated"
    [[ $(state_of linux-two) == "$before" ]] || fail "something was changed"
}

# interrupted_update NAME: what a real one leaves before git has written all files, and after.
interrupted_update() {
    local folder=$builds/$1 next before
    echo "-- an update that was interrupted, of a file that was edited, is finished"
    echo "# added" >>"$folder/config"
    seq 50000 >"$upstream/$1.git/long"
    sed -i 's/^  make all .*/  make all # slowly/' "$folder/PKGBUILD"
    # git stops where it can't write a folder's file, with others written.
    mkdir "$upstream/$1.git/sub"
    echo "new" >"$upstream/$1.git/sub/file"
    upstream_says "$1" 's/^pkgrel=.*/pkgrel=5/'
    mkdir "$folder/sub"
    chown root "$folder/sub"
    answers=y abk_fails -u "$1"
    says "Once git can do it, abk -u $1 does the rest."
    grep -qx pkgrel=5 "$folder/PKGBUILD" || fail "nothing was written"
    rmdir "$folder/sub"
    abk_fails -b "$1"
    says "its last update was interrupted"
    # Written in part, and one that is no part of any of both.
    before=$(git_of "$folder" show refs/abk/next:PKGBUILD)
    printf '%s' "${before::300}" >"$folder/PKGBUILD"
    seq 9 >"$folder/long"
    echo "# after" >>"$folder/config"
    abk_fails -u "$1"
    says "/config was changed after the update was interrupted"
    sed -i '$d' "$folder/config"
    abk -u "$1"
    says "was interrupted: finishing it"
    says "your changes are kept in"
    says "$1 is up to date"
    [[ $(<"$folder/sub/file") == new && $(tail -n 1 "$folder/config") == "# added" ]] || fail "something is missing"
    grep -q 'make all # slowly' "$folder/PKGBUILD" || fail "the edit is lost"
    [[ -z $(compgen -G "$builds/patches/$1/*.new") ]] || fail "the patch is no patch"
}

# refused NAME SED-SCRIPT WORDS: such a PKGBUILD is not edited.
refused() {
    new_kernel "$1"
    upstream_says "$1" "$2"
    abk_fails -u "$1"
    says "$3"
    [[ ! -e $builds/$1 && -z $(compgen -G "$builds/.abk*") ]] || fail "something was left"
}

abk_anchors() {
    echo "-- PKGBUILDs without the places for the steps"
    refused linux-three 's/make olddefconfig/make menuconfig/' "no 'make olddefconfig'"
    refused linux-three 's/make olddefconfig/make -C .. olddefconfig/' "works in another folder"
    refused linux-three 's/_package-headers() {/_package-devel() {/' "no function _package-headers()"
    refused linux-three 's/builddir/folder/' "sets no builddir"
    refused linux-three 's|^  make olddefconfig|  ../certs-local/genkeys.py -c config\n&|' "makes keys already"

    echo "-- by a patch of the user's after all"
    new_kernel linux-three
    upstream_says linux-three 's/make olddefconfig/make menuconfig/'
    as_file "$builds/patches/linux-three/steps.patch" <<'END'
--- a/PKGBUILD
+++ b/PKGBUILD
@@ -13,5 +13,7 @@
 
   echo "Setting config..."
   cp ../config .config
+  ksign keys refresh --certs-local "$startdir/certs-local" --kernel-config .config
+  ksign config update --certs-local "$startdir/certs-local" .config
   make menuconfig
   diff -u ../config .config || :
END
    abk -u linux-three
    [[ $(how_many "ksign keys" "$builds/linux-three/PKGBUILD") == 2 ]] || fail "there are not two steps for keys"

    anchors_of_cachyos
    echo "-- as the AUR's differ"
    new_kernel linux-four
    upstream_says linux-four 's/^_package-headers() {/package_linux-four-headers(){/; s/local builddir=/local _builddir=/
        s/"\$builddir"/"$_builddir"/; s/make olddefconfig/make LLVM=1 olddefconfig/; s/^_package() {/package_linux-four() {/; /^for _p/,$d'
    abk -u linux-four
    grep -qF '"$_builddir/certs-local"' "$builds/linux-four/PKGBUILD" || fail "not the PKGBUILD's own variable"
    upstream_says linux-four 's/^pkgbase=.*/pkgbase=linux-vier/; s/linux-four/linux-vier/'
    abk -u linux-four
    abk -y -b linux-four
    says "install it with: abk -i linux-vier"
}

# anchors_of_cachyos: whose kernels have no olddefconfig.
anchors_of_cachyos() {
    echo "-- as linux-cachyos differs"
    new_kernel linux-cachy
    upstream_says linux-cachy 's/^  make olddefconfig/  make "${BUILD_FLAGS[@]}" prepare\n  yes "" | make "${BUILD_FLAGS[@]}" config/'
    abk -u linux-cachy
    [[ $(grep -A1 'ksign config update' "$builds/linux-cachy/PKGBUILD") == *'make "${BUILD_FLAGS[@]}" prepare' ]] ||
        fail "the steps are not before the first make"
}

abk_folders() {
    from_arch_skm
    echo "-- a folder that is no clone, and a clone of something else"
    new_kernel linux-five
    mkdir -p "$builds/linux-five"
    abk_fails -u linux-five
    says "no git repository of its own"
    rmdir "$builds/linux-five"
    abk -u linux-five
    abk_fails -u linux-five --url https://example.org/linux-five.git
    says "comes from $home/upstream/linux-five.git"

    echo "-- one that somebody has cloned by hand, and edited"
    rm -rf "$builds/linux-five"
    as_user git clone --quiet "$home/upstream/linux-five.git" "$home/build/linux-five"
    sed -i 's/^pkgdesc=.*/pkgdesc=Mine/' "$builds/linux-five/PKGBUILD"
    answers=y abk -u linux-five
    grep -qx 'pkgdesc=Mine' "$builds/linux-five/PKGBUILD" || fail "the edit is lost"
    grep -q 'ksign keys refresh' "$builds/linux-five/PKGBUILD" || fail "there are no steps"
}

# from_arch_skm: its steps and ksign's do not stand beside each other.
from_arch_skm() {
    local pkgbuild=$builds/linux-skm/PKGBUILD
    echo "-- a folder of Arch-SKM's"
    new_kernel linux-skm
    as_user git clone --quiet "$home/upstream/linux-skm.git" "$home/build/linux-skm"
    sed -i 's|^  make olddefconfig|  ../certs-local/genkeys.py -v --config ../config\n&|' "$pkgbuild"
    answers=y abk_fails -u linux-skm
    says "/PKGBUILD runs genkeys"
    eval "git_of $builds/linux-skm $(sed -n 's/.*all of it with: git -C [^ ]* //p' "$said")"
    abk -u linux-skm
    upstream_says linux-skm 's|^  make olddefconfig|  ksign keys refresh\n  ksign config update\n  ../certs-local/genkeys.py -v\n&|'
    abk_fails -u linux-skm
    says "its prepare() runs genkeys beside ksign's steps"
}

# --- scenarios: packages ------------------------------------------------------

abk_builds() {
    local folder=$builds/packages kernel_package headers
    kernel_package=$folder/linux-six-1.0-1-x86_64.pkg.tar.gz headers=$folder/linux-six-headers-1.0-1-x86_64.pkg.tar.gz
    # config_of: with which the kernel was "built".
    config_of() { bsdtar -xOf "$kernel_package" usr/lib/modules/1.0-linux-six/vmlinuz; }

    new_kernel linux-six
    echo "-- not before it is there"
    abk_fails -b linux-six
    says "Get it with: abk -u linux-six"
    as_user git clone --quiet "$home/upstream/linux-six.git" "$home/build/linux-six"
    abk_fails -b linux-six
    says "has no steps of ksign"
    rm -r "$builds/linux-six"

    echo "-- built, with a key in the headers that others can't read"
    abk -u linux-six
    answers=n abk -b linux-six
    bsdtar -tf "$headers" >"$work/files"
    grep -qx 'usr/lib/modules/1.0-linux-six/build/certs-local/current' "$work/files" || fail "there is no key in the headers"
    config_of >"$work/config"
    grep -q "^CONFIG_SYSTEM_TRUSTED_KEYS=\"$home/build/linux-six/certs-local/.*/signing_key.pem\"" "$work/config" || fail "the kernel trusts no key"
    [[ $(stat -c %a "$headers") == 600 && $(stat -c %a "$kernel_package") == 644 ]] || fail "others may read the key"
    [[ -d $builds/makepkg/linux-six ]] || fail "the build folder was removed"

    echo "-- and again only if that is wanted"
    answers=n abk_fails -b linux-six
    says "nothing was built"
    abk -yb linux-six
    [[ ! -e $builds/makepkg/linux-six ]] || fail "the build folder was not removed"

    echo "-- compressed otherwise, which is no edit of the user's, and stays"
    abk -y -z xz -b linux-six
    config_of >"$work/config"
    grep -q '^config .*-e MODULE_COMPRESS_XZ$' "$work/config" || fail "not by xz"
    abk -y --compression=zstd --build=linux-six
    config_of >"$work/config"
    [[ $(how_many '^config ' "$work/config") == 1 ]] || fail "twice"
    abk -u linux-six
    says "up to date"
    upstream_says linux-six 's/^pkgver=.*/pkgver=1.1/'
    abk -u linux-six
    grep -q -- '-e MODULE_COMPRESS_ZSTD # abk -z zstd' "$builds/linux-six/PKGBUILD" || fail "the choice is lost"
    abk_fails -z lzo -b linux-six
    says "modules are compressed with"

    echo "-- a build that fails"
    sed -i 's/^  make all/  make nothing/' "$builds/linux-six/PKGBUILD"
    abk_fails -y -b linux-six
    says "linux-six is not built"
    says "What it did last is in $home/build/logs/linux-six-1.1-1-x86_64-build.log."
    sed -i 's/^  make nothing/  make all/; s/^  make olddefconfig/  make newconfig/' "$builds/linux-six/PKGBUILD"
    abk_fails -y -b linux-six
    says "What it did last is in $home/build/logs/linux-six-1.1-1-x86_64-prepare.log."
    abk -y -w linux-six
    says "A failure occurred in prepare()"
    sed -i 's/^  make newconfig/  make olddefconfig/' "$builds/linux-six/PKGBUILD"
    abk -y -b linux-six
    abk -y -w linux-six
    says "a.c:7: warning: unused variable"

    untrusting_build
    unfinished_build
    echo "-- never as root"
    ! in_root abk -b linux-six >"$said" 2>&1 || fail "root has built"
    says "never done as root"

    echo "-- warnings of a build"
    answers=2 abk -w linux-six
    says "a.c:7: warning: unused variable"
    ! grep -q 'fs/error.o' "$said" || fail "a file's name was taken for an error"
    abk_fails -w linux-seven
    says "no log of a build"
}

# untrusting_build: with a configuration that is set anew after ksign's steps.
untrusting_build() {
    echo "-- a kernel that does not trust its key after all"
    new_kernel linux-untrusting
    upstream_says linux-untrusting 's|^  diff -u.*|  cp ../config .config|'
    abk -u linux-untrusting
    abk_fails -y -b linux-untrusting
    says 'linux-untrusting would not trust the key in its headers: its configuration has CONFIG_SYSTEM_TRUSTED_KEYS=""'
    ! grep -q Built: "$said" || fail "built, it says"
}

# unfinished_build: one that fails after the headers.
unfinished_build() {
    local headers=$builds/packages/linux-unfinished-headers-1.0.r2-1-x86_64.pkg.tar.gz
    echo "-- a build that fails after the headers: others can't read the key, and makepkg's version is no edit"
    new_kernel linux-unfinished
    upstream_says linux-unfinished 's/^build() {/pkgver() {\n  echo 1.0.r2\n}\n\n&/'
    upstream_says linux-unfinished 's/^pkgname=.*/pkgname=("$pkgbase" "$pkgbase-headers" "$pkgbase-tools")\n_package-tools() {\n  false\n}/'
    abk -u linux-unfinished
    abk_fails -y -b linux-unfinished
    says "linux-unfinished is not built"
    [[ $(stat -c %a "$headers") == 600 ]] || fail "others may read the key"
    grep -qx pkgver=1.0 "$builds/linux-unfinished/PKGBUILD" || fail "the version was not put back"
    # A build that could not do so.
    sed -i 's/^pkgver=.*/pkgver=1.0.r2/' "$builds/linux-unfinished/PKGBUILD"
    abk -u linux-unfinished
    says "up to date: 1.0-1"
}

abk_installs() {
    local key=$abk_root/usr/lib/modules/1.1-linux-six/build/certs-local/current/signing_key.pem
    echo "-- a version is chosen, of those there are"
    ! in_root abk -i linux-six >"$said" 2>&1 </dev/null || fail "without a choice"
    says "no version of linux-six was chosen"
    echo 1 | in_root abk -i linux-six >"$said" 2>&1 || true
    says "linux-six-headers-1.0-1-x86_64.pkg.tar.gz"

    echo "-- the newest, with its headers"
    in_root abk -y -i linux-six
    [[ $(in_root pacman -Q linux-six linux-six-headers | tr '\n' ' ') == "linux-six 1.1-1 linux-six-headers 1.1-1 " ]] || fail "not installed"
    [[ $(stat -L -c '%a %U' "$key") == "600 root" ]] || fail "the key is not root's alone"

    echo "-- a user's way to root is sudo; this one only says what it was called with"
    stand_in sudo
    user_path=/opt/stand-in: abk -y -i linux-six
    says "sudo -- pacman -U --noconfirm -- $home/build/packages/linux-six-1.1-1-x86_64.pkg.tar.gz $home/build/packages/linux-six-headers-1.1-1-x86_64.pkg.tar.gz"

    echo "-- headers by Arch-SKM's steps: what they share may be overwritten, and nothing else"
    new_kernel linux-seven
    upstream_says linux-seven 's|^  install -Dt "$builddir".*|&\n  install -D /dev/null "$pkgdir/etc/dkms/kernel-sign.sh"|'
    abk -u linux-seven
    abk -y -b linux-seven
    user_path=/opt/stand-in: abk -y -i linux-seven
    says "sudo -- pacman -U --overwrite etc/dkms/kernel-sign.sh --noconfirm -- "
    touch "$abk_root/etc/dkms/kernel-sign.sh"
    in_root abk -y -i linux-seven
    in_root pacman -Q linux-seven-headers

    echo "-- but never ksign's own file"
    upstream_says linux-seven 's|kernel-sign.sh|kernel-sign.conf|; s/^pkgver=.*/pkgver=1.1/'
    abk -u linux-seven
    abk -y -b linux-seven
    user_path=/opt/stand-in: abk_fails -y -i linux-seven
    says "brings /etc/dkms/kernel-sign.conf, which is ksign's"
    says "Take it out of _package-headers() in $home/build/linux-seven/PKGBUILD"
    ! grep -q pacman "$said" || fail "pacman was asked to"

    echo "-- without sudo, and as root, who has built nothing"
    if [[ ! -e $abk_root/usr/bin/sudo ]]; then
        abk_fails -y -i linux-six
        says "Install sudo, or run as root: pacman -U --noconfirm -- $home/build/packages/linux-six-1.1-1-x86_64.pkg.tar.gz $home"
    fi
    ! in_root env HOME=/root abk -y -i linux-six >"$said" 2>&1 || fail "installed from nowhere"
    says "Run abk -i as the user who has built it"
    in_root pacman -R --noconfirm linux-seven linux-seven-headers linux-six linux-six-headers

    abk_fails -i linux-eight
    says "no package linux-eight is there"
}

# listed: the choices that were offered, less what all of them begin with.
listed() { sed -nE "s/^ *[0-9]+\) $1-//p" "$said" | tr '\n' ' '; }

abk_rebuilds() {
    local name=$builds/packages/linux-eleven version
    echo "-- versions of packages and archives are in pacman's order, and signatures are no packages"
    new_kernel linux-eleven
    for version in 1:6.1-1 6.12.1.arch1-1 6.12.arch1-1 6.2-1; do
        as_file "$name-$version-x86_64.pkg.tar.gz" <<<""
        as_file "$builds/linux-eleven-$version.tar.xz" <<<""
        as_file "$name-$version-x86_64.pkg.tar.sig" <<<""
    done
    abk_fails -i linux-eleven
    [[ $(listed linux-eleven) == "6.2-1-x86_64.pkg.tar.gz 6.12.arch1-1-x86_64.pkg.tar.gz 6.12.1.arch1-1-x86_64.pkg.tar.gz \
1:6.1-1-x86_64.pkg.tar.gz " ]] || fail "packages are in another order"
    abk_fails -r linux-eleven
    [[ $(listed linux-eleven) == "6.2-1.tar.xz 6.12.arch1-1.tar.xz 6.12.1.arch1-1.tar.xz 1:6.1-1.tar.xz " ]] ||
        fail "archives are in another order"
    rm "$name"-*

    echo "-- of an archive, in a folder of its own"
    abk_fails -r linux-eight
    says "no archive of linux-eight"
    new_kernel linux-eight
    upstream_says linux-eight 's/^build() {/pkgver() {\n  echo 1.0.r7\n}\n\n&/'
    abk -u linux-eight
    upstream_says linux-eight 's/^pkgver=.*/pkgver=2.0/'
    abk -u linux-eight
    abk -y -r linux-eight
    [[ -e $builds/packages/linux-eight-1.0.r7-1-x86_64.pkg.tar.gz && -d $builds/rebuild/linux-eight-1.0-1/certs-local ]] || fail "not built"
    grep -qx pkgver=2.0 "$builds/linux-eight/PKGBUILD" || fail "the folder was changed"

    echo "-- again, whatever pkgver() has said; but not if the folder was changed"
    abk -y -r linux-eight
    echo "-- twice, of one that was made before ksign's steps were there"
    tar -C "$work" -xf "$builds/linux-eight-1.0-1.tar.xz"
    sed -i '/ksign/d' "$work/linux-eight/PKGBUILD"
    tar -C "$work" -cJf "$builds/linux-eight-1.0-1.tar.xz" linux-eight
    rm -r "$work/linux-eight" "$builds/rebuild/linux-eight-1.0-1"
    abk -y -r linux-eight
    abk -y -r linux-eight
    echo "# mine" >>"$builds/rebuild/linux-eight-1.0-1/PKGBUILD"
    abk_fails -y -r linux-eight
    says "was changed since it was unpacked"
}

abk_cleans() {
    local name
    echo "-- folders, but none that must stay"
    as_user mkdir -p "$home"/{build/{makepkg/old/pkg/a,patches,sources,logs,packages},keys/certs-local}
    as_user chmod 555 "$home/build/makepkg/old/pkg"
    answers=n abk_fails -c "$home/build/makepkg/old"
    answers=y abk -c "$home/build/makepkg/old"
    [[ ! -e $builds/makepkg/old ]] || fail "it is there still"
    # That of a real build: the key in it is a copy; what a failed one leaves can't even be read.
    new_kernel linux-ten
    abk -u linux-ten
    answers=n abk -b linux-ten
    [[ -n $(find "$builds/makepkg/linux-ten" -name signing_key.pem) ]] || fail "the build has left no key"
    as_user mkdir "$home/build/makepkg/linux-ten/src/pkg"
    as_user chmod 111 "$home/build/makepkg/linux-ten/src/pkg"
    abk -y -c "$home/build/makepkg/linux-ten"
    [[ ! -e $builds/makepkg/linux-ten ]] || fail "the build's folder is there still"
    abk_fails -y -c "$home/build/linux-ten"
    says "holds signing keys"
    as_user touch "$home/keys/certs-local/signing_key.pem"
    abk_fails -y -c "$home/keys"
    says "holds signing keys"
    for name in / /home "$home" "$home/build" "$home/build/patches"; do
        abk_fails -y -c "$name"
        says "Name a folder in it"
    done

    echo "-- sources and logs, one by one or all"
    as_user touch "$home"/build/{sources/{a,b}.tar,logs/linux-one-1.0-1-x86_64-build.log}
    answers=n abk_fails -s
    answers=$'y\ny\nn' abk -s
    [[ ! -e $builds/sources/a.tar && -e $builds/sources/b.tar ]] || fail "not what was answered"
    answers=all abk -s
    [[ ! -e $builds/sources/b.tar ]] || fail "not all"
    abk -y -l
    [[ -z $(compgen -G "$builds/logs/*") ]] || fail "not all logs"
    abk -l
    says "no logs"

    echo "-- old packages: by paccache; this one only says what it was called with"
    if [[ ! -e $abk_root/usr/bin/paccache ]]; then
        abk_fails -o
        says "Install pacman-contrib"
    fi
    stand_in paccache
    user_path=/opt/stand-in: answers=n abk_fails -o
    ! grep -q -- -rv "$said" || fail "removed in spite of a no"
    user_path=/opt/stand-in: abk -y -o
    says "paccache -rv -k 3 -c $home/build/packages"
}

abk_usage() {
    local conf=$abk_root$home/.config/abk.conf
    echo "-- help, wrong words, settings"
    abk
    says "Usage: abk"
    abk_fails --nonsense
    says "'--nonsense' is no option"
    abk_fails -u
    says "needs a word"
    wrong_usage -y
    says "no option says what to do"
    wrong_usage -z zstd
    wrong_usage -z zstd -i linux-one
    wrong_usage -z zstd -b linux-one -r linux-one
    says "--compression goes with -u and -b alone"
    cp "$conf" "$work/abk.conf"
    echo 'KEY_REFRESH="7 d"' >>"$conf"
    abk_fails -b linux-one
    says "KEY_REFRESH=7 d"
    cp "$work/abk.conf" "$conf"
    printf '%s\n' KEY_REFRESH=always AUTOMATED=Y >>"$conf"
    new_kernel linux-nine
    abk -u linux-nine -b linux-nine
    grep -q 'ksign keys refresh --refresh always ' "$builds/linux-nine/PKGBUILD" || fail "the setting says nothing"
    cp "$work/abk.conf" "$conf"

    echo "-- without makepkg's messages"
    ! as_user env MAKEPKG_LIBRARY=/nowhere abk -b linux-one >"$said" 2>&1 || fail "it went on"
    says "/nowhere/util/message.sh: not found"
    says "it comes with makepkg"
}

# --- the real one ---------------------------------------------------------------

# Sourced where they are needed: they share names with this file.
use_kernel_tests() {
    local part
    project=$top here=$top/tests/kernel
    # shellcheck source=tests/debian_archive.sh
    . "$top/tests/debian_archive.sh"
    for part in packages kernels boot judge; do
        # shellcheck source=/dev/null
        . "$here/$part.sh"
    done
}

# What the kernel's configuration is made of: that of tests/kernel's own 6.1, but that it trusts nobody yet, and has a module
# of its own, which its build signs.
wanted_configuration() {
    local name
    for name in $(configs_of 6.1); do
        grep -vE '@(TRUSTED|REVOKED)@|^CONFIG_SYSTEM_REVOCATION' "$here/kernels/$name.config"
    done
    printf '%s\n' 'CONFIG_SYSTEM_TRUSTED_KEYS=""' CONFIG_MODULE_SIG_ALL=y CONFIG_CRYPTO_MD4=m
}

# abk_source: source and configuration of the kernel, in a folder of the cache, and what the guest needs. One at a time with
# tests/kernel/run, as that is its cache.
abk_source() {
    local scratch identity lock
    use_kernel_tests
    mkdir -p "$cache"
    exec {lock}>"$cache/lock"
    flock "$lock"
    write_package_list
    identity=$( (wanted_configuration && declare -p source_without) | sha256sum | cut -c 1-16)
    abk_source=$cache/abk-$(version_of source-6.1)-$identity
    trixie=$(unpacked trixie)
    abk_version=$(packages_of source-6.1 | sed 's/^[^=]*=//; s/-.*//')
    if [[ ! -e $abk_source/complete ]]; then
        rm -rf "$cache"/abk-[0-9]*
        mkdir -p "$abk_source"
        scratch=$abk_source/scratch
        unpack_source source-6.1 "$scratch/linux-$abk_version"
        rm "$scratch/linux-$abk_version/unpacked"
        tar --create --file - --directory "$scratch" "linux-$abk_version" | zstd -q -1 -T0 -o "$abk_source/linux-$abk_version.tar.zst"
        wanted_configuration >"$scratch/wanted"
        mkdir "$scratch/build"
        make -s -C "$scratch/linux-$abk_version" O="$scratch/build" ARCH=x86_64 KCONFIG_ALLCONFIG="$scratch/wanted" allnoconfig
        mv "$scratch/build/.config" "$abk_source/config"
        rm -r "$scratch"
        touch "$abk_source/complete"
    fi
    declare -p abk_source abk_version trixie >"$work/abk-source"
}

# The example's PKGBUILD for that source. What the second takes away, abk has to put back just as it was.
example_for() {
    sed -e "s/^pkgver=.*/pkgver=$abk_version/; s/^source=.*/source=(linux-$abk_version.tar.zst config)/; s/^sha256sums=.*/sha256sums=(SKIP SKIP)/" \
        -e '/^validpgpkeys=/d; /^# Linus/d' "$abk_root/usr/share/doc/ksign/kernel-example/PKGBUILD"
}
without_steps() { sed -z 's/\n\n    # ksign: the key[^\n]*\n[^\n]*\n/\n/' | sed '/^ *# ksign:/d; /^ *ksign /d'; }

real_kernel() {
    local folder=$upstream/linux-signed.git
    # shellcheck source=/dev/null
    . "$work/abk-source"
    mkdir -p "$folder"
    example_for | without_steps >"$folder/PKGBUILD"
    ! grep -q '^ *ksign ' "$folder/PKGBUILD" || fail "the steps are there before"
    cp "$abk_source/config" "$folder/"
    # As if downloaded already.
    mkdir -p "$builds/sources"
    cp "$abk_source/linux-$abk_version.tar.zst" "$builds/sources/"
    chown -R "$builder" "$abk_root$home"
    git_of "$folder" init --quiet --initial-branch=main
    commit linux-signed first

    abk -u linux-signed --url "$home/upstream/linux-signed.git"
    example_for | diff -u - "$builds/linux-signed/PKGBUILD" || fail "abk's steps are not those of the example"
    abk -y -z xz -b linux-signed
    in_root abk -y -i linux-signed
    # On Arch a hook of kmod's does it; by what it writes, DKMS knows that modules are compressed.
    in_root depmod "$(release_of_it)"
}

# release_of_it: what the kernel calls itself.
release_of_it() { basename "$(dirname "$(compgen -G "$abk_root/usr/lib/modules/*signed*/vmlinuz")")"; }

# Real DKMS, for the kernel that was installed; ksign's hook has linked the package when it came.
real_modules() {
    local release source=$work/ksign-sample-dkms module
    release=$(release_of_it)
    mkdir -p "$source/usr/src/ksign-sample-1.0"
    cp "$top"/tests/data/sample-dkms/* "$source/usr/src/ksign-sample-1.0/"
    package_of "$source" ksign-sample-dkms
    in_root_files "$work/ksign-sample-dkms-1-1-any.pkg.tar.gz"
    in_root pacman -U --noconfirm /tmp/ksign-sample-dkms-1-1-any.pkg.tar.gz
    [[ $(readlink "$abk_root/etc/dkms/ksign-sample.conf") == kernel-sign.conf ]] || fail "the hook linked nothing"
    in_root dkms install -m ksign-sample -v 1.0 -k "$release"
    # shellcheck source=tests/dkms/environment.sh
    . "$top/tests/dkms/environment.sh"
    for module in ksign_sample_one ksign_sample_two; do
        expect_signed "$(find "$abk_root/usr/lib/modules/$release/updates" -name "$module.ko.xz")" \
            "$abk_root/usr/lib/modules/$release/build/certs-local/current/signing_crt.crt" sha512
    done
    in_root ksign audit -k "$release" --image "/usr/lib/modules/$release/vmlinuz" || fail "ksign would not boot it"
}

# judged NAME ANSWER CONSOLE: as judge.sh does it.
judged() {
    local reason
    reason=$(verdict "$work/abk-boot/said" "$@")
    [[ -z $reason ]] || fail "$1: $reason"
    echo "$1: $(<"$work/abk-boot/said/$1.answer")"
}

real_boot() {
    local cases=$work/abk-boot/cases installed release
    use_kernel_tests
    # shellcheck source=/dev/null
    . "$work/abk-source"
    release=$(release_of_it)
    installed=$abk_root/usr/lib/modules/$release
    prepare_guest
    mkdir -p "$cases/dkms/lib/modules"
    cp -r "$installed" "$cases/dkms/lib/modules/"
    rm -r "$cases/dkms/lib/modules/$release/build"
    index_modules "$cases/dkms"
    # The same module without its signature, and with that of a key that the kernel does not know.
    xz -dc "$(find "$installed/updates" -name ksign_sample_one.ko.xz)" >"$abk_root/tmp/module.ko"
    in_root ksign strip /tmp/module.ko
    cp "$abk_root/tmp/module.ko" "$cases/unsigned.ko"
    in_root ksign keys generate --certs-local /tmp/certs-local -k "$release"
    in_root ksign sign --key /tmp/certs-local/current/signing_key.pem --hash sha512 /tmp/module.ko
    cp "$abk_root/tmp/module.ko" "$cases/stranger.ko"
    printf '%s\n' "one modprobe /cases/dkms ksign_sample_one" "two modprobe /cases/dkms ksign_sample_two" "in-tree modprobe /cases/dkms md4" \
        "unsigned plain /cases/unsigned.ko ksign_sample_one" "stranger plain /cases/stranger.ko ksign_sample_one" >"$cases/list"
    make_initramfs "$cases" "$work/abk-boot/initramfs"
    qemu 240 "$work/abk-boot/log" -M pc -m 512 -kernel "$installed/vmlinuz" -initrd "$work/abk-boot/initramfs" \
        -append "console=ttyS0 ${boot_options[*]}"
    tail -n 40 "$work/abk-boot/log"
    grep -qa "ksign-test: up $release, sig_enforce Y" "$work/abk-boot/log" || fail "it is another kernel, or enforces nothing"
    split_log "$work/abk-boot/log" "$work/abk-boot/said"
    judged one OK -
    judged two OK -
    judged unsigned EKEYREJECTED "Loading of unsigned module is rejected"
    judged stranger EKEYREJECTED "Loading of module with unavailable key is rejected"
    [[ $(<"$work/abk-boot/said/in-tree.answer") == OK ]] || fail "the kernel refuses its own module"
}

# --- all of them ------------------------------------------------------------------

# scenario NAME FUNCTION: in the namespace where the root is.
# (Its root folder too: this may run in a chroot.)
scenario() { check "abk: $1" nsenter --mount --root --wd --target "$abk_holder" bash "$here/abk.sh" --play "$work/abk-settings" "$2"; }

if [[ ${1-} == --play ]]; then
    set -eEuo pipefail
    trap 'echo "FAILED: ${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND" >&2' ERR
    # shellcheck source=/dev/null
    . "$2"
    cd "$work"
    "$3"
    exit 0
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ksign-tests/kernel
abk_ccache=$cache/ccache
if command -v ccache >/dev/null; then mkdir -p "$abk_ccache"; fi
unshare --mount --propagation private sleep infinity &
abk_holder=$!
trap 'kill "$abk_holder"; rm -rf "$work"' EXIT
{ declare -p work built top cache abk_ccache abk_root builder home said builds upstream && declare -f fail; } >"$work/abk-settings"

failed_before=$failed
check "abk: in Arch's package" abk_built
scenario "a root with it" make_root
# Nothing can be played without it.
((failed == failed_before)) || return 0
scenario "clones, updates and archives" abk_update
scenario "patches and edits of the user's" abk_edits
scenario "PKGBUILDs that it can't edit" abk_anchors
scenario "folders of other origin" abk_folders
scenario "builds" abk_builds
scenario "installs" abk_installs
scenario "rebuilds" abk_rebuilds
scenario "cleans" abk_cleans
scenario "usage and settings" abk_usage
check "abk: Debian's source for a real kernel" abk_source
scenario "a real kernel: updated, built, installed" real_kernel
scenario "a real kernel: DKMS builds for it, ksign signs" real_modules
scenario "a real kernel: booted, takes these modules alone" real_boot
