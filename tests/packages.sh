# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What ./try and ./check need of a Debian machine. Read by them with ".".

PACKAGES_BUILD="gcc make autoconf automake pkg-config libc6-dev linux-libc-dev libyajl-dev
	libseccomp-dev libselinux1-dev libsystemd-dev scdoc"
# shellcheck disable=SC2034 # for those who read this file
PACKAGES_TRY="$PACKAGES_BUILD busybox-static"
# shellcheck disable=SC2034
PACKAGES_CHECK="$PACKAGES_BUILD git libcap-dev libcmocka-dev clang clang-format clang-tidy
	libclang-rt-14-dev ccache cppcheck shellcheck xz-utils python3 python3-pytest python3-jsonschema busybox-static
	strace util-linux procps kmod iproute2"
# shellcheck disable=SC2034
PACKAGES_ENGINES="podman buildah containerd conmon runc crun catatonit tmux mmdebstrap"
# shellcheck disable=SC2034
PACKAGES_VM="mmdebstrap e2fsprogs cpio kmod xz-utils gcc libc6-dev secilc"
# To build for arm64: what runs here, and what is linked with.
# shellcheck disable=SC2034
PACKAGES_CROSS="$PACKAGES_BUILD gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
# shellcheck disable=SC2034
CROSS_LIBRARIES=libc6-dev,libyajl-dev,libseccomp-dev,libselinux1-dev,libsystemd-dev

# install_packages NAME... - install those that are missing; asks no network when none is
install_packages()
{
	missing=
	if ! command -v dpkg-query >/dev/null 2>&1; then
		echo "not a Debian machine: expecting the counterparts of: $*" | tr -s '\t\n ' ' '
		echo
		return 0
	fi
	for package; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
		[ "$status" = installed ] || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	echo "installing:$missing"
	if [ "$(id -u)" != 0 ]; then
		echo "not root: cannot install" >&2
		return 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update || echo "apt-get update failed: going on with the lists that are there" >&2
	# shellcheck disable=SC2086 # a list
	apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing
}

# install_qemu PACKAGE PROGRAM VERSION - an emulator for tests/vm. QEMU 7.2 (bookworm's) makes kernels from 6.12 on
# panic, so a release with an old one takes it from its backports, from the archive that it uses anyway, and
# without adding that to the machine's sources.
install_qemu()
{
	qemu=$1
	version=$("$2" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
	[ "${version:-0}" -lt "$3" ] || return 0
	[ "$(id -u)" = 0 ] || {
		echo "not root: cannot install $qemu" >&2
		return 1
	}
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update || echo "apt-get update failed: going on with the lists that are there" >&2
	candidate=$(LC_ALL=C apt-cache policy "$qemu" | sed -n 's/.*Candidate: *//p')
	if dpkg --compare-versions "${candidate#(none)}" ge "1:$3"; then
		apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$qemu"
		return
	fi
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	aptdir=$(mktemp -d)
	mkdir -p "$aptdir/lists/partial"
	# what it depends on is not in the backports, nor in the lists if the machine's sources are one file
	printf "deb $(debian_mirror) %s main\n" "$codename" "$codename-backports" >"$aptdir/backports.list"
	set -- -q -o DPkg::Lock::Timeout=300 -o "Dir::Etc::SourceList=$aptdir/backports.list" -o "Dir::State::Lists=$aptdir/lists"
	apt-get "$@" update &&
		apt-get "$@" install -y --no-install-recommends -t "$codename-backports" "$qemu"
	status=$?
	rm -rf "$aptdir"
	return $status
}
