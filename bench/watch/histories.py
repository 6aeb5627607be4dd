"""Sending histories to lay takeovers over: one real (Enron), one made up and quite different (modern).

An event is a list [time, account, ip, recipients, bounced]. Histories are deterministic in their seed."""

import math
import pathlib
import random

DATA = pathlib.Path(__file__).parent / "data" / "enron.tsv"
DAY = 86400
HOUR = 3600
POPULAR = ["gmail.com", "outlook.com", "yahoo.com", "icloud.com", "gmx.net", "web.de", "orange.fr", "qq.com"]


def network(rng):
    """The first three octets of a public /24."""
    return f"{rng.choice([5, 31, 46, 62, 77, 81, 89, 93, 109, 151, 176, 185])}.{rng.randrange(256)}.{rng.randrange(256)}"


class Places:
    """Where an account sends from: its home or office, a mobile provider, hotels when it travels."""

    def __init__(self, rng, office=None, travels=0.0, mobile=0.0):
        self.rng, self.travels, self.mobile = rng, travels, mobile
        self.home = office or network(rng)
        self.host = rng.randrange(2, 250)
        provider = network(rng).rsplit(".", 1)[0]
        self.cells = [f"{provider}.{rng.randrange(256)}" for _ in range(12)]
        self.trip_until, self.hotel = 0, None

    def address(self, time):
        if time < self.trip_until:
            return f"{self.hotel}.{self.host}"
        roll = self.rng.random()
        if roll < self.travels:
            self.trip_until, self.hotel = time + self.rng.randrange(1, 5) * DAY, network(self.rng)
            return f"{self.hotel}.{self.host}"
        if roll < self.travels + self.mobile:
            return f"{self.rng.choice(self.cells)}.{self.rng.randrange(2, 250)}"
        return f"{self.home}.{self.host}"


def enron(seed, strangers=True):
    """The real one. With `strangers`, recipients are outside people at many domains, which is harder: nobody is a colleague."""
    rng = random.Random(seed)
    office = network(rng)
    places, events = {}, []
    for line in DATA.read_text().splitlines()[1:]:
        time, sender, to = line.split("\t")
        if sender not in places:
            places[sender] = Places(rng, office if rng.random() < 0.4 else None, rng.choice([0, 0, 0, 0.004]), rng.choice([0, 0, 0.2]))
        if strangers:
            recipients = [f"c{n}@host{int(n) % 61}.example" for n in to.split(",")]
        else:
            recipients = [f"p{n}@corp.example" for n in to.split(",")]
        bounced = rng.random() < 0.01
        events.append([int(time), f"p{sender}@corp.example", places[sender].address(int(time)), recipients, bounced])
    return events


def poisson(rng, mean):
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, n, p = math.exp(-mean), 0, rng.random()
    while p > limit:
        n, p = n + 1, p * rng.random()
    return n


