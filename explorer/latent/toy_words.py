"""The words of the toy language, by class; forms that follow no rule are written out."""

from __future__ import annotations

from collections.abc import Iterator

from explorer.core.errors import InvalidParams

SOUNDS = ("vowel", "consonant")

# singular, or singular/plural
THINGS = """
apple armchair arrow axe bag ball balloon banana basket bath bean bed bell belt bench bicycle
biscuit blanket block boat book boot bottle bowl box bracelet branch brick bridge broom brush
bucket bun button cabinet cake calendar camera candle candlestick cap card carpet carrot cart
chain chair cherry chest clock cloud coat coin comb compass cone cookie crayon crown cube cup
cupboard curtain cushion desk dish doll door dress drum earring egg engine envelope eraser
feather fence flag flower flute fork fountain frame fridge glove guitar hammer handkerchief hat
helmet hook horn house ice-cream inkpot iron jacket jar jug kettle key kite knife/knives ladder
lamp lantern leaf/leaves lemon letter lid lock log magnet map marble mask mat mattress medal
mirror mitten mug nail necklace needle nest net notebook oar onion orange oven paddle painting
pan parcel peach pear pebble pen pencil piano picture pie pillow pin pipe plate plum pocket pot
potato/potatoes present pumpkin purse puzzle quilt radio raft rake ribbon ring robe robot rock
rope ruler sack saddle sandal saw scarf/scarves seat shelf/shelves shell shirt shoe shovel sink
skirt sled sock sofa spade spoon stamp statue step stick stone stool stove suitcase sword table
tablet tent ticket tie toaster tomato/tomatoes torch towel tower toy train tray trumpet trunk
tube umbrella vase vest violin wagon wallet wand wardrobe wheel whistle wig window wreath yo-yo
"""

BEINGS = """
actor ant aunt baby baker bear bee bird boy cat child/children clown cook cow crab dancer dog
doctor donkey duck eagle elephant farmer fox friend frog giant girl goat goose/geese guest hen
horse king kitten lion man/men monkey mouse/mice nurse otter owl painter parrot pig pirate
princess puppy queen rabbit sailor singer snail teacher tiger turtle uncle whale witch wizard
wolf/wolves woman/women
"""

PLACES = """
attic balcony barn basement bathroom bedroom cave cellar church classroom desert field forest
garage garden hall harbour island kitchen library market meadow museum office orchard park
playground shed shop stable station street theatre valley village yard
"""

COLOURS = """
amber beige black blue brown crimson cream golden green grey indigo ivory maroon olive orange
pink purple red scarlet silver turquoise violet white yellow
"""

# base, or base/comparative
SIZES = """
big/bigger small/smaller tall/taller short/shorter long/longer wide/wider thin/thinner
thick/thicker heavy/heavier light/lighter large/larger tiny/tinier old/older new/newer
"""

QUALITIES = """
ancient beautiful broken cheap clean cold dirty dry empty expensive fancy flat funny hard hot
important interesting lovely modern open plain pretty round rough sharp shiny smooth soft
square sticky strange striped ugly unusual warm wet wooden
"""

# base, or base/third person/present participle
DEEDS = """
bring/brings/bringing buy/buys/buying carry/carries/carrying clean/cleans/cleaning
count/counts/counting drop/drops/dropping find/finds/finding hide/hides/hiding
hold/holds/holding kick/kicks/kicking like/likes/liking move/moves/moving need/needs/needing
paint/paints/painting pull/pulls/pulling push/pushes/pushing see/sees/seeing
sell/sells/selling take/takes/taking throw/throws/throwing touch/touches/touching
want/wants/wanting wash/washes/washing watch/watches/watching
"""

COUNTS = "two three four five six seven eight nine ten eleven twelve twenty fifty"
SPOTS = "on under behind beside near above below inside against"


def plural(noun: str) -> str:
    """The plural of a noun that follows the rules of spelling.

    >>> [plural(noun) for noun in ("box", "cherry", "toy", "bench", "ball")]
    ['boxes', 'cherries', 'toys', 'benches', 'balls']
    """
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def sound(word: str) -> str:
    """Which article a word takes: "an" before "vowel", "a" before "consonant".

    The spelling decides: no word here is one, like hour or unicorn, that is said otherwise.
    """
    return SOUNDS[0] if word[0] in "aeiou" else SOUNDS[1]


def classes() -> dict[str, tuple[str, ...]]:
    """Every class of words under the name the rules use, split by sound where that matters.

    Raises:
        InvalidParams: if a class repeats a word.
    """
    found: dict[str, list[str]] = {}
    for name, word in _entries():
        found.setdefault(name, []).append(word)
    for name, words in found.items():
        if len(set(words)) < len(words):
            raise InvalidParams(f"The class '{name}' repeats a word.", "Write each once.")
    return {name: tuple(sorted(words)) for name, words in found.items()}


def _entries() -> Iterator[tuple[str, str]]:
    for name, text in (("thing", THINGS), ("being", BEINGS)):
        for entry in text.split():
            one, _, many = entry.partition("/")
            yield f"{name}[one,{sound(one)}]", one
            yield f"{name}[many]", many or plural(one)
    for name, text in (("colour", COLOURS), ("quality", QUALITIES)):
        yield from ((f"{name}[{sound(word)}]", word) for word in text.split())
    for name, text in (("count", COUNTS), ("spot", SPOTS), ("place", PLACES)):
        yield from ((f"{name}[]", word) for word in text.split())
    for entry in SIZES.split():
        base, comparative = entry.split("/")
        yield f"size[{sound(base)}]", base
        yield "comparative[]", comparative
    for entry in DEEDS.split():
        yield from zip(("deed[many]", "deed[one]", "doing[]"), entry.split("/"), strict=True)
