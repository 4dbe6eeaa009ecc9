# shellcheck shell=bash
#
# Debian's archive, as the machine's own apt reaches it: for tests that need packages of other suites than the machine's.
# Sourced; does nothing by itself. Nothing of the machine's apt is changed.

# machine_suite: prints the suite of Debian that this machine has.
machine_suite() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# debian_mirror: prints the address that the machine gets Debian from. apt itself knows it, whatever the format of its
# sources; other suites lie beside the installed one.
debian_mirror() {
    local mirror
    # shellcheck disable=SC2016 # apt's own names
    mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        sed -n "s/^$(machine_suite) main //p" | sed -n 1p)
    if [[ -z $mirror ]]; then
        echo "apt's sources name no mirror of Debian" >&2
        return 1
    fi
    echo "$mirror"
}

# private_apt FOLDER COMMAND…: runs apt-get or apt-cache with sources, lists and cache of their own, those of FOLDER. A
# mirror may be a snapshot, whose lists of sid are too old for apt's taste; their signatures are checked all the same.
# What apt makes of the lists is kept, which containers mostly forbid: else each question takes seconds.
private_apt() {
    local folder=$1 command=$2
    shift 2
    "$command" -qq -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" \
        -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false "$@"
}

# make_private_apt FOLDER SUITE…: a view of these suites, with fresh lists.
make_private_apt() {
    local folder=$1 mirror keyring suite
    shift
    mirror=$(debian_mirror) || return 1
    keyring=$(compgen -G '/usr/share/keyrings/debian-archive-keyring.*' | sed -n 1p)
    mkdir -p "$folder"/{lists/partial,cache/archives/partial}
    for suite in "$@"; do
        echo "deb [signed-by=$keyring] $mirror $suite main"
    done >"$folder/sources.list"
    private_apt "$folder" apt-get update
}

# bare_debian SUITE: a tar archive of a Debian with nothing installed, in $bare, kept for a week.
bare_debian() {
    local suite=$1 folder
    bare=${XDG_CACHE_HOME:-$HOME/.cache}/ksign-tests/debootstrap-$suite.tar
    [[ -z $(find "$bare" -mtime -7 2>/dev/null) ]] || return 0
    echo "making a bare Debian ($suite)"
    folder=$(mktemp -d)
    chmod 755 "$folder" # it becomes the root folder
    debootstrap --variant=minbase "$suite" "$folder" "$(debian_mirror)" >"$folder.log" 2>&1 ||
        { tail -n 30 "$folder.log" && return 1; }
    mkdir -p "$(dirname "$bare")"
    tar -C "$folder" -cf "$bare.$$" .
    mv "$bare.$$" "$bare" # another may be making it as well
    rm -rf "$folder" "$folder.log"
}

# enter_bare_debian ROOT: that of $bare, on a tmpfs; goes with this mount namespace.
enter_bare_debian() {
    local root=$1
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 ksign-fresh "$root"
    tar -C "$root" -xf "$bare"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmp "$root/tmp"
}

# in_bare_debian ROOT COMMAND…
in_bare_debian() {
    local root=$1
    shift
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb chroot "$root" "$@"
}
