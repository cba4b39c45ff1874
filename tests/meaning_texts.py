"""Texts that the strictness of cycles of meaning was chosen on (docs/loops.md)."""

from __future__ import annotations

CYCLES = {
    "rain": [
        "The rain had been falling on the town all night.",
        "From dusk to dawn water poured down over the streets.",
        "Not for an hour did the wet weather leave the village.",
        "A steady shower soaked the place until morning.",
        "Clouds emptied themselves above the houses till daybreak.",
    ],
    "tired": [
        "She was very tired after the long journey.",
        "The trip had worn her out completely.",
        "Travelling so far had left the woman exhausted.",
        "After many hours on the road she had no strength left.",
        "Such a voyage had drained all her energy.",
    ],
    "price": [
        "The price of bread went up again this year.",
        "A loaf costs more now than it did last year.",
        "Bakers are charging customers higher sums these days.",
        "Buying bread has become more expensive once more.",
        "Once again people must pay extra for their loaves.",
    ],
    "dog": [
        "The dog ran happily across the garden.",
        "With joy the puppy raced over the lawn.",
        "Our hound was dashing through the yard in delight.",
        "A cheerful animal sprinted along the grass.",
        "The pet bounded merrily between the flower beds.",
    ],
    "doctor": [
        "The doctor told him to stop smoking.",
        "His physician advised him to give up cigarettes.",
        "He was warned by a medical man to quit tobacco.",
        "Put the pipe away, the surgeon said to him.",
        "The specialist urged the patient to end his habit.",
    ],
    "exam": [
        "Most of the students failed the difficult exam.",
        "Few pupils managed to pass that hard test.",
        "The majority could not get through the demanding paper.",
        "It was such a tough examination that nearly everyone flunked.",
        "Only a handful of the class succeeded in the trial.",
    ],
    "bridge": [
        "The old bridge was closed because it was unsafe.",
        "Officials shut the ageing crossing for fear of collapse.",
        "Since it might fall down, nobody may use the ancient span.",
        "Traffic over the worn structure was stopped as a precaution.",
        "The historic viaduct is barred to all, being dangerous.",
    ],
    "team": [
        "Our team won the match in the last minute.",
        "Victory came to our side just before the final whistle.",
        "We scored the deciding goal at the very end.",
        "The players snatched the game in its closing seconds.",
        "At the last possible moment the club triumphed.",
    ],
    "lie": [
        "I do not believe what he told me.",
        "His story does not convince me at all.",
        "To my mind the man was not speaking the truth.",
        "What I heard from him sounds false.",
        "He must have been lying to me, I think.",
    ],
    "winter": [
        "In winter the lake freezes over completely.",
        "Ice covers all of the water when the cold months come.",
        "Each December the whole pond turns solid.",
        "During the frosty season the surface becomes hard.",
        "The mere is locked under a frozen sheet when it snows.",
    ],
}
"""One thing said five times in other words."""
PAIRS = {
    "cook": [
        "First the onions are chopped into small pieces.",
        "Then the pan is put on a hot stove.",
        "To begin with, cut up the onions finely.",
        "After that a skillet goes over the flame.",
        "Start by dicing the onions on a board.",
        "Next the frying pan has to be heated.",
    ],
    "child": [
        "The boy asked his mother for a story.",
        "She told him that it was too late.",
        "He begged his mum to read him a tale.",
        "Her answer was that the hour was past.",
        "The child wanted to hear another one from her.",
        "It was bedtime already, said the woman.",
    ],
}
"""Two things in turn, three times."""
PASSAGES = {
    "river": [
        "The river begins high in the mountains.",
        "For the first miles it is only a narrow stream.",
        "Several villages take their water from it.",
        "Below the gorge it grows wide and slow.",
        "Boats can sail there from spring to autumn.",
        "At the coast it splits into many arms.",
    ],
    "morning": [
        "He woke before the alarm rang.",
        "The kitchen smelled of coffee and burnt toast.",
        "His sister had already left for work.",
        "On the table lay a letter without a stamp.",
        "He opened it with a knife.",
        "It said only that the house was sold.",
    ],
    "bees": [
        "A colony of bees has one queen.",
        "Workers build the comb from wax.",
        "In summer they visit thousands of flowers a day.",
        "The honey is stored for the cold months.",
        "Beekeepers leave some of it in the hive.",
        "Without bees many crops would bear no fruit.",
    ],
    "rome": [
        "Rome was at first a small town on the Tiber.",
        "Its people drove out their last king.",
        "Two consuls were then elected every year.",
        "Wars with Carthage made it a power at sea.",
        "Caesar crossed the Rubicon with one legion.",
        "His heir became the first emperor.",
    ],
    "piano": [
        "Anna bought a piano from a neighbour.",
        "Four men carried it up the stairs.",
        "One of its legs broke on the landing.",
        "Her brother repaired it with glue and a clamp.",
        "Now she plays every evening after dinner.",
        "The cat listens from the top of the shelf.",
    ],
    "engine": [
        "The engine turns heat into motion.",
        "Fuel is mixed with air and burned in a cylinder.",
        "The hot gas pushes a piston down.",
        "A crank makes the wheels go round.",
        "Water carries the waste heat to the radiator.",
        "Oil keeps the metal parts from wearing out.",
    ],
    "island": [
        "Nobody had lived on the island for years.",
        "Goats wandered through the empty church.",
        "A storm had torn the roof off the school.",
        "In the harbour two boats lay on their sides.",
        "We put up our tent behind the lighthouse.",
        "That night we heard somebody knocking.",
    ],
    "market": [
        "Shares fell sharply on Monday.",
        "Investors feared that rates would rise.",
        "The central bank said nothing until noon.",
        "Its chairman then promised to wait.",
        "By the evening most losses were made good.",
        "Gold ended the day a little lower.",
    ],
}
"""Passages without a cycle."""
