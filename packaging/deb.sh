#!/usr/bin/env bash
# ./dev deb: build/postern_VERSION_ARCH.deb from the release build. Installs program, units, user and directories; configures
# nothing: `postern setup` does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=${1:-build/release/bin/postern}
if [ $# -eq 0 ]; then
  cmake --preset release >/dev/null
  cmake --build --preset release --target postern
fi
version=$("$binary" --version | cut -d' ' -f2)
arch=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root

install -D -m 0755 -s "$binary" "$root/usr/bin/postern"
for unit in postern.service postern-submission.socket postern-submissions.socket; do
  install -D -m 0644 "packaging/systemd/$unit" "$root/lib/systemd/system/$unit"
done
install -D -m 0644 packaging/systemd/postern.sysusers "$root/usr/lib/sysusers.d/postern.conf"
install -D -m 0644 packaging/systemd/postern.tmpfiles "$root/usr/lib/tmpfiles.d/postern.conf"
install -D -m 0644 config/postern.toml "$root/usr/share/doc/postern/examples/postern.toml"
install -D -m 0644 -t "$root/usr/share/doc/postern" README.md docs/operations.md docs/generated/options.md docs/generated/metrics.md \
  docs/generated/replies.md
install -D -m 0644 packaging/ufw/postern "$root/etc/ufw/applications.d/postern"
for shell in bash fish; do
  place=usr/share/bash-completion/completions/postern
  [ $shell = bash ] || place=usr/share/fish/vendor_completions.d/postern.fish
  mkdir -p "$root/$(dirname $place)"
  "$binary" completion $shell >"$root/$place"
done

# The libraries that the program was linked with, as packages.
mkdir "$stage/debian"
printf 'Source: postern\nPackage: postern\nArchitecture: any\n' >"$stage/debian/control"
depends=$(cd "$stage" && dpkg-shlibdeps -O -e "$root/usr/bin/postern" 2>/dev/null | sed 's/^shlibs:Depends=//')

mkdir "$root/DEBIAN"
echo /etc/ufw/applications.d/postern >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<CONTROL
Package: postern
Version: $version
Architecture: $arch
Maintainer: The Postern developers <postern@localhost>
Depends: $depends, ca-certificates, dns-root-data
Recommends: systemd
Section: mail
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f1)
Description: mail submission server
 Takes mail on ports 587 and 465 from those who may send, keeps it safe, signs it with DKIM, delivers it to MX hosts or a
 relay, limits what one account can send, and tells what became of every message. Run "postern setup" after installing.
CONTROL
cat >"$root/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers /usr/lib/sysusers.d/postern.conf
  elif ! getent passwd postern >/dev/null; then
    useradd --system --user-group --no-create-home --home-dir /var/lib/postern --shell /usr/sbin/nologin postern
  fi
  install -d -m 0750 -o root -g postern /etc/postern /etc/postern/tls
  install -d -m 0750 -o postern -g postern /var/lib/postern
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart postern.service
  fi
  [ -e /etc/postern/postern.toml ] || echo "postern: run 'postern setup' to begin."
fi
POSTINST
cat >"$root/DEBIAN/prerm" <<'PRERM'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now postern.service postern-submission.socket postern-submissions.socket
fi
PRERM
# Mail and accounts stay, also when the package is purged: who wants them gone removes /var/lib/postern.
cat >"$root/DEBIAN/postrm" <<'POSTRM'
#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl daemon-reload
POSTRM
chmod 0755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
echo /etc/ufw/applications.d/postern >"$root/DEBIAN/conffiles"
find "$root" -type d -exec chmod 0755 {} +
mkdir -p build
dpkg-deb --root-owner-group --build "$root" "build/postern_${version}_${arch}.deb"
