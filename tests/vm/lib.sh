# shellcheck shell=bash disable=SC2034,SC2154 # variables for, and of, those who read this file
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the virtual machines are made of, read by ./run, ./check and ./all with ".".
#
# Three things are kept in $cache, each made once from Debian's packages:
#   kernel-KERNEL/ vmlinuz, an initrd of busybox and the modules that reach the disks, modules.img
#   tree-SUITE.img a root file system with systemd, python and what tests/runtime needs
# and for another architecture a fourth:
#   sysroot-ARCH-KEY/ the libraries that the program is linked with
# Kernel and tree need not be of the same suite: the program under test is built on the machine that
# starts the VM, and wants a tree whose libc is not older. The trees hold nothing of this project; that
# comes on a disk of its own, made for each run.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ocirun-vm
# A suite, and the architecture if it is not amd64.
kernels="bullseye bookworm trixie trixie-arm64 sid"
layouts="v2 v2-systemd v1-systemd hybrid-systemd apparmor selinux selinux-enforcing"

TREE_PACKAGES=systemd-sysv,dbus,dbus-user-session,libpam-systemd,procps,iproute2,kmod,jq,python3
TREE_PACKAGES+=,python3-pytest,python3-jsonschema,strace,uidmap,sudo,util-linux,apparmor,libseccomp2,libyajl2,libcap2
TREE_PACKAGES+=,libselinux1,busybox-static,crun,runc

# machine_tests KERNEL LAYOUT: the files of tests/runtime that are about what such a machine has. All of
# them take a quarter of an hour and more where processors are emulated: for one machine of each architecture.
machine_tests()
{
	local names file
	case $2 in
	*-user) names=rootless ;;
	v2) names="cgroup* mounts namespaces devices" ;;
	*-systemd) names="cgroup* systemd*" ;;
	apparmor | selinux*) names="lsm mounts" ;;
	esac
	case $1-$2 in
	trixie-v2 | trixie-arm64-v2) echo tests/runtime && return ;;
	# root hands cgroups of v1 to an ordinary user
	bookworm-v1-systemd | bullseye-hybrid-systemd) names+=" rootless" ;;
	esac
	for file in $names; do
		# some of the names stand for several files
		compgen -G "tests/runtime/test_$file.py"
	done | tr '\n' ' ' | sed 's/ $//'
}

# A static build, in build/static of the tree $top: it has a helper for systemd, which only a machine with
# systemd can test.
make_static()
{
	mkdir -p "$top/build/static" || return 1
	([ -x "$top/configure" ] || "$top/autogen.sh" || exit 1
		cd "$top/build/static" && { [ -e Makefile ] || "$top/configure" -q --enable-static; } &&
		make -s -j2 ocirun ocirun-systemd) </dev/null >"$top/build/static/log" 2>&1 ||
		{ tail -n 20 "$top/build/static/log" && return 1; }
}

# architecture KERNEL
architecture()
{
	case $1 in
	*-arm64) echo arm64 ;;
	*) echo amd64 ;;
	esac
}

# make_cross: builds for arm64 in build/arm64 of the tree $top
make_cross()
{
	local sysroot work
	sysroot=$cache/sysroot-arm64-$(echo "$CROSS_LIBRARIES" | cksum | cut -d ' ' -f 1)
	if [ ! -d "$sysroot" ]; then
		mkdir -p "$cache"
		work=$(mktemp -d "$cache/new.XXXXXX") || return 1
		bootstrap extract arm64 "$CROSS_LIBRARIES" bookworm "$work/root" || return 1
		mv "$work/root" "$sysroot"
		rmdir "$work"
	fi
	mkdir -p "$top/build/arm64" || return 1
	(
		export PKG_CONFIG_SYSROOT_DIR=$sysroot PKG_CONFIG_LIBDIR=$sysroot/usr/lib/aarch64-linux-gnu/pkgconfig
		[ -x "$top/configure" ] || "$top/autogen.sh" || exit 1
		cd "$top/build/arm64" || exit 1
		if [ ! -e Makefile ] || [ "$(cat .sysroot)" != "$sysroot" ]; then
			"$top/configure" -q --host=aarch64-linux-gnu CC="aarch64-linux-gnu-gcc --sysroot=$sysroot" || exit 1
			echo "$sysroot" >.sysroot
		fi
		make -s -j2 WERROR=-Werror
	) </dev/null >"$top/build/arm64/log" 2>&1 || { tail -n 20 "$top/build/arm64/log" && return 1; }
}

die()
{
	echo "tests/vm: $*" >&2
	exit 2
}

# The archive that this machine itself installs from.
debian_mirror()
{
	local mirror
	mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list 2>/dev/null |
		sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' |
		grep -E '/debian/?$' | head -n 1)
	[ -n "$mirror" ] || die "no Debian archive in this machine's apt sources"
	echo "$mirror"
}

# bootstrap VARIANT ARCH PACKAGES SUITE TARGET. Old suites are served with signatures that have expired.
bootstrap()
{
	timeout 900 mmdebstrap --quiet --variant="$1" --arch="$2" --include="$3" \
		--aptopt='Acquire::Check-Valid-Until "false"' "$4" "$5" "$(debian_mirror)"
}

# image DIRECTORY FILE SIZE LABEL: features that a 5.10 kernel knows, no journal: nothing survives a run.
image()
{
	truncate -s "$3" "$2"
	mkfs.ext4 -q -F -O ^has_journal,^orphan_file,^metadata_csum_seed -m 0 -L "$4" -d "$1" "$2"
}

