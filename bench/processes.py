"""What a server's processes used: CPU time and memory of a process and everything below it."""

import os
import time

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat from the state on (field 3 of proc(5)), or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def family(roots):
    """The processes `roots` and their descendants, alive now."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(name)):
            parents.setdefault(int(fields[1]), []).append(int(name))
    found, look = [], list(roots)
    while look:
        pid = look.pop()
        found.append(pid)
        look += parents.get(pid, [])
    return found


def cpu_seconds(roots):
    """User and system time of `roots` and all their descendants, the dead ones included.

    A living process is read from its own clock (nanoseconds), a dead one from what its parent waited for (ticks)."""
    total = 0.0
    for pid in family(roots):
        fields = _stat(pid)
        if fields is None:
            continue
        try:
            total += time.clock_gettime((~pid << 3) | 2)  # the process's CPU clock, see clock_getcpuclockid(3)
        except OSError:
            continue
        total += (int(fields[13]) + int(fields[14])) / TICK
    return total


def pss_bytes(roots):
    """Proportional set size of `roots` and all their descendants."""
    total = 0
    for pid in family(roots):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                total += sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total
