# For scripts of bash, sourced: systems of Debian and Ubuntu releases, made by debootstrap and kept
# in $FERRY_CHROOTS (/var/tmp/ferry-chroots) for the next time. As root.
# shellcheck shell=bash

chroots=${FERRY_CHROOTS:-/var/tmp/ferry-chroots}

chroot_needs() {
	local tool
	for tool in debootstrap unshare "$@"; do
		command -v "$tool" >/dev/null ||
			{ echo "$0: $tool is missing: see scripts/install-deps" >&2; exit 2; }
	done
}

# chroot_release RELEASE: sets mirror and components, or fails.
chroot_release() {
	case $1 in
	bookworm|trixie) mirror=http://deb.debian.org/debian components=main ;;
	noble) mirror=https://archive.ubuntu.com/ubuntu components=main,universe ;;
	*) return 1 ;;
	esac
}

# chroot_make RELEASE: the file RELEASE.tar, a minimal system without further packages.
chroot_make() {
	local script=/usr/share/debootstrap/scripts/$1 new=$chroots/$1.new
	[ ! -e "$chroots/$1.tar" ] || return 0
	chroot_release "$1"
	# Debian's debootstrap may lack Ubuntu's releases: all since gutsy use the same script.
	[ -e "$script" ] || script=${script%/*}/gutsy
	rm -rf "$new"
	mkdir -p "$chroots"
	debootstrap --variant=minbase --include=ca-certificates --components="$components" \
		"$1" "$new" "$mirror" "$script"
	# Debian does not have Ubuntu's keys, hence https above. From now on apt checks signatures.
	sed -i 's,https:,http:,' "$new/etc/apt/sources.list"
	# No service of a package starts.
	printf '#!/bin/sh\nexit 101\n' > "$new/usr/sbin/policy-rc.d"
	chmod 755 "$new/usr/sbin/policy-rc.d"
	tar -C "$new" -cf "$chroots/$1.tar.new" .
	rm -rf "$new"
	mv "$chroots/$1.tar.new" "$chroots/$1.tar"
}

# chroot_fresh RELEASE NAME: the folder NAME is such a system, new.
chroot_fresh() {
	chroot_make "$1"
	rm -rf "${chroots:?}/$2"
	mkdir -p "$chroots/$2"
	tar -C "$chroots/$2" -xf "$chroots/$1.tar"
}

# chroot_kept RELEASE NAME: the folder NAME, as it was left the last time.
chroot_kept() {
	[ -e "$chroots/$2/complete" ] && return 0
	chroot_fresh "$1" "$2"
	touch "$chroots/$2/complete"
}

# chroot_run NAME COMMAND…: mounts and processes inside end with the command. debhelper has another
# HOME, where ccache would lose what it has.
chroot_run() {
	local root=$chroots/$1
	shift
	unshare --pid --fork --kill-child --root="$root" --wd=/ --mount-proc=/proc \
		env -i PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		CCACHE_DIR=/root/.cache/ccache LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# chroot_install NAME PACKAGE…: packages of the release, or files below /.
chroot_install() {
	local name=$1
	shift
	chroot_run "$name" apt-get -qq update
	chroot_run "$name" apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" \
		>/dev/null
}