make_initrd()
{
	local root=$1 version=$2 busybox=$3 out=$4 dir n=10 file module
	dir=$(mktemp -d) || return 1
	mkdir -p "$dir/bin" "$dir/dev" "$dir/proc" "$dir/new"
	cp "$busybox" "$dir/bin/busybox" || return 1
	cp "$vm/guest/initrd" "$dir/init"
	chmod 755 "$dir/init"
	for module in virtio_pci virtio_blk ext4; do
		modprobe -d "$root" -S "$version" --show-depends "$module" | sed -n 's/^insmod //p'
	done | awk '!seen[$1]++ { print $1 }' >"$dir/list"
	while read -r file; do
		n=$((n + 1))
		module=${file##*/}
		case $file in
		*.xz) xz -dc "$file" ;;
		*.zst) zstd -dc "$file" ;;
		*) cat "$file" ;;
		esac >"$dir/$n-${module%%.ko*}.ko"
	done <"$dir/list"
	(cd "$dir" && find . | cpio -o -H newc --quiet | gzip -1) >"$out"
	rm -rf "$dir"
}

# make_kernel KERNEL: sets kernel_dir
make_kernel()
{
	local kernel=$1 suite=${1%-arm64} arch work version modules
	arch=$(architecture "$kernel")
	kernel_dir=$cache/kernel-$kernel
	[ ! -s "$kernel_dir/busybox" ] || [ "$vm/guest/initrd" -nt "$kernel_dir/initrd.gz" ] || return 0
	work=$(mktemp -d "$cache/new.XXXXXX") || return 1
	if [ ! -s "$kernel_dir/busybox" ]; then
		echo "making the kernel of $kernel in $kernel_dir" >&2
		bootstrap extract "$arch" "linux-image-cloud-$arch,busybox-static" "$suite" "$work/x" || return 1
		# The name of these places has changed over the years.
		modules=$(find "$work/x" -path '*lib/modules/*' -prune -name "*-$arch" | head -n 1)
		version=${modules##*/}
		mkdir -p "$work/root/lib/modules" "$work/done"
		mv "$modules" "$work/root/lib/modules/"
		find "$work/x" "$work/root" -name 'vmlinuz*' -exec cp {} "$work/done/vmlinuz" \;
		[ -s "$work/done/vmlinuz" ] || die "no kernel in linux-image-cloud-$arch of $suite"
		cp "$(find "$work/x" -path '*bin/busybox')" "$work/done/busybox" || return 1
		depmod -b "$work/root" "$version"
		echo "$version" >"$work/done/version"
		image "$work/root/lib/modules" "$work/done/modules.img" 192M modules || return 1
		make_initrd "$work/root" "$version" "$work/done/busybox" "$work/done/initrd.gz" || return 1
		tar -C "$work/root" -cf "$work/done/modules.tar" lib
		rm -rf "$kernel_dir"
		mv "$work/done" "$kernel_dir"
	else
		tar -C "$work" -xf "$kernel_dir/modules.tar"
		make_initrd "$work" "$(cat "$kernel_dir/version")" "$kernel_dir/busybox" "$kernel_dir/initrd.gz" || return 1
	fi
	rm -rf "$work"
}

# What the packages' scripts, which are of another architecture, would have done for layout v2.
configure_tree()
{
	local file
	for file in passwd group; do
		cp "$1/usr/share/base-passwd/$file.master" "$1/etc/$file"
	done
	ln -sf mawk "$1/usr/bin/awk"
	mkdir -p "$1/etc/systemd/system" "$1"/{dev,proc,sys,run,tmp,root}
}

# make_tree SUITE ARCH: sets tree_image
make_tree()
{
	local suite=$1 arch=$2 name=$1 work unit key
	[ "$arch" = amd64 ] || name+=-$arch
	key=$(echo "$TREE_PACKAGES" | cksum | cut -d ' ' -f 1)
	tree_image=$cache/tree-$name-$key.img
	[ ! -s "$tree_image" ] || return 0
	echo "making the tree of $name in $tree_image" >&2
	work=$(mktemp -d "$cache/new.XXXXXX") || return 1
	if [ "$arch" = amd64 ]; then
		bootstrap minbase amd64 "$TREE_PACKAGES" "$suite" "$work/root" || return 1
	else
		bootstrap extract "$arch" "$TREE_PACKAGES,bash,coreutils,dash,login,passwd,base-passwd,mawk,grep,sed,libc-bin,hostname,findutils,diffutils,tar,gzip,base-files" \
			"$suite" "$work/root" || return 1
		configure_tree "$work/root" || return 1
	fi
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
		e2scrub_all.timer e2scrub_reap.service systemd-timesyncd.service \
		systemd-firstboot.service getty.target ldconfig.service; do
		ln -sf /dev/null "$work/root/etc/systemd/system/$unit"
	done
	echo vm >"$work/root/etc/hostname"
	printf '127.0.0.1 localhost vm\n' >"$work/root/etc/hosts"
	echo 0123456789abcdef0123456789abcdef >"$work/root/etc/machine-id"
	mkdir -p "$work/root/payload" "$work/root/usr/lib/modules"
	useradd -R "$work/root" -m -u 1000 -s /bin/bash user
	echo user:100000:65536 | tee "$work/root/etc/subuid" >"$work/root/etc/subgid"
	# No package manager runs in there.
	rm -rf "$work"/root/var/lib/apt/lists/* "$work"/root/var/cache/apt/* \
		"$work"/root/usr/share/{doc,man,locale}
	image "$work/root" "$work/image" 3G root || return 1
	mv "$work/image" "$tree_image"
	rm -rf "$work"
}
