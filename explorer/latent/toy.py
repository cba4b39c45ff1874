"""The toy language: questions and statements about objects, places, colours and counts."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from explorer.latent.grammar import Grammar
from explorer.latent.notation import grammar_of
from explorer.latent.toy_words import SOUNDS, classes

MIN_WORDS, MAX_WORDS = 4, 20

FEATURES = {"N": ("one", "many"), "M": ("one", "many"), "S": SOUNDS, "T": SOUNDS, "U": SOUNDS}
"""Number of two noun phrases; first sound of up to three words."""

# A place stands behind the subject or in the predicate, never behind an object: "holds a ball in
# the hall" would have two readings.
RULES = """
statement 6: sentence[] -> statement[]
question 5: sentence[] -> question[]

# Statements
says_where 5: statement[] -> whole[N] be[N] location[]
says_colour 3: statement[] -> whole[N] be[N] colour_word[]
says_not_colour 1: statement[] -> whole[N] be[N] not colour_word[]
says_quality 2: statement[] -> whole[N] be[N] trait[]
says_there_is 3: statement[] -> there is indefinite[] location[]
says_there_are 3: statement[] -> there are amount[] group[] location[]
says_deed 5: statement[] -> agent[N] deed[N] object[]
says_not_deed 1: statement[] -> agent[N] do[N] not deed[many] object[]
says_doing 3: statement[] -> agent[N] be[N] doing[] object[]
says_has 3: statement[] -> agent[N] have[N] object[]
says_compares 2: statement[] -> whole[N] be[N] comparative[] than simple[M]
says_not_compares 1: statement[] -> whole[N] be[N] not comparative[] than simple[M]
says_same_colour 1: statement[] -> whole[N] be[N] the same colour as simple[M]
says_between 1: statement[] -> whole[N] be[N] between simple[M] and simple[one]
says_it_is 2: statement[] -> it is indefinite[]
says_it_is_not 1: statement[] -> it is not indefinite[]
says_they_are 1: statement[] -> they are group[]

# Questions
asks_is_where 4: question[] -> be[N] simple[N] location[]
asks_is_colour 3: question[] -> be[N] simple[N] colour_word[]
asks_which_colour 2: question[] -> be[N] simple[N] colour_word[] or colour_word[]
asks_is_quality 2: question[] -> be[N] simple[N] trait[]
asks_is_it 4: question[] -> is it indefinite[]
asks_is_it_place 2: question[] -> is it location[]
asks_is_it_colour 2: question[] -> is it colour_word[] or colour_word[]
asks_are_they 1: question[] -> are they group[]
asks_where 3: question[] -> where be[N] whole[N]
asks_colour 3: question[] -> what colour be[N] whole[N]
asks_how_many_where 3: question[] -> how many group[] are there location[]
asks_how_many_has 2: question[] -> how many group[] do[N] actor[N] have
asks_what_where 2: question[] -> what is location[]
asks_who_deed 2: question[] -> who deed[one] object[]
asks_who_doing 2: question[] -> who is doing[] object[]
asks_deed 3: question[] -> do[N] actor[N] deed[many] object[]
asks_doing 2: question[] -> be[N] actor[N] doing[] object[]
asks_which_where 2: question[] -> which named[N] be[N] location[]
asks_which_deed 1: question[] -> which being[one,S] deed[one] object[]
asks_compares 2: question[] -> be[N] simple[N] comparative[] than simple[M]

