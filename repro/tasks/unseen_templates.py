"""The templates of the words task that the test set alone has: situations and wordings that training never shows."""

from __future__ import annotations

from repro.tasks.template import by_steps, read_templates
from repro.tasks.word_templates import asked

STORIES = by_steps(
    read_templates("""
trees_planted (things): a + b
    {name} planted {a} trees last year and {b} trees this year. How many trees has {name} planted in the two
    years?
rope (distance): a - b
    A rope is {a} metres long. {name} cuts off {b} metres. How many metres of rope remain?
tables (things): a * b
    Each table in a cafe seats {b} guests. How many guests can sit at {a} tables?
juice (sharing): a / b
    {name} pours {a} litres of juice into {b} jugs, the same amount into each jug. How many litres are in each
    jug?

library (things): a - b, r - c
    A library has {a} books on a shelf. Readers borrow {b} of them on Monday and {c} of them on Tuesday. How many
    of the books are still on the shelf?
way_to_school (distance): a * 2, r * b
    {name} lives {a} km from school. On each of {b} days {he} walks to school and back home. How many km does {he}
    walk on these days, both ways together?
rolls (things): a * b, r / c; b 4 to 12
    A baker bakes {a} trays with {b} rolls on each tray and packs all the rolls in bags of {c}. How many bags are
    filled?
discount (shop): a - b, r * c
    A {ware} usually costs ${a}. Today each {ware} is ${b} cheaper. How many dollars do {c} {wares} cost today?

cinema (things): a * b, r - c, s - d; a 4 to 9, b 4 to 12
    A cinema has {a} rows of {b} seats. {c} seats are taken by adults and {d} seats by children. How many seats
    are empty?
lawns (money): a * b, r - c, s / d; d 3 to 6
    {name} and {his} brothers mow {a} lawns for ${b} each and spend ${c} on petrol. The {d} of them share what is
    left equally. How many dollars does each of them get?
loaves (rate): a + b, r * c, s + d
    A bakery sells {a} loaves every morning and {b} loaves every afternoon for {c} days. At a fair it sells {d}
    loaves more. How many loaves does it sell in all?

hotel (things): a * b, r - c, s * d, t - e
    A hotel has {a} floors with {b} rooms on each floor. {c} of the rooms are closed. Each open room has {d} beds,
    and {e} of these beds are taken. How many of these beds are free?
albums (things): a * b, c * d, r + s, t - e
    {name} fills {a} albums with {b} photos each, and {other} fills {c} albums with {d} photos each. They take {e}
    of all these photos out again. How many photos are left in the albums?
school_trip (money): b * c, a + r, s - d, t / e; a 30 to 200, c 6 to 12, e 2 to 5
    A trip costs ${a} for the bus and ${b} for each of {c} children. The school pays ${d}, and {e} teachers share
    the rest equally. How many dollars does each of the teachers pay?
""")
)
"""Steps -> templates of stories."""

SUMS = asked("Find the value of ", ".", "find_value")
"""Steps -> templates of bare sums."""
