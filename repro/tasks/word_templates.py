"""The templates of the words task that every split has, by the number of steps to the answer.

A template is a line `name (kind): steps; ranges` and, indented below it, its text (see `repro.tasks.template`).
"""

from __future__ import annotations

from repro.tasks.template import Template, by_steps, read_templates

STORIES = by_steps(
    read_templates("""
given_more (things): a + b
    {name} has {a} {things}. {other} gives {him} {b} more. How many {things} does {name} have now?
given_away (things): a - b
    {name} had {a} {things} and gave {b} of them to {other}. How many {things} does {name} have left?
packs (things): a * b
    A pack holds {b} {things}. {name} buys {a} packs. How many {things} does {name} buy?
rows (things): a * b
    There are {a} rows of chairs with {b} chairs in each row. How many chairs are there?
shared (sharing): a / b
    {a} {things} are shared equally among {b} children. How many {things} does each child get?
dealt (sharing): a / b
    {name} puts {a} {things} into {b} bags, the same number into each bag. How many {things} are in each bag?
price (shop): a * b
    One {ware} costs ${b}. How many dollars do {a} {wares} cost?
both_prices (shop): a + b
    A {ware} costs ${a} and a {second} costs ${b}. How many dollars do the two cost together?
spent (money): a - b
    {name} has ${a} and spends ${b} on lunch. How many dollars does {he} have left?
wage (money): a * b
    {name} earns ${a} an hour. How many dollars does {he} earn in {b} hours?
age_later (ages): a + b; a 5 to 40
    {name} is {a} years old. How old will {he} be in {b} years?
age_younger (ages): a - b; a 5 to 40
    {name} is {a} years old. {other} is {b} years younger than {name}. How old is {other}?
ride (distance): a * b; a 5 to 25
    A cyclist rides {a} km every hour. How many km does the cyclist ride in {b} hours?
way_left (distance): a - b
    A path is {a} km long. {name} has walked {b} km of it. How many km of the path are left?
per_hour (rate): a / b
    A machine makes {a} {products} in {b} hours, the same number every hour. How many {products} does it make in
    one hour?
pages (rate): a * b
    {name} reads {a} pages every day. How many pages does {he} read in {b} days?

bus_stop (things): a - b, r + c
    There are {a} people on a bus. At a stop {b} people get off and {c} people get on. How many people are on the
    bus then?
packs_more (things): b * c, a + r
    {name} has {a} {things} and buys {b} packs of {c} {things} each. How many {things} does {name} have now?
boxes_given (things): a * b, r - c
    {name} buys {a} boxes with {b} {things} in each box and gives {c} {things} to {other}. How many {things} does
    {name} have left?
times_together (things): a * b, a + r
    {name} has {a} {things}. {other} has {b} times as many {things} as {name}. How many {things} do the two have
    together?
fewer_together (things): a - b, a + r
    {name} finds {a} {things}. {other} finds {b} fewer {things} than {name}. How many {things} do the two find
    together?
rest_shared (sharing): a - b, r / c
    {name} has {a} {things}. {He} keeps {b} of them and shares the rest equally among {c} friends. How many
    {things} does each friend get?
joined_shared (sharing): a + b, r / c
    {name} has {a} {things} and {other} has {b} {things}. They put them together and share them equally among {c}
    children. How many {things} does each child get?
change (shop): a * b, c - r; c 20 to 200 by 10
    {name} buys {a} {wares} for ${b} each and pays with ${c}. How many dollars does {he} get back?
pairs_bought (shop): a + b, r * c
    A ticket costs ${a} and a drink costs ${b}. Each of {c} friends buys one ticket and one drink. How many
    dollars do the friends spend in all?
two_days_wage (money): a + b, r * c; a 2 to 9, b 2 to 9
    {name} earns ${c} an hour. {He} works {a} hours on Monday and {b} hours on Tuesday. How many dollars does {he}
    earn on the two days together?
weekly_savings (money): b * c, a + r
    {name} has ${a} and saves ${b} every week. How many dollars does {name} have after {c} weeks?
older_later (ages): a + b, r + c; a 5 to 40, b 2 to 12, c 2 to 15
    {name} is {a} years old. {other} is {b} years older than {name}. How old will {other} be in {c} years?
times_as_old (ages): a * b, r - c; a 8 to 15, b 3 to 4, c 2 to 12
    {name} is {a} years old. {name}'s aunt is {b} times as old. How old was the aunt {c} years ago?
ride_left (distance): b * c, a - r; a 30 to 200, c 5 to 25
    A road is {a} km long. {name} rides along it for {b} hours at {c} km per hour. How many km of the road are
    left?
tank (rate): b * c, a - r; a 30 to 200
    There are {a} litres of water in a tank. {b} litres run out every minute. How many litres are in the tank
    after {c} minutes?
two_machines (rate): a + b, r * c
    One machine makes {a} {products} an hour and another makes {b} {products} an hour. How many {products} do they
    make together in {c} hours?

two_goods (shop): a * b, c * d, r + s
    {name} buys {a} {wares} for ${b} each and {c} {seconds} for ${d} each. How many dollars does {he} spend in
    all?
paid_back (shop): a + b, r * c, d - s; d 20 to 200 by 10
    A {ware} costs ${a} and a {second} costs ${b}. {name} buys {c} of each and pays with ${d}. How many dollars
    does {he} get back?
bags_shared (sharing): a * b, r - c, s / d
    {name} has {a} bags with {b} {things} in each bag. {He} gives {c} {things} to {his} sister and shares the rest
    equally among {d} friends. How many {things} does each friend get?
groups (sharing): a + b, r / c, s * d; c 2 to 6
    There are {a} boys and {b} girls in a class. They form groups of {c} children, and each group gets {d} sheets
    of paper. How many sheets of paper are handed out?
eggs (things): a + b, r - c, s / d
    A farmer collects {a} eggs in the morning and {b} eggs in the evening. {c} of the eggs break. The farmer packs
    the others in boxes of {d} eggs. How many boxes are filled?
three_days (things): a + b, a + r, s + c
    A shop sells {a} {things} on Monday, {b} more on Tuesday than on Monday, and {c} on Wednesday. How many
    {things} does the shop sell on the three days together?
saved_spent (money): a * b, r + c, s - d
    {name} saves ${a} every week for {b} weeks and then gets ${c} from {his} aunt. {He} spends ${d} on a present.
    How many dollars does {name} have left?
read_left (rate): b * c, r + d, a - s; a 30 to 200
    A book has {a} pages. {name} reads {b} pages a day for {c} days and then {d} more pages. How many pages are
    left to read?
two_legs (distance): a * b, c * d, r + s; b 5 to 60 by 5, d 5 to 60 by 5
    {name} drives for {a} hours at {b} km per hour and then for {c} hours at {d} km per hour. How many km does
    {name} drive in all?
three_ages (ages): a + b, r * c, s + d; a 6 to 9, b 2 to 6, c 3 to 4, d 2 to 15
    {name} is {a} years old. {other} is {b} years older than {name}. The age of their teacher is {c} times that of
    {other}. How old will the teacher be in {d} years?

two_goods_change (shop): a * b, c * d, r + s, e - t; e 20 to 200 by 10
    {name} buys {a} {wares} for ${b} each and {c} {seconds} for ${d} each. {He} pays with ${e}. How many dollars
    does {he} get back?
boxes_shared (sharing): a * b, c * d, r + s, t / e
    {name} buys {a} boxes with {b} {things} in each and {c} bags with {d} {things} in each. {He} shares all the
    {things} equally among {e} children. How many {things} does each child get?
classes (sharing): a * b, r - c, s / d, t + e
    A school buys {a} packs of {b} pencils. {c} of the pencils are broken, and the others are shared equally among
    {d} classes. Each class had {e} pencils before. How many pencils does each class have now?
two_wages (money): a * b, c * d, r + s, t - e
    {name} works {a} hours for ${b} an hour and {c} hours for ${d} an hour. {He} then spends ${e} on shoes. How
    many dollars of what {he} earned are left?
two_stops (things): a + b, r - c, s + d, t - e
    There are {a} people on a bus. At the first stop {b} people get on and {c} people get off. At the second stop
    {d} people get on and {e} people get off. How many people are on the bus then?
trees (things): a * b, r + c, s * d, t - e
    A garden has {a} rows with {b} trees in each row and {c} more trees at the wall. Each tree gives {d} kg of
    apples, and {e} kg of all the apples are sold. How many kg of apples are kept?
three_legs (distance): b * c, r + d, s + e, a - t; a 80 to 300, c 5 to 25
    {name} wants to ride {a} km. On Monday {he} rides for {b} hours at {c} km per hour. On Tuesday {he} rides {d}
    km and on Wednesday {e} km. How many km are left to ride?
ages_of_three (ages): a + b, r - c, a + r, t + s; a 5 to 40, b 2 to 12, c 2 to 8
    {name} is {a} years old. {other} is {b} years older than {name}, and their cousin is {c} years younger than
    {other}. How many years old are {name}, {other} and the cousin together?
pumps (rate): a + b, r * c, s + d, t - e
    One pump moves {a} litres of water a minute and another moves {b} litres a minute. Both run for {c} minutes
    and fill a pool that held {d} litres before. Then {e} litres are let out. How many litres are in the pool now?
""")
)
"""Steps -> templates of stories."""

