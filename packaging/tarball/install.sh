#!/bin/sh
# Installs Gatehouse from its tarball on a Linux system with systemd: as root, ./install.sh [--remove]
#
# The program goes to /usr/local, the unit to /etc/systemd/system. A configuration that is there is kept; --remove takes
# neither that nor the store. On Debian and Raspberry Pi OS install the .deb instead.
set -eu
cd "$(dirname "$0")"

[ "$(id -u)" = 0 ] || { echo 'install.sh: only root may do this' >&2; exit 1; }

unit=/etc/systemd/system/gatehouse.service
manual=/usr/local/share/man/man1/gatehouse.1
bash=/usr/local/share/bash-completion/completions/gatehouse
zsh=/usr/local/share/zsh/site-functions/_gatehouse
fish=/usr/local/share/fish/vendor_completions.d/gatehouse.fish
live=
[ ! -d /run/systemd/system ] || live=yes

case ${1:-} in
--remove)
    if [ -n "$live" ]; then
        systemctl disable --now gatehouse.service || true
    fi
    rm -f /usr/local/bin/gatehouse "$unit" /etc/sysusers.d/gatehouse.conf "$manual" "$bash" "$zsh" "$fish"
    rm -rf /usr/local/share/doc/gatehouse
    if [ -n "$live" ]; then
        systemctl daemon-reload
    fi
    echo 'Gatehouse is removed. Its configuration in /etc/gatehouse and its store in /var/lib/gatehouse are kept.'
    exit 0
    ;;
'') ;;
*)
    echo 'usage: ./install.sh [--remove]' >&2
    exit 2
    ;;
esac

put() { # MODE FILE TARGET
    mkdir -p "$(dirname "$3")"
    install -m "$1" "$2" "$3"
}
put 755 gatehouse /usr/local/bin/gatehouse
put 644 gatehouse.service "$unit"
sed -i 's,^ExecStart=/usr/bin/,ExecStart=/usr/local/bin/,' "$unit"
put 644 gatehouse.conf /etc/sysusers.d/gatehouse.conf
for file in install.md third-party LICENSE-APACHE LICENSE-MIT; do
    put 644 "$file" "/usr/local/share/doc/gatehouse/$file"
done
put 644 gatehouse.1 "$manual"
put 644 completion.bash "$bash"
put 644 completion.zsh "$zsh"
put 644 completion.fish "$fish"

if ! getent passwd gatehouse >/dev/null; then
    systemd-sysusers /etc/sysusers.d/gatehouse.conf 2>/dev/null ||
        useradd --system --user-group --no-create-home --home-dir /var/lib/gatehouse --shell /usr/sbin/nologin gatehouse
fi
install -d -m 750 -g gatehouse /etc/gatehouse
install -d -m 700 /etc/gatehouse/credentials
if [ ! -e /etc/gatehouse/gatehouse.toml ]; then
    install -m 640 -g gatehouse gatehouse.toml /etc/gatehouse/gatehouse.toml
fi
if [ -n "$live" ]; then
    systemctl daemon-reload
    systemctl try-restart gatehouse.service
fi
cat <<'TEXT'
Gatehouse is installed. If it is new here, as root:
  1. gatehouse init             (asks for what is needed, and tries each answer)
     or edit /etc/gatehouse/gatehouse.toml, and put the secrets into
     /etc/gatehouse/credentials: nexudus-password, kisi-api-key
  2. gatehouse links suggest    (paste what is right into the file)
  3. gatehouse check --online
  4. gatehouse plan
  5. systemctl enable --now gatehouse
Each step is explained in install.md.
TEXT
