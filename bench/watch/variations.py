"""The same histories under other circumstances, and more innocents that look alarming."""

import math
import random

from histories import DAY, HOUR, POPULAR, Places, network, poisson
from scenarios import victim_address


def weekend(day):
    return (day // DAY + 4) % 7 in (0, 6)


def shifted(rng, events):
    """Another time zone, another weekday."""
    by = rng.randrange(400 * 24) * HOUR
    for event in events:
        event[0] += by
    return events


def subset(rng, events):
    """Half of the accounts, and each with only a part of its messages: other volumes."""
    share = {}
    kept = []
    for event in events:
        account = event[1]
        if account not in share:
            share[account] = 0 if rng.random() < 0.5 else rng.choice([0.3, 0.6, 1])
        if rng.random() < share[account]:
            kept.append(event)
    return kept


def young(rng, events):
    """Every account is opened within the record: of its life before, the record knows one to five weeks."""
    last, kept = {}, []
    for event in events:
        last[event[1]] = event[0]
    begins = {account: end - rng.randrange(7, 36) * DAY for account, end in last.items()}
    for event in events:
        if event[0] >= begins[event[1]]:
            kept.append(event)
    return kept


def bouncy(rng, events):
    """Each account has its own share of bounces, 0 to 30 %."""
    share = {}
    for event in events:
        account = event[1]
        if account not in share:
            share[account] = rng.choice([0, 0.01, 0.05, 0.1, 0.2, 0.3])
        event[4] = rng.random() < share[account]
    return events


def holidays(rng, events):
    """Everybody is away at the same time: three weeks of silence twice a year."""
    begin = events[0][0] + rng.randrange(120) * DAY
    return [e for e in events if (e[0] - begin) % (180 * DAY) > 21 * DAY]


def many_rows(rng, events):
    """A row for each recipient, all with the time of their message."""
    return [[e[0], e[1], e[2], [to], e[4]] for e in events for to in e[3]]


VARIATIONS = {f.__name__: f for f in (shifted, subset, young, bouncy, holidays, many_rows)}


def growing_newsletter(rng, begin, end):
    """From 300 readers to thousands, once by a list that a partner brought."""
    places, events, readers = Places(rng), [], [victim_address(rng) for _ in range(300)]
    for week, issue in enumerate(range(begin + 3 * DAY + 10 * HOUR, min(end, begin + 280 * DAY), 7 * DAY)):
        readers += [victim_address(rng) for _ in range(len(readers) // 10 if len(readers) < 6000 else 60)]
        if week == 15:
            readers += [victim_address(rng) for _ in range(len(readers))]
        for i in range(0, len(readers), 50):
            events.append([issue + i // 50, "grow@lists.example", places.address(issue), readers[i : i + 50], rng.random() < 0.03])
    return events


def moving_application(rng, begin, end):
    """Transactional mail from a cloud: another network every few days, a busy week, an hour in which one domain refuses all."""
    events, place = [], network(rng)
    busy = begin + rng.randrange(50, 120) * DAY
    for day in range(begin + rng.randrange(10) * DAY, min(end, begin + 200 * DAY), DAY):
        if rng.random() < 0.2:
            place = network(rng)
        pace = 120 * (0.7 if weekend(day) else 1) * (4 if 0 <= day - busy < 7 * DAY else 1)
        for _ in range(poisson(rng, pace)):
            time = day + min(DAY - 1, max(0, int(rng.gauss(14, 4) * HOUR)))
            events.append([time, "cloud@app.example", f"{place}.9", [victim_address(rng)], rng.random() < 0.03])
    return events


def refused_by_one_domain(rng, begin, end):
    """A shop, three times in its life a large provider (with two domains) refuses everything of it for half a day."""
    places, events = Places(rng), []
    bad = [begin + rng.randrange(20, 150) * DAY for _ in range(3)]
    for day in range(begin, min(end, begin + 200 * DAY), DAY):
        for _ in range(poisson(rng, 80)):
            time = day + int(rng.uniform(7, 21) * HOUR)
            to = victim_address(rng)
            refused = day in bad and time - day > 13 * HOUR and to.rsplit("@")[1] in POPULAR[:2]
            events.append([time, "till@app.example", places.address(time), [to], refused or rng.random() < 0.02])
    return events


def list_manager(rng, begin, end):
    """Mailing lists of 30 to 400 members that come and go, some posts a day."""
    places, events = Places(rng), []
    lists = [[victim_address(rng) for _ in range(size)] for size in (30, 80, 200, 400)]
    for day in range(begin + DAY, min(end, begin + 250 * DAY), DAY):
        for members in lists:
            for _ in range(poisson(rng, 1 if weekend(day) else 3)):
                if rng.random() < 0.3:
                    members[rng.randrange(len(members))] = victim_address(rng)
                time = day + int(rng.uniform(7, 23) * HOUR)
                for i in range(0, len(members), 50):
                    events.append([time, "lists@club.example", places.address(time), members[i : i + 50], rng.random() < 0.02])
    return events


def traveller(rng, number, begin, end):
    """Every week another city, mail to people met there."""
    events, circle = [], [victim_address(rng) for _ in range(20)]
    account, place = f"sales{number}@corp.example", network(rng)
    for day in range(begin, min(end, begin + 250 * DAY), DAY):
        if (day // DAY + number) % 5 == 0:
            place = network(rng)
        if weekend(day):
            continue
        for _ in range(poisson(rng, 12)):
            if rng.random() < 0.25:
                circle.append(victim_address(rng))
            time = day + int(rng.uniform(6, 22) * HOUR)
            events.append([time, account, f"{place}.{rng.randrange(2, 250)}", [rng.choice(circle[-150:])], rng.random() < 0.02])
    return events


def invitations(rng, begin, end):
    """People who write little, and once invite 80 of their acquaintances, of whom some have moved."""
    events = []
    for n in range(6):
        places, circle = Places(rng), [victim_address(rng) for _ in range(8)]
        account = f"host{n}@home.example"
        party = begin + rng.randrange(40, 150) * DAY + 20 * HOUR
        for day in range(begin, min(end, begin + 200 * DAY), DAY):
            for _ in range(poisson(rng, 1)):
                time = day + int(rng.uniform(8, 22) * HOUR)
                events.append([time, account, places.address(time), [rng.choice(circle)], rng.random() < 0.01])
        guests = [victim_address(rng) for _ in range(40)] + circle
        if n % 2:
            events += [[party + i * 40, account, places.address(party), [to], rng.random() < 0.06] for i, to in enumerate(guests)]
        else:
            events += [[party + i * 600, account, places.address(party), guests[i * 16 : i * 16 + 16], rng.random() < 0.3] for i in range(3)]
    return events


def seasonal_application(rng, begin, end):
    """A ticket shop: quiet for weeks, then a sale of ten times as much; the first days of its life are quiet, too."""
    places, events = Places(rng), []
    for day in range(begin + 5 * DAY, min(end, begin + 230 * DAY), DAY):
        week = day // (7 * DAY) % 9
        pace = 25 * math.exp(rng.gauss(0, 0.3)) * (10 if week == 0 and day - begin > 40 * DAY else 1)
        for _ in range(poisson(rng, pace)):
            time = day + int(rng.betavariate(4, 3) * DAY)
            events.append([time, "tickets@app.example", places.address(time), [victim_address(rng)], rng.random() < 0.02])
    return events


def more_innocents(rng, begin, end):
    out = growing_newsletter(rng, begin, end) + moving_application(rng, begin, end) + refused_by_one_domain(rng, begin, end)
    out += list_manager(rng, begin, end) + seasonal_application(rng, begin, end) + invitations(rng, begin, end)
    for number in range(5):
        out += traveller(rng, number, begin, end)
    return out
