#!/bin/sh
# Inside namespaces of its own: boots systemd in a copy of this machine that lives in memory. rehearsal.py starts it.
# $1: a directory for the copy; $2: one that both sides see, as /run/rehearsal.
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/scratch" "$1/host"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/scratch" "$1/host"
cd "$1/host"

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir run/rehearsal
mount --bind "$2" run/rehearsal

# A machine of its own, on which nothing of this one's is set up or runs.
: > etc/machine-id
hostname fieldmerge-rehearsal
ip link set lo up
rm -rf opt/fieldmerge etc/fieldmerge etc/nginx/conf.d/fieldmerge.conf var/backups/fieldmerge
for unit in systemd-udevd systemd-resolved systemd-networkd systemd-timesyncd systemd-logind console-getty pgbouncer avahi-daemon; do
  ln -sf /dev/null "etc/systemd/system/$unit.service"
done
rm -f etc/systemd/system/avahi-daemon.socket
ln -sf /dev/null etc/systemd/system/getty.target
[ -s etc/postgresql/*/main/postgresql.conf ] || chroot . sh -c 'set -- /usr/lib/postgresql/*; pg_createcluster "${1##*/}" main' > /dev/null

exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --log-level=warning --show-status=no
