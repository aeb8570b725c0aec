#!/bin/sh
# Installs the programs that the tests drive, when it may: on Debian and its
# kin, as root or with a sudo that asks nothing. Elsewhere it says which tests
# will be left out, and succeeds: the tests skip themselves by name. CI=true fails
# when a package that the system has could not be installed.
set -u
cd "$(dirname "$0")/.."

packages=
left=
failed=no

# need PROGRAM PACKAGES WHAT: note what is not on the PATH.
need() {
	command -v "$1" >/dev/null 2>&1 && return
	packages="$packages $2"
	left="$left
  $1: $3"
}

need age age "files that go between Zencrypt and the age command"
need gpg gnupg "OpenPGP files that go between Zencrypt and GnuPG"
need sq sq "OpenPGP files that go between Zencrypt and Sequoia"
need sqop sqop "the Stateless OpenPGP command line beside Sequoia's"
need argon2 argon2 "password strings that go between Zencrypt and the reference argon2"
need openssl openssl "digests and old files that go between Zencrypt and OpenSSL"
need b3sum b3sum "BLAKE3 sums that go between Zencrypt and b3sum"
python3 -c 'import cryptography.fernet' 2>/dev/null || {
	packages="$packages python3-cryptography"
	left="$left
  python3-cryptography: Fernet tokens that go between Zencrypt and Python"
}
need strace strace "which files the server opens while it works"
need zsh zsh "completion in zsh"
need fish fish "completion in fish"
need debootstrap debootstrap "the package and the installation in a clean system"
need systemd-analyze systemd "what systemd says of the unit"
need caddy caddy "what the proxy that deploy/Caddyfile sets up writes into its log"
need testssl testssl.sh "a check of the server's TLS"
need sqlite3 sqlite3 "databases that are looked at from outside"
command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 ||
	need chromium "chromium fonts-dejavu-core" "everything that is done in a real browser"

as_root=
may=no
if [ -e /etc/debian_version ] && command -v apt-get >/dev/null 2>&1; then
	if [ "$(id -u)" = 0 ]; then
		may=yes
	elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		may=yes
		as_root="sudo -n"
	fi
fi

if [ -n "$packages" ] && [ "$may" = yes ]; then
	echo "deps: installing$packages"
	log=$(mktemp)
	$as_root apt-get -q -o DPkg::Lock::Timeout=300 update >"$log" 2>&1
	# One that this system does not have must not keep the others away.
	there=
	for package in $packages; do
		if apt-cache show "$package" >/dev/null 2>&1; then
			there="$there $package"
		else
			echo "deps: this system has no package $package"
		fi
	done
	# shellcheck disable=SC2086 # both are lists of words
	if $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
		install --no-install-recommends $there >>"$log" 2>&1; then
		[ "$there" = "$packages" ] && left=
	else
		echo "deps: apt-get did not succeed; its last lines:"
		tail -n 20 "$log"
		failed=yes
	fi
	rm -f "$log"
fi
# A test that skips for want of a program would pass there unseen.
if [ "${CI:-}" = true ] && [ "$failed" = yes ]; then
	exit 1
fi
if [ -n "$left" ]; then
	echo "deps: not installed here, so these are left out:$left"
fi

axe=4.14.1
have=$(sed -n 's/^ *"version": "\(.*\)".*/\1/p' e2e/node_modules/axe-core/package.json 2>/dev/null)
if [ "$have" != "$axe" ]; then
	if command -v npm >/dev/null 2>&1 && npm ci --prefix e2e --no-audit --no-fund --ignore-scripts --loglevel=error; then
		:
	else
		echo "deps: axe-core $axe could not be had from npm, so the accessibility tests are left out"
	fi
fi