class Person:
    """One account of the modern history: its pace, its circle, how fast the circle grows, when and from where it writes."""

    def __init__(self, rng, number, domain, start, end):
        self.rng, self.number = rng, number
        self.account = f"user{number}@{domain}"
        self.pace = min(120, math.exp(rng.gauss(1.4, 1.2)))  # messages a working day
        self.openness = min(0.6, math.exp(rng.gauss(-2.6, 0.9)))  # share of messages to somebody new
        self.night = rng.random() < 0.12
        self.shift = rng.randrange(-3, 10)
        self.lists = [rng.randrange(5, 45) for _ in range(rng.choice([0, 0, 1, 2]))]
        self.one_row_each = rng.random() < 0.4  # the record has a row per recipient
        self.start, self.end = start, end
        self.circle, self.known = [], set()
        self.bounces = rng.choice([0.002, 0.01, 0.03])
        self.places = Places(rng, None, rng.choice([0, 0, 0, 0.01, 0.03]), rng.choice([0, 0.1, 0.5]))

    def somebody_new(self):
        rng = self.rng
        domain = rng.choice(POPULAR) if rng.random() < 0.4 else f"firm{int(rng.paretovariate(0.6)) % 9000}.example"
        address = f"x{rng.randrange(10**9)}@{domain}"
        self.circle.append(address)
        return address

    def somebody(self):
        if not self.circle or self.rng.random() < self.openness:
            return self.somebody_new()
        return self.circle[min(len(self.circle) - 1, int(self.rng.expovariate(1) * len(self.circle) / 4))]

    def moment(self, day):
        rng = self.rng
        hour = rng.gauss(23, 2.5) if self.night else rng.gauss(13, 2.8)
        return int(day + (hour - self.shift) * HOUR % DAY)

    def write(self, time, size):
        recipients = list(dict.fromkeys(self.somebody() for _ in range(size)))
        ip = self.places.address(time)
        if self.one_row_each:
            return [[time, self.account, ip, [to], self.rng.random() < self.bounces] for to in recipients]
        return [[time, self.account, ip, recipients, self.rng.random() < self.bounces]]

    def events(self):
        rng, out = self.rng, []
        groups = [[self.somebody_new() for _ in range(size)] for size in self.lists]
        for day in range(self.start, self.end, DAY):
            weekend = (day // DAY + 4) % 7 in (0, 6)
            away = (day // DAY + self.number * 17) % 120 < 12
            mean = self.pace * (0.15 if weekend else 1) * (0.03 if away else 1) * math.exp(rng.gauss(-0.2, 0.6))
            for _ in range(poisson(rng, mean)):
                size = 1 if rng.random() < 0.75 else min(30, int(rng.paretovariate(1.3)))
                out += self.write(self.moment(day), size)
            for group in groups:
                if rng.random() < 0.05:
                    time = self.moment(day)
                    out.append([time, self.account, self.places.address(time), list(group), False])
        return [event for event in out if event[0] >= self.start]


def modern(seed, people=300, days=150):
    """Some hundred people of our days: many outside contacts, few of them write most of the mail, some by night, some travelling."""
    rng = random.Random(seed)
    begin = 1_700_000_000 // DAY * DAY
    events = []
    for number in range(people):
        start = begin if rng.random() < 0.7 else begin + rng.randrange(days * 2 // 3) * DAY
        domain = f"firm-{number % 7}.example"
        events += Person(rng, number, domain, start, begin + days * DAY).events()
    events.sort(key=lambda event: event[0])
    return events


def institute(seed, people=500, days=300):
    """A research institute: everybody has an account and writes mostly to colleagues, a row per recipient; departments, lists of
    a department, a few who write to hundreds. The record begins in the middle of their lives, at time 0."""
    rng = random.Random(seed)
    departments = [[] for _ in range(20)]
    for number in range(people):
        departments[int(rng.paretovariate(0.7)) % 20].append(number)
    events = []
    for department, members in enumerate(departments):
        for number in members:
            account, places = f"{number}@institute.example", Places(rng, None, 0.002, rng.choice([0, 0.1]))
            pace = min(60, math.exp(rng.gauss(0.3, 1.5)))
            circle = rng.sample(members, min(len(members), rng.randrange(3, 30))) + rng.sample(range(people), min(people, int(2 + rng.paretovariate(0.8)) % 200))
            rng.shuffle(circle)
            shift = rng.gauss(0, 1)
            for day in range(0, days * DAY, DAY):
                busy = (0.1 if (day // DAY + 4) % 7 in (0, 6) else 1) * math.exp(rng.gauss(-0.3, 0.8))
                for _ in range(poisson(rng, pace * busy)):
                    time = int(day + min(23.9, max(0, rng.gauss(13 + shift, 2.6))) * HOUR)
                    roll = rng.random()
                    if roll < 0.004 * min(1, pace / 5) and len(members) > 5:
                        to = members if rng.random() < 0.6 else rng.sample(range(people), rng.randrange(20, 120))
                    elif roll < 0.05:
                        to = [rng.randrange(people)]
                    else:
                        to = {circle[min(len(circle) - 1, int(rng.expovariate(1) * len(circle) / 4))] for _ in range(1 if rng.random() < 0.8 else rng.randrange(2, 9))}
                    ip = places.address(time)
                    events += [[time, account, ip, [f"{n}@institute.example"], rng.random() < 0.005] for n in to if n != number]
    events.sort(key=lambda event: event[0])
    return events
