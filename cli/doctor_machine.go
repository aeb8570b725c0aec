package cli

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// checkDisk looks at the room that the data has.
func checkDisk(v *visit) error {
	size, free, err := diskSize(v.cfg.Data)
	if err != nil {
		return fmt.Errorf("read free space: %w", err)
	}
	floor := int64(v.cfg.MinFreeDisk)
	text := fmt.Sprintf("%s of %s are free for the data, and the server stops taking uploads at %s", humanize.IBytes(uint64(free)), humanize.IBytes(uint64(size)), humanize.IBytes(uint64(floor)))
	const do = "make room, or give the data a larger disk"
	switch {
	case free < floor:
		v.bad(do, "%s", text)
	case free < 2*floor || free < size/20:
		v.note(do, "%s", text)
	default:
		v.ok("%s", text)
	}
	if total, left, err := inodes(v.cfg.Data); err == nil && total > 0 && left < total/20 {
		v.bad("remove files, or make the file system anew with more inodes", "%d of %d inodes are left: files can't be made without", left, total)
	}
	if spool := int64(v.cfg.SpoolMax); spool > size-floor {
		v.note("set --spool-max to what the disk has", "results may take %s together (--spool-max), more than the disk has", humanize.IBytes(uint64(spool)))
	}
	return nil
}

// checkMachine looks at what could bring the server's memory to a disk, and at the clock.
func checkMachine(v *visit) error {
	v.swap()
	v.cores()
	switch synced, err := clockSynced(); {
	case err != nil:
		v.note("look whether a time service runs, such as systemd-timesyncd", "whether the clock is kept right can't be told: %v", err)
	case !synced:
		v.note("start a time service: systemctl enable --now systemd-timesyncd", "nothing keeps the clock right: codes of authenticator apps and certificates depend on it")
	default:
		v.ok("the clock is kept right")
	}
	return nil
}

func (v *visit) swap() {
	areas, err := os.ReadFile(v.path("/proc/swaps"))
	if err != nil {
		v.note("", "whether there is swap can't be told: %v", err)
		return
	}
	n := max(strings.Count(strings.TrimSpace(string(areas)), "\n"), 0) // the first line is a heading
	swapped := procField(v.path(fmt.Sprintf("/proc/%d/status", v.pid)), "VmSwap:")
	switch {
	case v.pid > 0 && swapped != "" && swapped != "0 kB":
		v.bad("run it by the shipped unit (MemorySwapMax=0), or switch swap off: swapoff -a. Then restart the server, and exchange what may lie on the disk",
			"%s of the running server's memory were swapped out to a disk", swapped)
	case n > 0:
		v.note("run it by the shipped unit (MemorySwapMax=0), encrypt the swap, or switch it off; suspending to disk writes all memory too", "swap areas of this machine: %d", n)
	default:
		v.ok("this machine has no swap")
	}
}

func (v *visit) cores() {
	pattern, err := os.ReadFile(v.path("/proc/sys/kernel/core_pattern"))
	if err != nil {
		return
	}
	handler := strings.TrimSpace(string(pattern))
	if v.pid > 0 {
		limit := procField(v.path(fmt.Sprintf("/proc/%d/limits", v.pid)), "Max core file size")
		switch f := strings.Fields(limit); {
		case len(f) > 0 && f[0] == "0":
			v.ok("the running server writes no core dumps")
		case len(f) > 0:
			v.bad("restart it, by the shipped unit (LimitCORE=0)", "the running server may write core dumps of %s bytes", f[0])
		}
		return
	}
	if strings.HasPrefix(handler, "|") {
		v.note("", "core dumps of this machine go to a program (%s); the server switches its own off", strings.Fields(handler[1:] + " ?")[0])
		return
	}
	v.ok("the server switches core dumps of its own off")
}

// procField is the rest of the line that begins with name.
func procField(path, name string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// exeOf is the program that a process runs, and whether its file was replaced since.
func (v *visit) exeOf(pid int) (path string, replaced bool) {
	link, err := os.Readlink(v.path("/proc/" + strconv.Itoa(pid) + "/exe"))
	if err != nil {
		return "", false
	}
	return strings.CutSuffix(link, " (deleted)")
}
