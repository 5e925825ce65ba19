#!/bin/sh
# deps.sh [package|rpm|engine|smoke|test] - installs what building Amps needs and is missing, with the
# system's package manager, as root or through sudo.  "package" adds what making the system's own
# package needs, "rpm" what making an RPM needs, "smoke" what the unit tests and the smoke tests need,
# "test" what the whole suite needs.  "engine" installs what runs containers, for `make test-packages`.
set -eu

# name of the package, or name=command where any provider of that command will do
DEB_BUILD="gcc cmake ninja-build pkg-config=pkg-config libc6-dev zlib1g-dev libevent-dev
	libjansson-dev libyaml-dev libsqlite3-dev libcurl4-openssl-dev=curl-config libseccomp-dev nettle-dev libwslay-dev libxml2-dev
	libexpat1-dev liblzma-dev libmaxminddb-dev
	libavformat-dev libavcodec-dev libavfilter-dev libavutil-dev libswscale-dev
	libswresample-dev ffmpeg=ffmpeg
	fonts-dejavu-core fontconfig=fc-list"
DEB_SMOKE="libcriterion-dev python3 python3-pytest python3-pytest-xdist python3-yaml curl=curl
	iproute2=ip procps=ps util-linux=runuser xmltv-util=tv_validate_file libxml2-utils=xmllint yt-dlp=yt-dlp"
DEB_TEST="clang=clang lld=ld.lld libclang-rt-dev clang-format=clang-format debootstrap=debootstrap
	universal-ctags=ctags nodejs=node npm=npm mpv=mpv vlc-bin vlc-plugin-base gstreamer1.0-tools
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
	gstreamer1.0-plugins-ugly gstreamer1.0-libav python3-gi
	gir1.2-gst-rtsp-server-1.0 nginx-light=nginx libnginx-mod-rtmp openssl=openssl
	wrk=wrk tshark=tshark lintian=lintian piuparts=piuparts rpm=rpmbuild rpmlint=rpmlint buildah=buildah docker-compose=docker-compose haproxy=haproxy prometheus=promtool systemd=systemd-analyze"
DEB_PACKAGE="build-essential debhelper dpkg-dev=dpkg-buildpackage fakeroot=fakeroot"
DEB_RPM="rpm=rpmbuild"
DEB_ENGINE="podman=podman runc=runc netavark iptables=iptables"
# Ubuntu has them only as snaps
DEB_ONLY_DEBIAN="chromium=chromium firefox-esr=firefox-esr"
RPM_BUILD="gcc cmake ninja-build pkgconf-pkg-config=pkg-config zlib-devel libevent-devel
	jansson-devel libyaml-devel sqlite-devel libcurl-devel libseccomp-devel nettle-devel wslay-devel libxml2-devel expat-devel xz-devel libmaxminddb-devel
	pkgconfig(libavformat) pkgconfig(libavcodec) pkgconfig(libavfilter) pkgconfig(libavutil)
	pkgconfig(libswscale) pkgconfig(libswresample) ffmpeg-free=ffmpeg dejavu-sans-fonts
	fontconfig=fc-list"
RPM_PACKAGE="rpm-build=rpmbuild systemd-rpm-macros"
RPM_ENGINE="podman=podman runc=runc netavark"
# Fedora has no package of Criterion (see own_build) and none of wrk, which only `make bench` needs
RPM_SMOKE="python3 python3-pytest python3-pytest-xdist python3-pyyaml curl=curl
	iproute=ip procps-ng=ps util-linux=runuser libxml2=xmllint yt-dlp=yt-dlp"
RPM_TEST="clang=clang lld=ld.lld compiler-rt clang-tools-extra=clang-format debootstrap=debootstrap ctags=ctags
	nodejs=node npm=npm mpv=mpv vlc gstreamer1-plugins-base-tools
	gstreamer1-plugins-good gstreamer1-plugins-bad-free gstreamer1-plugins-ugly
	gstreamer1-plugin-libav python3-gobject gstreamer1-rtsp-server nginx=nginx
	openssl=openssl rpmlint=rpmlint buildah=buildah docker-compose=docker-compose haproxy=haproxy golang-github-prometheus=promtool systemd=systemd-analyze wireshark-cli=tshark chromium=chromium-browser firefox=firefox"

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "deps: please install as root: $*" >&2
		exit 1
	fi
}

has_deb() {
	dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# A package, or what one provides: "pkgconfig(libavcodec)" is in the packages of several repositories.
has_rpm() {
	rpm -q --whatprovides "$1" >/dev/null 2>&1
}

# Fails if the unit tests' library is not there and has no package.
own_build() {
	pkg-config --exists criterion && return
	echo "deps: this system has no package of Criterion; the unit tests need it" \
		"(build it from https://github.com/Snaipe/Criterion)" >&2
	exit 1
}

# missing TEST ENTRY...: the packages that are not there
missing() {
	has=$1
	shift
	for entry; do
		command=${entry#*=}
		if [ "$command" != "$entry" ] && command -v "$command" >/dev/null; then
			continue
		fi
		"$has" "${entry%%=*}" || printf '%s ' "${entry%%=*}"
	done
}

case ${1:-} in
'') deb=$DEB_BUILD rpm=$RPM_BUILD ;;
package) deb="$DEB_BUILD $DEB_PACKAGE" rpm="$RPM_BUILD $RPM_PACKAGE" ;;
rpm) deb="$DEB_BUILD $DEB_RPM" rpm="$RPM_BUILD $RPM_PACKAGE" ;;
engine) deb=$DEB_ENGINE rpm=$RPM_ENGINE ;;
smoke) deb="$DEB_BUILD $DEB_SMOKE" rpm="$RPM_BUILD $RPM_SMOKE" ;;
test) deb="$DEB_BUILD $DEB_SMOKE $DEB_TEST" rpm="$RPM_BUILD $RPM_SMOKE $RPM_TEST" ;;
*) echo "usage: deps.sh [package|rpm|engine|smoke|test]" >&2; exit 2 ;;
esac
if [ "${1:-}" = test ] && grep -qx 'ID=debian' /etc/os-release; then
	deb="$deb $DEB_ONLY_DEBIAN"
fi
if command -v apt-get >/dev/null; then
	need=$(missing has_deb $deb)
	[ -n "$need" ] || exit 0
	echo "deps: installing $need"
	as_root apt-get -qq -o DPkg::Lock::Timeout=580 update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		-o DPkg::Lock::Timeout=580 -o Dpkg::Use-Pty=0 install $need >/dev/null
elif command -v dnf >/dev/null; then
	need=$(missing has_rpm $rpm)
	if [ -n "$need" ]; then
		echo "deps: installing $need"
		as_root dnf -q -y install $need
	fi
	case ${1:-} in smoke | test) own_build ;; esac
else
	echo "deps: neither apt-get nor dnf here; needed: $deb" >&2
	exit 1
fi
