#!/usr/bin/python3
"""Measures Postern beside Debian's Postfix: same certificate, same sink, same clients, runs alternating A B A B."""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import tempfile

import servers
import workloads
from servers import BINARIES, Failed

UNITS = {"cpu_ms": "CPU ms each", "rate": "rate /s", "p50_ms": "p50 ms", "p99_ms": "p99 ms", "pss_kb": "PSS KB each",
         "rate_share": "share of rate", "syncs": "syncs each", "syncs_alone": "... one sender", "accept_ms": "accept alone ms",
         "cpu_share": "share of CPU", "backlog": "backlog", "watched": "mails watched", "p50_queue_ms": "p50 queued ms",
         "worst_queue_ms": "worst queued ms", "open_ms": "open ms", "next_p50_us": "next p50 us", "next_p99_us": "next p99 us",
         "rss_mb": "RSS MB"}


def parse_arguments():
    names = [workload.name for workload in workloads.WORKLOADS]
    parser = argparse.ArgumentParser(description=__doc__, epilog="workloads: " + "; ".join(
        f"{w.name}: {w.what}" for w in workloads.WORKLOADS))
    parser.add_argument("workload", nargs="*", metavar="WORKLOAD", help="micro, or one of those below; without any: all")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each server; the median counts")
    parser.add_argument("--messages", type=int, help="by each connection (login: sessions)")
    parser.add_argument("--connections", type=int, help="at once")
    parser.add_argument("--size", type=int, help="octets of body")
    parser.add_argument("--only", choices=["postern", "postfix"], help="one server alone")
    parser.add_argument("--json", type=pathlib.Path, help="every run, for other programs")
    parser.add_argument("--directory", type=pathlib.Path, help="where the servers' files go (a real disk, for honest syncs)")
    arguments = parser.parse_args()
    for name in arguments.workload:
        if name not in ("micro", *names):
            parser.error(f"no workload {name}; there are micro, {', '.join(names)}")
    return arguments


def chosen(arguments):
    """The workloads asked for, with the sizes asked for."""
    changes = {name: value for name in ("messages", "connections", "size") if (value := getattr(arguments, name)) is not None}
    return [dataclasses.replace(workload, **changes) for workload in workloads.WORKLOADS
            if not arguments.workload or workload.name in arguments.workload]


def start(stack, kinds, directory, dkim):
    started = []
    for kind in kinds:
        server = kind(directory / f"{kind.name}{'-dkim' if dkim else ''}", directory, dkim)
        stack.callback(server.stop)
        server.start()
        workloads.warm_up(server)
        started.append(server)
    return started


def measure(workload, running, rounds):
    """The runs of each server, in turn."""
    compared = [server for server in running if server.name == "postern" or workload.mode not in workloads.ONLY_POSTERN]
    runs = {server.name: [] for server in compared}
    for _ in range(1 if workload.mode in workloads.ONCE else rounds):
        for server in compared:
            runs[server.name].append(workloads.run(server, workload))
    return runs


def medians(runs):
    return {name: {measure: statistics.median(run[measure] for run in all_runs) for measure in all_runs[0]}
            for name, all_runs in runs.items() if all_runs}


def verdict(target, value):
    sign = ">=" if target.at_least else "<="
    return f"{sign} {target.limit:g}  {'reached' if target.reached(value) else 'MISSED'}"


def print_rows(workload, result):
    """A line for each measure: both servers, their ratio, and what is to be reached."""
    postern, postfix = result.get("postern", {}), result.get("postfix", {})
    targets = {target.measure: target for target in workload.targets}
    print(f"{workload.name}: {workload.what} ({workload.connections} connections)")
    for measure in postern or postfix:
        mine, theirs = postern.get(measure), postfix.get(measure)
        ratio = mine / theirs if mine is not None and theirs else None
        target = targets.get(measure)
        judged = (ratio if target.of_postfix else mine) if target else None
        columns = [f"{value:10.3f}" if value is not None else " " * 10 for value in (mine, theirs, ratio)]
        print(f"  {UNITS[measure]:15}{''.join(columns)}  {verdict(target, judged) if judged is not None else ''}".rstrip())
    sys.stdout.flush()


def main():
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))  # so that the servers are stopped too
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kinds = [kind for kind in (servers.Postern, servers.Postfix) if arguments.only in (None, kind.name)]
    if servers.Postfix in kinds and (why := workloads.can_compare()):
        print(f"Without Postfix: {why}.")
        kinds.remove(servers.Postfix)
    results = {}
    print(f"{'':17}{'postern':>10}{'postfix':>10}{'ratio':>10}  target")
    with tempfile.TemporaryDirectory(prefix="postern-bench-", dir=arguments.directory or "/var/tmp") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        servers.make_keys(directory)
        for dkim in (False, True):
            wanted = [workload for workload in chosen(arguments) if workload.dkim == dkim]
            if not wanted:
                continue
            with contextlib.ExitStack() as stack:
                running = start(stack, kinds, directory, dkim)
                for workload in wanted:
                    runs = measure(workload, running, arguments.rounds)
                    results[workload.name] = {"runs": runs, "median": medians(runs)}
                    print_rows(workload, results[workload.name]["median"])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    if not arguments.workload or "micro" in arguments.workload:
        subprocess.run([BINARIES / "postern_micro", "--benchmark_min_time=0.2"], check=True)


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