BARE = read_templates("""
plus (bare): a + b
    {a} + {b}
minus (bare): a - b
    {a} - {b}
times (bare): a * b
    {a} * {b}
divided (bare): a / b
    {a} / {b}

plus_minus (bare): a + b, r - c
    {a} + {b} - {c}
minus_plus (bare): a - b, r + c
    {a} - {b} + {c}
times_plus (bare): a * b, r + c
    {a} * {b} + {c}
times_minus (bare): a * b, r - c
    {a} * {b} - {c}
sum_times (bare): a + b, r * c
    ({a} + {b}) * {c}
sum_divided (bare): a + b, r / c
    ({a} + {b}) / {c}

plus_minus_plus (bare): a + b, r - c, s + d
    {a} + {b} - {c} + {d}
two_products (bare): a * b, c * d, r + s
    {a} * {b} + {c} * {d}
sum_times_minus (bare): a + b, r * c, s - d
    ({a} + {b}) * {c} - {d}

plus_minus_twice (bare): a + b, r - c, s + d, t - e
    {a} + {b} - {c} + {d} - {e}
two_products_minus (bare): a * b, c * d, r + s, t - e
    {a} * {b} + {c} * {d} - {e}
sum_times_plus_minus (bare): a + b, r * c, s + d, t - e
    ({a} + {b}) * {c} + {d} - {e}
""")
"""Sums, without the words around them."""


def asked(before: str, after: str, name: str) -> dict[int, tuple[Template, ...]]:
    """Steps -> the bare sums in a wording of their own."""
    return by_steps(
        Template(f"{name}_{bare.name}", bare.kind, f"{before}{bare.text}{after}", bare.steps) for bare in BARE
    )


WHAT_IS, WORK_OUT = asked("What is ", "?", "what_is"), asked("Work out ", ".", "work_out")
SUMS = {steps: WHAT_IS[steps] + WORK_OUT[steps] for steps in WHAT_IS}
"""Steps -> templates of bare sums."""
