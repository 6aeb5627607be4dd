#!/usr/bin/env python3
"""How well `postern watch replay` finds stolen accounts, how soon, and whom it holds by mistake.

    bench/watch/run.py [--postern build/release/bin/postern] [--seeds 1,2,3] [--history enron,modern]
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time as clock

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import histories  # noqa: E402
import scenarios  # noqa: E402
import variations  # noqa: E402

DAY = 86400
HISTORIES = {
    "enron": lambda seed: histories.enron(seed),
    "enron-colleagues": lambda seed: histories.enron(seed, strangers=False),
    "institute": lambda seed: histories.institute(seed),
    "modern-5-weeks": lambda seed: histories.modern(seed, days=35),
    "modern": lambda seed: histories.modern(seed),
}


def build(name, seed):
    """A history with everything laid over it, and what is true of it: (events, attacks). A name may end in +no-ip, +one-ip,
    +no-bounces: records that tell less; and in +VARIATION, see variations.py."""
    name, *less = name.split("+")
    events = HISTORIES[name](seed)
    rng = random.Random(seed * 7919 + 1)
    for variation in less:
        if variation in variations.VARIATIONS:
            events = variations.VARIATIONS[variation](rng, events)
    begin, end = events[0][0], events[-1][0]
    attacks = scenarios.lay_takeovers(events, seed, *((8, 4) if "young" in less else (20, 10)))
    attacked = {a[1] for a in attacks}
    innocent = scenarios.sudden_but_innocent(rng, events, attacked)
    innocent += scenarios.applications(rng, begin, end) + scenarios.newsletters(rng, begin, end) + scenarios.joiners(rng, begin, end)
    innocent += variations.more_innocents(rng, begin, end)
    if "bouncy" in less:  # old lists, each with its own share of dead addresses
        share = {}
        for event in innocent:
            event[4] = rng.random() < share.setdefault(event[1], rng.choice([0, 0.03, 0.06, 0.1]))
    everything = events + innocent + [e for a in attacks for e in a[3]]
    everything.sort(key=lambda event: event[0])
    for event in everything:
        if "no-ip" in less:
            event[2] = ""
        if "one-ip" in less:
            event[2] = "192.0.2.1"
        if "no-bounces" in less:
            event[4] = False
    return everything, attacks


def write(events, path):
    with open(path, "w") as out:
        out.write("time\taccount\tip\trecipients\tresult\n")
        for time, account, ip, recipients, bounced in events:
            out.write(f"{time}\t{account}\t{ip}\t{','.join(recipients)}\t{'bounced' if bounced else 'sent'}\n")


def replay(command, path):
    begin = clock.perf_counter()
    run = subprocess.run([*command, str(path)], capture_output=True, text=True)
    seconds = clock.perf_counter() - begin
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)}: {run.returncode}: {run.stderr[-500:]}")
    return [json.loads(line) for line in run.stdout.splitlines()], seconds


def judge(events, attacks, actions):
    """Recipients out before the hold for each shape, and the holds that no attack explains."""
    holds = {}
    for action in actions:
        if action["action"] == "hold":
            holds.setdefault(action["account"], []).append(action)
    out, false = {}, []
    spans = {}
    for shape, account, start, attack in attacks:
        spans[account] = (start, attack[-1][0] + DAY)
        first = next((h for h in holds.get(account, []) if start <= h["time"] <= attack[-1][0]), None)
        went = None if first is None else sum(len(e[3]) for e in attack if e[0] < first["time"])
        out.setdefault(shape, []).append((went, account, start))
    for account, own in holds.items():
        begin, end = spans.get(account, (1, 0))
        false += [h for h in own if not begin <= h["time"] <= end]
    first, last = {}, {}
    for event in events:
        first.setdefault(event[1], event[0])
        last[event[1]] = event[0]
    days = sum(last[a] - first[a] for a in first) / DAY
    return out, false, days


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postern", default="build/release/bin/postern")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--history", default="enron,modern")
    parser.add_argument("--verbose", action="store_true", help="name each miss and each false hold")
    options = parser.parse_args()
    command = [options.postern, "watch", "replay", "--json", "--release-after", "4h"]
    good = True
    for name in options.history.split(","):
        shapes, false, days, count, seconds = {}, [], 0, 0, 0
        for seed in map(int, options.seeds.split(",")):
            events, attacks = build(name, seed)
            with tempfile.TemporaryDirectory() as directory:
                path = pathlib.Path(directory) / "history.tsv"
                write(events, path)
                actions, took = replay(command, path)
            out, wrong, span = judge(events, attacks, actions)
            for shape, results in out.items():
                shapes.setdefault(shape, []).extend((went, seed, account) for went, account, _ in results)
            false += [(seed, h) for h in wrong]
            days, count, seconds = days + span, count + len(events), seconds + took
        print(f"{name}: {count} events, {days:.0f} account-days, {count / seconds:.0f} events/s (with starting and reading)")
        for shape, results in shapes.items():
            caught = sorted(went for went, *_ in results if went is not None)
            median = statistics.median(caught) if caught else float("nan")
            print(f"  {shape:56} caught {len(caught)}/{len(results)}  out before the hold: median {median:.0f}, "
                  f"max {caught[-1] if caught else '-'}")
            good = good and len(caught) == len(results) and median <= 100
            if options.verbose:
                for went, seed, account in results:
                    if went is None or went > 100:
                        print(f"      {went}: {account}, seed {seed}")
        print(f"  false holds {len(false)}: {len(false) / days * 10000:.2f} per 10,000 account-days")
        good = good and len(false) / days * 10000 <= 1
        if options.verbose:
            for seed, hold in false:
                print(f"      seed {seed}: {hold['account']} at {hold['time']}, score {hold['score']:.1f}: {'; '.join(hold['reasons'])}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
