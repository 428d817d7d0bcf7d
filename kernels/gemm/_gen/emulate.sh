#!/bin/sh
# Runs a static Linux test binary under the Bochs emulator as a Skylake-X, which
# has AVX-512, so that its kernels can be tested on machines that lack it.
#
#   CGO_ENABLED=0 go test -c -o gemm.test ./kernels/gemm
#   kernels/gemm/_gen/emulate.sh gemm.test -test.v -test.run 'Tails'
#
# Arguments after the binary go to it. SKETCHBENCH_REQUIRE_ISA=avx512 is set
# inside. The exit status is that of the binary; 124 after LIMIT seconds
# (default 1200). FILES names a folder that is copied beside the binary, such as
# testdata. CPU is another of the models that `bochs -help cpu` lists.
#
# Debian packages needed: bochs bochs-term bochsbios vgabios isolinux syslinux-common
# xorriso cpio; and a kernel image with serial console and no modules needed,
# such as that of linux-image-cloud-amd64, unpacked by dpkg -x: its
# boot/vmlinuz-* is named by KERNEL.
set -eu
: "${KERNEL:?path of a vmlinuz}" "${LIMIT:=1200}" "${CPU:=corei7_skylake_x}"
binary=$1
shift
tmp=$(mktemp -d)
pid=
# Bochs, the only child of script, takes no notice of a polite signal.
stop() {
	[ -z "$pid" ] || pkill -KILL -P $pid || true
	rm -rf "$tmp"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP
mkdir -p "$tmp/root/dev" "$tmp/iso" "$tmp/init"
cp "$binary" "$tmp/root/test"
[ -z "${FILES:-}" ] || cp -r "$FILES" "$tmp/root/"
for a in "$@"; do printf '%s\n' "$a"; done >"$tmp/root/args"
mknod "$tmp/root/dev/console" c 5 1
mknod "$tmp/root/dev/null" c 1 3
mkdir -p "$tmp/root/tmp"

# The first process: run the binary, print its status, stop.
cat >"$tmp/init/main.go" <<'GO'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

func main() {
	b, err := os.ReadFile("/args")
	cmd := exec.Command("/test", strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")...)
	if len(b) == 0 {
		cmd = exec.Command("/test")
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir = os.Stdout, os.Stdout, "/"
	cmd.Env = []string{"SKETCHBENCH_REQUIRE_ISA=avx512", "TMPDIR=/tmp", "HOME=/tmp"}
	if err == nil {
		err = cmd.Run()
	}
	status := 0
	if err != nil {
		fmt.Println(err)
		status = 1
	}
	fmt.Printf("\nEMULATE STATUS %d\n", status)
	time.Sleep(2 * time.Second) // for the serial line to drain
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}
GO
(cd "$tmp/init" && GO111MODULE=off CGO_ENABLED=0 go build -o ../root/init main.go)
(cd "$tmp/root" && find . | cpio --quiet -o -H newc | gzip -1) >"$tmp/iso/initrd"
cp "$KERNEL" "$tmp/iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$tmp/iso/"
# Bochs 2.7 reports the size of the uncompacted XSAVE area as that of the
# compacted one, so the kernel would do without AVX: no XSAVES, no XSAVEC.
cat >"$tmp/iso/isolinux.cfg" <<CFG
DEFAULT linux
LABEL linux
 KERNEL /vmlinuz
 INITRD /initrd
 APPEND console=ttyS0,115200 ${APPEND:-quiet} noxsaves clearcpuid=321 mitigations=off tsc=reliable nokaslr random.trust_cpu=on
CFG
xorriso -as mkisofs -quiet -o "$tmp/boot.iso" -b isolinux.bin -c boot.cat \
	-no-emul-boot -boot-load-size 4 -boot-info-table "$tmp/iso" 2>/dev/null
cat >"$tmp/bochsrc" <<CFG
plugin_ctrl: unmapped=true, biosdev=true, speaker=false, e1000=false, parallel=false
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=$CPU, count=1, ips=200000000, reset_on_triple_fault=0
memory: guest=1024, host=1024
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$tmp/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$tmp/serial
log: $tmp/log
panic: action=fatal
error: action=ignore
info: action=ignore
CFG
: >"$tmp/serial"
# Debian's build has the debugger, which must be told to go on.
echo c >"$tmp/debugger"
# The screen needs a terminal, so script makes one; setsid keeps it off ours.
TERM=linux setsid script -qfc "exec bochs -q -f $tmp/bochsrc -rc $tmp/debugger" "$tmp/out" >/dev/null 2>&1 </dev/null &
pid=$!
tail -n +1 -f --pid=$pid "$tmp/serial" &
waited=0
while ! grep -q '^EMULATE STATUS' "$tmp/serial" && kill -0 $pid 2>/dev/null; do
	sleep 1
	waited=$((waited + 1))
	if [ $waited -ge "$LIMIT" ]; then
		echo "emulate.sh: still running after $LIMIT s" >&2
		exit 124
	fi
done
sleep 1
if ! grep -q '^EMULATE STATUS' "$tmp/serial"; then
	cat "$tmp/out" "$tmp/log" | tail -20 >&2
	exit 125
fi
grep -q '^EMULATE STATUS 0' "$tmp/serial"