# Noun phrases: `simple` has no place behind it, `whole` may have, `indefinite` says "a" or "an"
whole_simple 5: whole[N] -> simple[N]
whole_where 2: whole[N] -> simple[N] location_short[]
whole_relative 1: whole[N] -> simple[N] that be[N] location_short[]
whole_owned 1: whole[N] -> simple[N] that actor[M] have[M]
simple_the 6: simple[N] -> the named[N]
simple_this 1: simple[one] -> this named[one]
simple_every 1: simple[one] -> every named[one]
simple_one 1: simple[one] -> one named[one]
simple_these 1: simple[many] -> these named[many]
simple_amount 2: simple[many] -> amount[] group[]
named_one 1: named[one] -> noun[one,S]
named_many 1: named[many] -> group[]
indefinite_a 1: indefinite[] -> a noun[one,consonant]
indefinite_an 1: indefinite[] -> an noun[one,vowel]
noun_plain 6: noun[one,S] -> thing[one,S]
noun_quality 2: noun[one,S] -> quality[S] thing[one,T]
noun_size 2: noun[one,S] -> size[S] thing[one,T]
noun_colour 3: noun[one,S] -> colour[S] thing[one,T]
noun_size_colour 1: noun[one,S] -> size[S] colour[T] thing[one,U]
group_plain 6: group[] -> thing[many]
group_quality 2: group[] -> quality[S] thing[many]
group_size 2: group[] -> size[S] thing[many]
group_colour 3: group[] -> colour[S] thing[many]
group_size_colour 1: group[] -> size[S] colour[T] thing[many]
amount_count 3: amount[] -> count[]
amount_some 1: amount[] -> some
object_one 4: object[] -> indefinite[]
object_the 3: object[] -> the named[N]
object_many 2: object[] -> amount[] group[]
object_being 1: object[] -> the being[one,S]

# Those who act
agent_actor 5: agent[N] -> actor[N]
agent_place 1: agent[N] -> actor[N] in_place[]
actor_the 4: actor[one] -> the being[one,S]
actor_a 1: actor[one] -> a being[one,consonant]
actor_an 1: actor[one] -> an being[one,vowel]
actor_the_many 3: actor[many] -> the being[many]
actor_count 1: actor[many] -> amount[] being[many]

# Where, and of what kind
location_in 3: location[] -> in_place[]
location_spot 4: location[] -> spot[] the noun[one,S]
location_short_in 2: location_short[] -> in_place[]
location_short_spot 2: location_short[] -> spot[] the thing[one,S]
in_the_place 1: in_place[] -> in the place[]
colour_word 1: colour_word[] -> colour[S]
trait_quality 2: trait[] -> quality[S]
trait_size 1: trait[] -> size[S]

# Forms of verbs
is 1: be[one] -> is
are 1: be[many] -> are
does 1: do[one] -> does
do 1: do[many] -> do
has 1: have[one] -> has
have 1: have[many] -> have
"""


_KINDS = {
    "thing": "a thing",
    "being": "a being",
    "place": "a place",
    "colour": "a colour",
    "size": "a size",
    "comparative": "a comparative",
    "quality": "a quality",
    "deed": "a verb",
    "doing": "a verb in -ing",
    "count": "a number",
    "spot": "a preposition",
}
_FEATURES = {
    "one": "in the singular",
    "many": "in the plural",
    "vowel": "with a vowel first",
    "consonant": "with a consonant first",
}


def describe(terminal: str, beside: Collection[str]) -> str:
    """What a class of words is, for people; a word is put in quotes.

    Args:
        terminal: the class, or the word.
        beside: all that is described together; a feature that makes no difference is not said.

    >>> describe("size[vowel]", ["size[vowel]", "the"]), describe("the", ["the"])
    ('a size with a vowel first', "'the'")
    >>> describe("size[vowel]", ["size[vowel]", "size[consonant]"])
    'a size'
    """
    name, bracket, features = terminal.rstrip("]").partition("[")
    if not bracket:
        return f"'{name}'"
    said = [_KINDS[name]]
    for feature in filter(None, features.split(",")):
        twins = {terminal.replace(feature, sound) for sound in SOUNDS}
        if feature not in SOUNDS or not twins <= {*beside}:
            said.append(_FEATURES[feature])
    return " ".join(said)


@cache
def toy_grammar() -> Grammar:
    """The grammar of the toy language."""
    return grammar_of(RULES, classes(), FEATURES, (MIN_WORDS, MAX_WORDS))
