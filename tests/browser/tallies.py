"""Writes a year of invented counts into the database of a test: tallies.py DATABASE ORGANIZATION SITE.

The Site, a Sending Facility SF-000900 of the organization with 60 clients, their region and two vendors. Always the same numbers.
"""

import datetime
import json
import random
import sqlite3
import sys

ELEMENTS = [0.995, 0.998, 0.99, 0.93, 0.88, 0.72, 0.64, 0.985, 0.97, 0.96, 0.91]
RULES = [
    ("SHAPE", "PID-13", "W"),
    ("USE-R", "PID-7", "E"),
    ("CODE", "RXA-5", "W"),
    ("USE-C", "RXA-17", "W"),
    ("DQ-DOSE-FUTURE", "RXA-3", "E"),
]
STAGES = ["registered", "testing", "testing", "validated", "production", "production", "production", "suspended"]
CITIES = ["Alder", "Bayberry", "Cedar", "Dogwood", "Elder", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper"]
KINDS = ["Family Clinic", "Pediatrics", "Pharmacy", "Health Center", "School Clinic", "Urgent Care"]

invented = random.Random(7)


def counts(messages, quality):
    accepted = sum(invented.random() < quality for _ in range(messages))
    clean = sum(invented.random() < quality - 0.04 for _ in range(accepted))
    rejected = sum(invented.random() < 0.01 for _ in range(accepted))
    day = sum(invented.random() < 0.8 for _ in range(accepted))
    fortnight = sum(invented.random() < 0.7 for _ in range(accepted - day))
    elements = [[accepted, sum(invented.random() < share for _ in range(accepted))] for share in ELEMENTS]
    return {
        "messages": messages, "accepted": accepted, "clean": clean, "refused": messages - accepted, "queries": 3,
        "doses": accepted * 2, "delivered": accepted - rejected, "rejected": rejected,
        "timely": [day, fortnight, accepted - day - fortnight], "elements": elements,
    }


def main(database, organization, site):
    conn = sqlite3.connect(database, timeout=30)
    today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)

    def write(scope, subject, days, busy, quality, findings=True):
        for back in range(days):
            since = today - datetime.timedelta(days=back)
            weekend = since.weekday() > 4
            found = counts(int(busy * invented.uniform(0.5, 1.5) * (0.15 if weekend else 1)), quality - 0.05 * (back // 30 % 2))
            key = (scope, subject, "production", since.strftime("%Y-%m-%d %H:%M:%S"))
            sums = [found[name] for name in ("messages", "accepted", "clean", "rejected")]
            conn.execute("INSERT INTO tally VALUES (?,?,?,?,?,?,?,?,?)", (*key, json.dumps(found), *sums))
            if findings and found["accepted"]:
                for rank, rule in enumerate(RULES):
                    conn.execute("INSERT INTO finding_tally VALUES (?,?,?,?,?,?,?,?)", (*key, *rule, 1 + found["messages"] // (8 + 5 * rank)))

    now = today.strftime("%Y-%m-%d %H:%M:%S")
    sites = "INSERT INTO site (id, organization_id, name, kind, clinical, county, region, status, created_at, updated_at) VALUES (?,?,?,?,?,?,?,?,?,?)"
    conn.execute(sites, ("SF-000900", organization, "Golden Poppy Exchange", "sending-facility", 0, "06001", "CAIRBA", "production", now, now))
    for number in range(60):
        client = f"DE-0009{number:02}"
        name = f"{CITIES[number % 10]} {KINDS[number % 6]} {number // 10 + 1}"
        stage = STAGES[number % 8]
        conn.execute(sites, (client, organization, name, "through-facility", 1, "06001", "CAIRBA", stage, now, now))
        link = "requested" if number % 12 == 3 else "ended" if number % 20 == 7 else "active"
        conn.execute("INSERT INTO site_link (facility_id, site_id, status, changed_at) VALUES (?,?,?,?)", ("SF-000900", client, link, now))
        if link == "active" and number % 9:
            write("client", f"SF-000900 {client}", 90, 4 + number % 30, 0.99 - (number % 7) * 0.03, findings=number < 3)
            write("site", client, 30, 4 + number % 30, 0.99 - (number % 7) * 0.03, findings=False)
    write("site", site, 364, 60, 0.96)
    write("facility", "SF-000900", 364, 120, 0.95)
    write("region", "CAIRBA", 364, 300, 0.97)
    write("region", "CAIRLO", 90, 200, 0.93)
    write("vendor", "Example EHR", 90, 80, 0.98)
    write("vendor", "Other EHR & Co.", 90, 50, 0.9)
    hour = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    for region, busy in (("CAIRBA", 90), ("CAIRLO", 40)):
        for back in range(7 * 24):
            since = hour - datetime.timedelta(hours=back)
            night = not 15 <= since.hour <= 23
            found = counts(int(busy * invented.uniform(0.5, 1.5) * (0.1 if night else 1)), 0.96 if back // 5 % 4 else 0.7)
            sums = [found[name] for name in ("messages", "accepted", "clean", "rejected")]
            key = ("region-hour", region, "production", since.strftime("%Y-%m-%d %H:%M:%S"))
            conn.execute("INSERT INTO tally VALUES (?,?,?,?,?,?,?,?,?)", (*key, json.dumps(found), *sums))
    conn.commit()


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
