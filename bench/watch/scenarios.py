"""What is laid over a history: takeovers, and senders that look alarming and are innocent."""

import random

from histories import DAY, HOUR, POPULAR, Places, network, poisson

# name: recipients a message, seconds between messages, from the owner's own address, working hours only, bounces
SHAPES = {
    "flood": (1, 1, False, False, 0.2),
    "flood, own address": (1, 1, True, False, 0.15),
    "blasts of 100": (100, 120, False, False, 0.2),
    "blasts of 100, own address": (100, 120, True, False, 0.0),
    "one per 30 s": (1, 30, False, False, 0.15),
    "one per 4 min": (1, 240, False, False, 0.1),
    "own address": (1, 60, True, False, 0.12),
    "working hours, few bounces": (1, 120, False, True, 0.02),
    "one per 4 min, own address, working hours, few bounces": (1, 240, True, True, 0.02),
    "botnet, one per 30 s": (1, 30, None, False, 0.1),
}


def victim_address(rng):
    domain = rng.choice(POPULAR) if rng.random() < 0.5 else f"site{rng.randrange(4000)}.example"
    return f"v{rng.randrange(10**8)}@{domain}"


def takeover(rng, shape, account, own_ip, start, working_hours, most=1200):
    """The attack's events; it goes on for `most` recipients or three days."""
    size, every, own, hours_only, bounces = SHAPES[shape]
    foreign = f"{network(rng)}.{rng.randrange(2, 250)}"
    events, time, sent = [], start, 0
    while sent < most and time < start + 3 * DAY:
        if hours_only and not working_hours(time):
            time += every
            continue
        ip = own_ip if own else foreign if own is False else f"{network(rng)}.{rng.randrange(2, 250)}"
        recipients = [victim_address(rng) for _ in range(size)]
        events.append([time, account, ip, recipients, rng.random() < (bounces if size == 1 else min(1, bounces * 4))])
        sent += size
        time += max(1, round(every * rng.uniform(0.7, 1.3)))
    return events


class OwnHours:
    """The working hours of one account: the eight hours in which it sends most."""

    def __init__(self, times):
        by_hour = [0] * 24
        for time in times:
            by_hour[time % DAY // HOUR] += 1
        first = max(range(24), key=lambda h: sum(by_hour[(h + i) % 24] for i in range(8)))
        self.hours = {(first + i) % 24 for i in range(8)}

    def __call__(self, time):
        return time % DAY // HOUR in self.hours and (time // DAY + 4) % 7 not in (0, 6)


def lay_takeovers(events, seed, least_messages=20, least_days=10):
    """Adds one takeover to each of some accounts. Returns the attacks: (shape, account, start, its events)."""
    rng = random.Random(seed)
    by_account = {}
    for event in events:
        by_account.setdefault(event[1], []).append(event)
    able = [a for a, own in sorted(by_account.items()) if len(own) >= least_messages and own[-1][0] - own[0][0] > least_days * DAY]
    rng.shuffle(able)
    attacks = []
    shapes = list(SHAPES)
    for i, account in enumerate(able[: len(able) * 2 // 3]):
        own = by_account[account]
        after = own[least_messages - 1][0] if rng.random() < 0.5 else own[0][0] + (own[-1][0] - own[0][0]) // 2
        start = rng.randrange(max(after, own[0][0] + least_days * DAY), own[-1][0] + 1)
        last = [e for e in own if e[0] <= start][-1]
        shape = shapes[i % len(shapes)]
        hours = OwnHours([e[0] for e in own])
        if SHAPES[shape][3]:
            while not hours(start):
                start += HOUR // 2
        attacks.append((shape, account, start, takeover(rng, shape, account, last[2], start, hours)))
    return attacks


def applications(rng, begin, end, count=6):
    """Steady transactional mail: everybody it writes to is new to it."""
    events = []
    for n in range(count):
        places, pace = Places(rng), [40, 150, 400, 1000, 60, 250][n % 6]
        start = begin + rng.randrange(0, 20) * DAY
        for day in range(start, min(end, start + 200 * DAY), DAY):
            for _ in range(poisson(rng, pace * (0.6 if (day // DAY + 4) % 7 in (0, 6) else 1))):
                time = day + min(DAY - 1, max(0, int(rng.gauss(14, 4) * HOUR)))
                events.append([time, f"shop{n}@app.example", places.address(time), [victim_address(rng)], rng.random() < 0.02])
    return events


def newsletters(rng, begin, end, count=3, readers=2000):
    """Every week to 2,000 readers, of whom some leave and some join; as one, twenty or 2,000 messages."""
    events = []
    for n in range(count):
        places, chunk = Places(rng), [1000, 100, 1][n % 3]
        who = [victim_address(rng) for _ in range(readers)]
        for issue in range(begin + (n + 1) * DAY + 9 * HOUR, min(end, begin + 250 * DAY), 7 * DAY):
            for _ in range(readers // 50):
                who[rng.randrange(readers)] = victim_address(rng)
            for i in range(0, readers, chunk):
                time = issue + i // chunk
                events.append([time, f"news{n}@app.example", places.address(time), who[i : i + chunk], rng.random() < 0.015])
    return events


def sudden_but_innocent(rng, events, attacked):
    """People of the history who once write to 60 new people, by one message or by sixty; who change their network; who come
    back from a holiday to much mail."""
    by_account = {}
    for event in events:
        by_account.setdefault(event[1], []).append(event)
    calm = [a for a, own in sorted(by_account.items()) if a not in attacked and len(own) > 30]
    rng.shuffle(calm)
    more = []
    for i, account in enumerate(calm[: len(calm) // 2]):
        own = by_account[account]
        at = own[rng.randrange(len(own) // 2, len(own))]
        kind = i % 4
        if kind == 0:
            more.append([at[0] + 60, account, at[2], [victim_address(rng) for _ in range(60)], False])
        elif kind == 1:
            more += [[at[0] + 60 + j * 3, account, at[2], [victim_address(rng)], rng.random() < 0.01] for j in range(60)]
        elif kind == 2:
            ip = f"{network(rng)}.7"
            for event in own:
                if event[0] >= at[0]:
                    event[2] = ip
        else:
            known = [to for e in own if e[0] < at[0] for to in e[3]] or at[3]
            ip = at[2]
            more += [[at[0] + 14 * DAY + j * 90, account, ip, [rng.choice(known)], False] for j in range(90)]
    return more


def joiners(rng, begin, end, count=12):
    """New colleagues: their first weeks, in which they meet everybody."""
    events = []
    for n in range(count):
        places, start = Places(rng), begin + rng.randrange(10, 60) * DAY
        met, pace = [], rng.choice([4, 10, 25])
        for day in range(start, min(end, start + 60 * DAY), DAY):
            if (day // DAY + 4) % 7 in (0, 6):
                continue
            for _ in range(poisson(rng, pace)):
                if not met or rng.random() < 3 / (3 + len(met) / 10):
                    met.append(f"k{rng.randrange(10**7)}@firm{rng.randrange(30)}.example")
                time = day + int(rng.uniform(8, 18) * HOUR)
                events.append([time, f"new{n}@corp.example", places.address(time), [rng.choice(met)], rng.random() < 0.01])
    return events
